r"""Published Mobile DeepLabv3 weights back as a network: a run that `edgekit convert` takes.

    python converters/published_deeplab_v3.py FILE [--labels FILE] -o run
    edgekit convert run --scheme f32,w8a8 --calibrate photos/ -o artifact
    edgekit run artifact photo.jpg --save .

| FILE | what it holds | seconds |
|---|---|--:|
| deeplabv3_mnv2_pascal_quant.tflite | 1.0 at 513, uint8, a label map | 8 |
| deeplabv3.tflite | 0.5 at 257, float, logits | 6 |

Both know the 21 classes of Pascal VOC, whose names the run takes unless --labels says others. A
.tflite holds no batch norm any more: see published_mobilenet_v2.py. What the files' own program
answers to a photograph, and what ours do: benchmarks/segmentation_latency.py.
Sources of the files: google-coral/test_data and tensorflow/tflite-support, Apache-2.0.
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
from edgekit.families.deeplab_v3.published import read_published
from edgekit.families.published import Published, read_classes, write_published
from edgekit.families.run import Run
from edgekit.tasks.pictures.masks import VOC_CLASSES

FAMILY = family("deeplab_v3")


def main() -> int:
    """Import one file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file", type=Path, nargs="?")
    parser.add_argument("--labels", type=Path, help="one class a line, by index")
    parser.add_argument("-o", "--output", type=Path, metavar="DIR", help="the run")
    parser.add_argument("--smoke", action="store_true", help="a small file made on the spot")
    options = parser.parse_args()
    if options.smoke:
        return smoke()
    if not options.file or not options.output:
        parser.error("a FILE and -o DIR are needed")
    try:
        run = write(read_published(options.file), options.file, options.output, options.labels)
    except EdgekitError as error:
        print(f"edgekit: {error}")
        return error.exit_code
    config = run.config
    size = f"{config.alpha}/{config.resolution}, output stride {config.output_stride}"
    print(f"{run.folder}: Mobile DeepLabv3 {size}, {config.classes} classes, {run.weights}")
    return 0


def write(found: Published, path: Path, folder: Path, labels: Path | None = None) -> Run:
    """Write a run whose network has the weights that were found in `path`.

    Raises:
        InputError: weights or labels do not fit, or something is in the folder already.
    """
    known = labels is None and found.config.classes == len(VOC_CLASSES)
    classes = VOC_CLASSES if known else read_classes(labels, found.config.classes)
    return write_published(found, FAMILY, path, folder, classes)


def smoke() -> int:
    """Convert a small network as published ones are, import the file, and compare the answers."""
    from edgekit.export import tflite
    from edgekit.export.tracing.lowering import lower
    from edgekit.families.rebuild import rebuild
    from edgekit.quantize.scheme import parse_scheme
    from edgekit.sources.preset import spread_activations

    network = FAMILY.build(FAMILY.tiny)
    spread_activations(network, 0)
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "tiny.tflite"
        lowered = lower(network, Path(scratch) / "saved")
        path.write_bytes(tflite.convert(lowered, parse_scheme("f32")))
        run = write(read_published(path), path, Path(scratch) / "run")
        side = FAMILY.tiny.resolution
        image = np.random.default_rng(0).uniform(-1, 1, (1, side, side, 3)).astype(np.float32)
        answers = [np.argmax(one(image), axis=-1) for one in (rebuild(run), network)]
        same = float(np.mean(answers[0] == answers[1]))
    print(f"{same:.2%} of labels agree")
    return 0 if same > 0.99 else 1


if __name__ == "__main__":
    raise SystemExit(main())
