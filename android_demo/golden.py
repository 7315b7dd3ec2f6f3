"""Small untrained artifacts of every family with golden vectors, for the core's tests on the JVM.

    python android_demo/golden.py -o build/golden [--only FAMILY]

Three minutes on two cores. A trained artifact gets its vectors from `edgekit deploy --android`.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from edgekit.export.conversion import Plan, convert
from edgekit.export.source import Source
from edgekit.families import MODULES, family
from edgekit.parity.golden import NAME, make_golden
from edgekit.quantize.scheme import parse_scheme
from edgekit.sources.preset import untrained

SCHEMES = ("f32", "w8a8")
EXACT = "phylogeny", "noise-exact"  # a graph that nothing need teach
# What files may answer besides what the family's tiny configuration has.
ANSWERS = {"ssdlite": ("boxes", "postprocess"), "deeplab_v3": ("labels",)}


def main() -> None:
    """Make what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--only", choices=MODULES, help="this family alone")
    options = parser.parse_args()
    for source, schemes in _sources(options.only):
        write(source, tuple(map(parse_scheme, schemes)), options.output / source.name)
        print(options.output / source.name, flush=True)


def write(source: Source, schemes: tuple, folder: Path) -> None:
    """Convert a source and write its golden vectors beside the manifest."""
    if source.task["name"] == "classify":
        source = replace(source, task={**source.task, "labels": [str(i) for i in range(10)]})
    shutil.rmtree(folder, ignore_errors=True)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        plan = Plan(
            schemes, ("tflite", "onnx"), calibrate=_examples(source, Path(scratch)), samples=16
        )
        artifact = convert(source, plan, folder).artifact
    (folder / NAME).write_bytes(make_golden(artifact, artifact.manifest.files))


def _sources(only: str | None) -> Iterator[tuple[Source, tuple[str, ...]]]:
    """Yield what is converted, and to which schemes."""
    for name in [only] if only else MODULES:
        kind = family(name)
        source = untrained(kind, kind.tiny, name, "tiny")
        if source.entries:
            continue  # the app runs files of one entry point
        yield source, SCHEMES
        for answer in ANSWERS.get(name, ()):
            config = replace(kind.tiny, answer=answer)
            yield untrained(kind, config, f"{name}-{answer}", "tiny"), SCHEMES[:1]
        if name == EXACT[0]:
            config = kind.preset(EXACT[1]).config
            yield untrained(kind, config, EXACT[1], EXACT[1]), SCHEMES[:1]


def _examples(source: Source, folder: Path) -> str:
    """Return what calibrates: pictures, or numbers from -1 to 1."""
    (tensor,) = source.model.inputs
    if len(tensor.shape) == 4:
        return "digits"
    noise = np.random.default_rng(0).uniform(-1, 1, (16, *tensor.shape[1:]))
    np.savez(folder / "examples.npz", **{tensor.name: noise.astype(np.float32)})
    return str(folder / "examples.npz")


if __name__ == "__main__":
    main()
