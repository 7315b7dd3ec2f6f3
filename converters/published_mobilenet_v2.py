r"""A published MobileNetV2 .tflite back as a network: a run that `edgekit convert` takes.

The published files hold no batch norm any more: each was folded into the convolution before it. So
the imported norms do nothing but add the file's bias, and the network answers as the file does, but
for its rounding.

    python converters/published_mobilenet_v2.py tf2_mobilenet_v2_1.0_224_ptq.tflite \
        --labels imagenet_labels.txt -o run          (about 15 s; 53 layers, 1001 classes)
    edgekit convert run --scheme w8a8 --calibrate photos/ -o artifact

Expected: top-1 as the file's own on 99% of photographs (benchmarks/quantization.py measures it).
Source of that file: google-coral/test_data, Apache-2.0.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np

from edgekit.errors import EdgekitError, InputError
from edgekit.families import family
from edgekit.families.mobilenet_v2 import Config
from edgekit.families.run import Run, claim, write_run
from edgekit.files import file_sha256
from edgekit.quantize.published import Weights, read_weights
from edgekit.runtime import open_model
from edgekit.train import Options
from edgekit.train.checkpoint import save_weights

FAMILY = family("mobilenet_v2")


def main() -> int:
    """Import one file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file", type=Path, nargs="?")
    parser.add_argument("--labels", type=Path, help="one class a line, as many as outputs")
    parser.add_argument("-o", "--output", type=Path, metavar="DIR", help="the run")
    parser.add_argument("--smoke", action="store_true", help="a small file made on the spot")
    options = parser.parse_args()
    if options.smoke:
        return smoke()
    if not options.file or not options.output:
        parser.error("a FILE and -o DIR are needed")
    try:
        run = import_file(options.file, options.output, options.labels)
    except EdgekitError as error:
        print(f"edgekit: {error}")
        return error.exit_code
    config = run.config
    print(f"{run.folder}: MobileNetV2 {config.alpha}/{config.resolution}, {run.weights}")
    return 0


def import_file(path: Path, folder: Path, labels: Path | None = None) -> Run:
    """Write a run whose network has the weights of `path`.

    Raises:
        InputError: not a MobileNetV2, or labels that do not fit.
    """
    claim(folder)
    weights = list(read_weights(path))
    config = recognise(path, weights)
    network = FAMILY.build(config)
    assign(network, weights, path)
    names = [str(index) for index in range(config.classes)] if config.include_top else []
    if labels:
        names = labels.read_text(encoding="utf-8").split("\n")[: len(names)]
        if len(names) != config.classes:
            raise InputError(f"{labels}: labels", got=len(names), expected=str(config.classes))
    run = Run(
        folder=folder,
        family=FAMILY.name,
        config=config,
        options=Options(),
        data="",
        classes=tuple(names),
        weights=f"derived from {path.name}, SHA-256 {file_sha256(path)}",
        input={"mean": list(FAMILY.mean or ()), "std": list(FAMILY.std or ()), "layout": "NHWC"},
    )
    save_weights(network, run.weights_path("float"))
    write_run(run)
    return run


def recognise(path: Path, weights: Sequence[Weights]) -> Config:
    """Return the configuration whose layers have the file's shapes.

    Raises:
        InputError: no published width has.
    """
    session = open_model(path)
    (signature,) = session.signatures.values()
    _, resolution, _, channels = signature.inputs[0].shape
    session.close()
    with_top = len(weights) == 53
    classes = len(weights[-1].bias) if with_top else 1000
    alphas = dict.fromkeys(p.config.alpha for p in FAMILY.presets.values())
    for alpha in alphas:
        config = Config(alpha, resolution, classes, channels, include_top=with_top)
        layers = linear_layers(FAMILY.build(config))
        if [w.kernel.size for w in weights] == [_kernel(layer).shape.num_elements()
                                                for layer, _ in layers]:  # fmt: skip
            return config
    raise InputError(
        f"{path}: not a MobileNetV2",
        got=f"{len(weights)} linear ops",
        expected="52 or 53, of a width among " + ", ".join(map(str, alphas)),
    )


def linear_layers(network: Any) -> list[tuple[Any, Any]]:
    """Return each layer with a kernel, and the batch norm that follows it or None."""
    layers = network.layers
    found = []
    for layer in layers:
        if type(layer).__name__ in ("Conv2D", "DepthwiseConv2D", "Dense"):
            readers = [node.layer for node in layer.outbound_nodes]
            norm = readers[0] if readers else None
            found.append((layer, norm if type(norm).__name__ == "BatchNormalization" else None))
    return found


def assign(network: Any, weights: Sequence[Weights], path: Path) -> None:
    """Give each layer its kernel, and the batch norm behind it the bias.

    Raises:
        InputError: a shape differs.
    """
    for (layer, norm), given in zip(linear_layers(network), weights, strict=True):
        kernel = _kernel(layer)
        if kernel.shape.num_elements() != given.kernel.size:
            raise InputError(
                f"{path}: layer {layer.name}",
                got=list(given.kernel.shape),
                expected=str(list(kernel.shape)),
            )
        kernel.assign(given.kernel.reshape(kernel.shape))
        if norm is None:
            layer.bias.assign(given.bias)
            continue
        ones = np.ones_like(given.bias)
        # gamma / sqrt(variance + epsilon) = 1, so that the norm only adds the bias.
        norm.set_weights([ones, given.bias, 0 * ones, (1 - norm.epsilon) * ones])


def _kernel(layer: Any) -> Any:
    return layer.depthwise_kernel if hasattr(layer, "depthwise_kernel") else layer.kernel


def smoke() -> int:
    """Convert a small network, import the file again, and compare the answers."""
    from edgekit.export.conversion import Plan, convert
    from edgekit.families.rebuild import rebuild
    from edgekit.quantize.scheme import parse_scheme
    from edgekit.sources import load

    with tempfile.TemporaryDirectory() as scratch:
        source = load("mobilenet_v2:0.35-96")
        artifact = convert(source, Plan((parse_scheme("f32"),)), Path(scratch) / "a").artifact
        run = import_file(artifact.path(artifact.file()), Path(scratch) / "run")
        image = np.random.default_rng(0).uniform(-1, 1, (1, 96, 96, 3)).astype(np.float32)
        difference = float(np.abs(rebuild(run)(image) - source.model(image)).max())
    print(f"largest difference {difference:.2g}")
    return 0 if difference < 1e-5 else 1


if __name__ == "__main__":
    raise SystemExit(main())
