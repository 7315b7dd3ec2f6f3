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
from edgekit.families import MODULES, Family, family
from edgekit.parity.golden import NAME, make_golden
from edgekit.quantize.scheme import parse_scheme
from edgekit.sources.preset import untrained

SCHEMES = ("f32", "w8a8")
EXACT = "phylogeny", "noise-exact"  # a graph that nothing need teach
APP_LACKS = ("elimination",)  # problems of which the app knows none


def main() -> None:
    """Make what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--only", choices=MODULES, help="this family alone")
    options = parser.parse_args()
    for name, kind, source in _sources(options.only):
        schemes = tuple(parse_scheme(s) for s in SCHEMES if s in kind.schemes)
        if name == EXACT[1]:
            schemes = schemes[:1]
        write(source, schemes, options.output / name)
        print(options.output / name, flush=True)


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


def _sources(only: str | None) -> Iterator[tuple[str, Family, Source]]:
    for name in [only] if only else MODULES:
        kind = family(name)
        if getattr(kind.tiny, "problem", None) not in APP_LACKS:
            yield name, kind, untrained(kind, kind.tiny, name, "tiny")
        if name == EXACT[0]:
            config = kind.preset(EXACT[1]).config
            yield EXACT[1], kind, untrained(kind, config, EXACT[1], EXACT[1])


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
