"""Published ImageNet weights: fetched once, checked by names, shapes and SHA-256."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from edgekit.errors import InputError, MissingExtraError, SetupError
from edgekit.families.mobilenet_v2 import Config
from edgekit.families.mobilenet_v2.layers import ALPHAS, TOP
from edgekit.files import file_sha256, write_file

Array = npt.NDArray[Any]

# As tf_keras.applications.mobilenet_v2 has it.
URL = "https://storage.googleapis.com/tensorflow/keras-applications/mobilenet_v2/"
RESOLUTIONS = (96, 128, 160, 192, 224)
CLASSES = 1000


def load_pretrained(
    network: Any, config: Config, weights: str, *, sha256: str | None = None, url: str = URL
) -> str:
    """Load "imagenet" or a file's weights into `network` and return the file's SHA-256.

    Every layer must be there.

    The classifier keeps its fresh weights where the network has another number of classes.

    Raises:
        InputError: no such checkpoint, or names, shapes or the hash differ.
        SetupError: no network.
    """
    path = locate(config, weights, sha256=sha256, url=url)
    copy_weights(network, path, skip_top=config.classes != CLASSES)
    return file_sha256(path)


def load_body(
    network: Any, backbone: Config, weights: str, *, head: str, body: Sequence[str],
    sha256: str | None = None, url: str = URL,
) -> str:  # fmt: skip
    """Load weights into a network that stands on this body and return the file's SHA-256.

    A file that does not know the layer `head`, as keras.applications', gives the layers of `body`
    their weights: every one of them must be there. Of any other every layer must be.

    Raises:
        InputError: no such checkpoint, or names, shapes or the hash differ.
        SetupError: no network.
    """
    path = locate(backbone, weights, sha256=sha256, url=url)
    names: Sequence[str] = [layer.name for layer in network.layers if layer.weights]
    if not read_layer(path, head):
        names = body
    assign(network, {name: read_layer(path, name) for name in names}, path)
    return file_sha256(path)


def locate(config: Config, weights: str, *, sha256: str | None, url: str = URL) -> Path:
    """Return the file that "imagenet" or a path means, its hash compared.

    Raises:
        InputError: no such checkpoint, or the hash differs.
        SetupError: no network.
    """
    if weights == "imagenet":
        return fetch(config, sha256=sha256, url=url)
    path = Path(weights)
    if not path.is_file():
        raise InputError(f"{weights}: not found", expected='"imagenet" or a weights file')
    check_hash(path, sha256)
    return path


def published_name(config: Config) -> str:
    """Return the name of keras.applications' file for `config`.

    Raises:
        InputError: none was published for this width or input.
    """
    if config.alpha not in ALPHAS or config.channels != 3:
        raise InputError(
            "mobilenet_v2: no published weights",
            got=f"alpha {config.alpha}, {config.channels} channels",
            expected="alpha " + ", ".join(map(str, ALPHAS)) + " and 3 channels",
        )
    # The nearest published resolution from above: the weights themselves fit every size.
    resolution = next((r for r in RESOLUTIONS if r >= config.resolution), RESOLUTIONS[-1])
    top = "" if config.include_top and config.classes == CLASSES else "_no_top"
    alpha = float(config.alpha)
    return f"mobilenet_v2_weights_tf_dim_ordering_tf_kernels_{alpha}_{resolution}{top}.h5"


def fetch(
    config: Config, *, sha256: str | None = None, url: str = URL, cache: Path | None = None
) -> Path:
    """Return the published file in the user's cache, downloaded if it is not there.

    The SHA-256 is written beside it the first time, and checked from then on.

    Raises:
        InputError: no such checkpoint, or the hash differs.
        SetupError: it cannot be downloaded.
    """
    try:
        import pooch
        import requests
    except ModuleNotFoundError as error:
        raise MissingExtraError(error.name or "pooch", "train") from None
    name = published_name(config)
    cache = cache or Path(os.environ.get("EDGEKIT_CACHE") or pooch.os_cache("edgekit"))
    path, record = cache / name, cache / f"{name}.sha256"
    known = record.read_text().split()[0] if record.is_file() else None
    if not path.is_file():
        pooch.get_logger().setLevel("WARNING")
        try:
            pooch.retrieve(url + name, known_hash=None, fname=name, path=cache)
        except (OSError, requests.exceptions.RequestException) as error:
            raise SetupError(
                f"{name}: cannot be downloaded",
                got=f"{type(error).__name__} at {url}",
                do="connect, or give the file by path: --weights FILE",
            ) from None
    check_hash(path, known)
    check_hash(path, sha256)
    if known is None:
        write_file(record, f"{file_sha256(path)}  {name}\n")
    return path


def copy_weights(network: Any, path: Path, *, skip_top: bool = False) -> None:
    """Copy the weights of a Keras HDF5 file into `network`, layer by layer of the same name.

    Raises:
        InputError: not such a file, or a layer is missing or has another shape.
    """
    names = [layer.name for layer in network.layers if layer.weights]
    if skip_top:
        names = [name for name in names if name != TOP]
    assign(network, {name: read_layer(path, name) for name in names}, path)


def assign(network: Any, arrays: Mapping[str, Sequence[Array]], where: object) -> None:
    """Give the layers that `arrays` names their weights, in Keras's order: all of them or none.

    Raises:
        InputError: a layer is not there or has other shapes, or a weight is no number.
    """
    layers = {layer.name: layer for layer in network.layers}
    for name, values in arrays.items():
        got = [a.shape for a in values]
        expected = [tuple(w.shape) for w in layers[name].weights] if name in layers else []
        if got != expected:
            raise InputError(
                f"{where}: layer {name} does not fit",
                got=" ".join(map(str, got)) or "no such layer",
                expected=" ".join(map(str, expected)) or "no such layer",
            )
        if not all(np.isfinite(a).all() for a in values):
            raise InputError(f"{where}: NaN or infinity in layer {name}")
    for name, values in arrays.items():
        layers[name].set_weights(list(values))


def read_layer(path: Path, name: str) -> list[Array]:
    """Return a layer's arrays in Keras's order, from a weights-only or a whole-model file."""
    try:
        with h5py.File(path, "r") as file:
            layers = file.get("model_weights", file)
            if name not in layers:
                return []
            group = layers[name]
            return [np.asarray(group[weight]) for weight in group.attrs["weight_names"]]
    except (OSError, KeyError, RuntimeError) as error:
        raise InputError(
            f"{path}: not a Keras weights file", got=str(error).splitlines()[0][:120]
        ) from None


def check_hash(path: Path, sha256: str | None) -> None:
    """Refuse another file than the one that was pinned.

    Raises:
        InputError: its SHA-256 is another.
    """
    if sha256 and (got := file_sha256(path)) != sha256.lower():
        raise InputError(
            f"{path}: not the file that was pinned",
            got=f"SHA-256 {got}",
            expected=sha256,
            do="remove it to fetch it again, or check the pin",
        )
