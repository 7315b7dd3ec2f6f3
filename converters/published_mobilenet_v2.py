r"""Published MobileNetV2 weights back as a network: a run that `edgekit convert` takes.

    python converters/published_mobilenet_v2.py FILE [--labels FILE] -o run
    edgekit convert run --scheme w8a8 --calibrate photos/ -o artifact

| FILE | what it holds | seconds |
|---|---|--:|
| tf2_mobilenet_v2_1.0_224_ptq.tflite and others | weights of any quantization, norms folded | 6 |
| mobilenet_v2_035_96_embedder_with_metadata.tflite | no classifier: features `[1, 1280]` | 5 |
| mobilenet_v2_weights_tf_dim_ordering_*.h5 | keras.applications, with or without top | 5 |
| mobilenet_v2.safetensors or .npz | torchvision's state dict, its padding and normalisation | 5 |

A .tflite holds no batch norm any more: each was folded into the convolution before it. So the
imported norms do nothing but add the file's bias, and the network answers as the file does, but for
its rounding: benchmarks/published_weights.py measures how far. Of the others give --resolution.
Sources of the .tflite files: google-coral/test_data and tensorflow/examples, Apache-2.0.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np

from edgekit.errors import EdgekitError
from edgekit.families import family
from edgekit.families.mobilenet_v2.published import read_published
from edgekit.families.published import Published, read_classes, write_published
from edgekit.families.run import Run

FAMILY = family("mobilenet_v2")


def main() -> int:
    """Import one file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file", type=Path, nargs="?")
    parser.add_argument("--labels", type=Path, help="one class a line, as many as outputs")
    parser.add_argument("--resolution", type=int, help="where the file does not say; 224")
    parser.add_argument("--pooling", choices=["avg"], help="of a network without classifier")
    parser.add_argument("-o", "--output", type=Path, metavar="DIR", help="the run")
    parser.add_argument("--smoke", action="store_true", help="a small file made on the spot")
    options = parser.parse_args()
    if options.smoke:
        return smoke()
    if not options.file or not options.output:
        parser.error("a FILE and -o DIR are needed")
    try:
        found = read_published(options.file, resolution=options.resolution, pooling=options.pooling)
        run = write(found, options.file, options.output, options.labels)
    except EdgekitError as error:
        print(f"edgekit: {error}")
        return error.exit_code
    config = run.config
    answers = f"{config.classes} classes" if config.include_top else "no classifier"
    print(f"{run.folder}: MobileNetV2 {config.alpha}/{config.resolution}, {answers}, {run.weights}")
    return 0


def write(found: Published, path: Path, folder: Path, labels: Path | None = None) -> Run:
    """Write a run whose network has the weights that were found in `path`.

    Raises:
        InputError: weights or labels do not fit, or something is in the folder already.
    """
    config = found.config
    classes = read_classes(labels, config.classes if config.include_top else 0)
    return write_published(found, FAMILY, path, folder, classes)


def smoke() -> int:
    """Convert a small network, import the file again, and compare the answers."""
    from edgekit.export.conversion import Plan, convert
    from edgekit.families.rebuild import rebuild
    from edgekit.quantize.scheme import parse_scheme
    from edgekit.sources import load

    with tempfile.TemporaryDirectory() as scratch:
        source = load("mobilenet_v2:0.35-96")
        artifact = convert(source, Plan((parse_scheme("f32"),)), Path(scratch) / "a").artifact
        path = artifact.path(artifact.file())
        run = write(read_published(path), path, Path(scratch) / "run")
        image = np.random.default_rng(0).uniform(-1, 1, (1, 96, 96, 3)).astype(np.float32)
        difference = float(np.abs(rebuild(run)(image) - source.model(image)).max())
    print(f"largest difference {difference:.2g}")
    return 0 if difference < 1e-5 else 1


if __name__ == "__main__":
    raise SystemExit(main())
