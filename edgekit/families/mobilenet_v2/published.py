"""Published weights of any MobileNetV2, with the configuration that they belong to.

From a .tflite of any quantization, a weights file of keras.applications, or torchvision's state
dict.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgekit.errors import InputError
from edgekit.families.mobilenet_v2 import FAMILY, Config
from edgekit.families.mobilenet_v2.layers import TOP, alpha_of, convolutions
from edgekit.families.mobilenet_v2.pretrained import read_layer
from edgekit.families.published import Published, bias_alone
from edgekit.families.state_dict import read_state_dict
from edgekit.profile.graph import read_graph
from edgekit.quantize.published import read_input, read_weights

Array = npt.NDArray[Any]

# What torchvision's transforms take from pixels and divide them by, in pixel units.
TORCH_MEAN = (123.675, 116.28, 103.53)
TORCH_STD = (58.395, 57.12, 57.375)
TORCH_EPSILON = 1e-5
_RESOLUTION = 224  # where the file does not say


def read_published(
    path: Path, *, resolution: int | None = None, pooling: str | None = None
) -> Published:
    """Return what a file of published weights holds.

    Args:
        path: .tflite, .h5 or .hdf5, .npz or .safetensors.
        resolution: of the network, where the file says none; 224 if not given.
        pooling: of a network without classifier, where the file says none.

    Raises:
        InputError: not a MobileNetV2 of a published width, damaged, or a resolution or pooling
            is given that the file itself knows.
    """
    read = _READERS.get(path.suffix)
    if read is None:
        raise InputError(
            f"{path}: no published weights", expected="a file *" + ", *".join(_READERS)
        )
    if not path.is_file():
        raise InputError(f"{path}: not found")
    if path.suffix == ".tflite" and (resolution or pooling):
        raise InputError(f"{path}: says its resolution and pooling itself", do="leave them out")
    return read(path, resolution or _RESOLUTION, pooling)


def _from_tflite(path: Path, _: int, __: str | None) -> Published:
    """Read a file whose batch norms were folded: ours do nothing but add its biases."""
    graph = read_graph(path)
    weights = list(read_weights(path))
    body, top = weights[:52], weights[52:]
    alpha = alpha_of([len(w.bias) for w in body], path)
    (_, resolution, _, channels), pooled = graph.inputs[0].shape or (), graph.outputs[0].shape
    config = Config(
        alpha,
        resolution,
        len(top[0].bias) if top else Config.classes,
        channels,
        include_top=bool(top),
        pooling="avg" if not top and len(pooled or ()) == 2 else None,
    )
    arrays: dict[str, list[Array]] = {}
    for layer, found in zip(convolutions(alpha), body, strict=True):
        arrays[layer.name] = [found.kernel]
        arrays[layer.norm] = bias_alone(found, config.bn_epsilon)
    for found in top:  # a fully connected layer, or a convolution 1x1 of one place
        arrays[TOP] = [found.kernel.reshape(-1, len(found.bias)), found.bias]
    mean, std = read_input(path) or (FAMILY.mean, FAMILY.std)
    return Published(config, arrays, mean or (), std or ())


def _from_keras(path: Path, resolution: int, pooling: str | None) -> Published:
    names = [(layer.name, layer.norm) for layer in convolutions(1.0)]
    arrays = {name: read_layer(path, name) for pair in names for name in pair}
    for name, found in arrays.items():
        if not found:
            raise InputError(f"{path}: layer {name}", got="no such layer",
                             expected="a file of keras.applications' MobileNetV2")  # fmt: skip
    if top := read_layer(path, TOP):
        arrays[TOP] = top
    alpha = alpha_of([len(arrays[norm][0]) for _, norm in names], path)
    config = _config(alpha, resolution, pooling, top, channels=arrays["Conv1"][0].shape[2])
    return Published(config, arrays, FAMILY.mean or (), FAMILY.std or ())


def _from_torchvision(path: Path, resolution: int, pooling: str | None) -> Published:
    state = read_state_dict(path)
    arrays = to_keras(state, path)
    alpha = alpha_of([len(arrays[layer.norm][0]) for layer in convolutions(1.0)], path)
    config = _config(
        alpha, resolution, pooling, arrays.get(TOP), channels=arrays["Conv1"][0].shape[2],
        bn_epsilon=TORCH_EPSILON, padding="symmetric",
    )  # fmt: skip
    return Published(config, arrays, TORCH_MEAN, TORCH_STD)


def to_keras(state: Mapping[str, Array], where: object) -> dict[str, list[Array]]:
    """Return torchvision's tensors by Keras's layers, kernels `[H, W, in, out]`.

    PyTorch keeps kernels as `[out, in, H, W]` and a linear layer as `[out, in]`.

    Raises:
        InputError: a tensor is missing or has another rank, or one is there that belongs to no
            layer.
    """
    left = {name for name in state if not name.endswith(".num_batches_tracked")}

    def take(name: str, rank: int) -> Array:
        found = state.get(name)
        if found is None or found.ndim != rank:
            raise InputError(
                f"{where}: tensor {name}",
                got="no such tensor" if found is None else list(found.shape),
                expected=f"torchvision's MobileNetV2, {rank} dimensions",
            )
        left.discard(name)
        return found.astype(np.float32)

    arrays: dict[str, list[Array]] = {}
    for layer in convolutions(1.0):  # the names are the same for every width
        kernel = take(f"{layer.torch}.weight", 4)
        order = (2, 3, 0, 1) if layer.depthwise else (2, 3, 1, 0)
        arrays[layer.name] = [kernel.transpose(order)]
        norm = ("weight", "bias", "running_mean", "running_var")
        arrays[layer.norm] = [take(f"{layer.torch_norm}.{part}", 1) for part in norm]
    if "classifier.1.weight" in state:
        arrays[TOP] = [take("classifier.1.weight", 2).T, take("classifier.1.bias", 1)]
    if left:
        raise InputError(f"{where}: tensor {min(left)}", expected="torchvision's MobileNetV2 alone")
    return arrays


def _config(
    alpha: float, resolution: int, pooling: str | None, top: Sequence[Array] | None, **more: Any
) -> Config:
    """Return the configuration of a file that holds weights alone."""
    if not top:
        return Config(alpha, resolution, include_top=False, pooling=pooling, **more)
    return Config(alpha, resolution, classes=len(top[1]), pooling=pooling, **more)


_READERS: dict[str, Callable[[Path, int, str | None], Published]] = {
    ".tflite": _from_tflite,
    ".h5": _from_keras,
    ".hdf5": _from_keras,
    ".npz": _from_torchvision,
    ".safetensors": _from_torchvision,
}
