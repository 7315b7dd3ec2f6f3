"""Small untrained artifacts of every family with golden vectors, for the core's tests on the JVM.

    python android_demo/golden.py -o build/golden [--only FAMILY | --named NAME ... | --of ARTIFACT]

Three CPU minutes. A trained artifact gets its vectors from `edgekit deploy --android`.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import tf_keras as keras

from edgekit.artifact import Artifact, open_artifact
from edgekit.export.conversion import Plan, convert
from edgekit.export.source import Source
from edgekit.families import MODULES, Family, family
from edgekit.parity.golden import NAME, make_golden
from edgekit.quantize.scheme import parse_scheme
from edgekit.sources.preset import untrained

SCHEMES = ("f32", "w8a8")
EXACT = "phylogeny", "noise-exact"  # a graph that nothing need teach
# What there is besides the families' tiny configurations, by what the name adds to the family's.
OTHERS: dict[str, dict[str, dict[str, Any]]] = {
    "ssdlite": {
        "boxes": {"answer": "boxes"},
        "postprocess": {"answer": "postprocess"},
        "full": {"reduce_lowest": False},
    },
    "deeplab_v3": {"labels": {"answer": "labels"}},
    "phylogeny": {"elimination": {"problem": "elimination", "alpha": 0.01, "beta": 0.1}},
    "pearl": {"sparse": {"sparse": True, "spread": True, "widen": 1.4, "latent": 2}},
}

# Segmenters that are no family's: by name, the labels; two are one channel.
OWN = {"own-segmenter": ("sky", "land", "sea"), "own-two": ("other", "thing")}


def main() -> None:
    """Make what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--only", choices=MODULES, help="this family alone")
    parser.add_argument("--named", nargs="+", metavar="NAME", help="these artifacts alone")
    parser.add_argument("--of", type=Path, metavar="ARTIFACT", help="that of an artifact, copied")
    options = parser.parse_args()
    if options.of:
        folder = shutil.copytree(options.of, options.output / options.of.name)
        add_vectors(open_artifact(folder))
        return
    for source, schemes in _sources(options.only, options.named):
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
        add_vectors(convert(source, plan, folder).artifact)


def add_vectors(artifact: Artifact) -> None:
    """Write golden vectors of all files of an artifact beside its manifest."""
    (artifact.folder / NAME).write_bytes(make_golden(artifact, artifact.manifest.files))


def _sources(only: str | None, named: list[str] | None) -> Iterator[tuple[Source, tuple[str, ...]]]:
    """Yield what is converted, and to which schemes."""
    for kind in map(family, [only] if only else MODULES):
        for name, config, preset, schemes in _configurations(kind):
            if not named or name in named:
                yield untrained(kind, config, name, preset), schemes
    for name, labels in {} if only else OWN.items():
        if not named or name in named:
            yield _own(name, labels), SCHEMES


def _configurations(kind: Family) -> Iterator[tuple[str, Any, str, tuple[str, ...]]]:
    """Yield the name, configuration and preset of a family's artifacts, and their schemes."""
    yield kind.name, kind.tiny, "tiny", SCHEMES
    for ending, changes in OTHERS.get(kind.name, {}).items():
        yield f"{kind.name}-{ending}", replace(kind.tiny, **changes), "tiny", SCHEMES[:1]
    if kind.name == EXACT[0]:
        yield EXACT[1], kind.preset(EXACT[1]).config, EXACT[1], SCHEMES[:1]


def _own(name: str, labels: tuple[str, ...]) -> Source:
    """Return a segmenter as users have them: stretched pictures, half-pixel places, a small map."""
    keras.utils.set_random_seed(0)
    channels = 1 if len(labels) == 2 else len(labels)
    answer = {"name": "segment", "fit": "stretch", "align_corners": False, "labels": labels,
              "answer": "probabilities"}  # fmt: skip
    network = keras.Sequential([
        keras.Input((24, 32, 3), name="image"),
        keras.layers.Conv2D(8, 3, strides=2, padding="same", activation="relu"),
        keras.layers.Conv2D(channels, 1, activation="sigmoid" if channels == 1 else "softmax"),
    ])  # fmt: skip
    return Source(name, network, "tf_keras", {"source": name}, task=answer, mean=(127.5,),
                  std=(127.5,))  # fmt: skip


def _examples(source: Source, folder: Path) -> str:
    """Return what calibrates: pictures, or numbers from -1 to 1."""
    inputs = source.model.inputs
    if len(inputs[0].shape) == 4:
        return "digits"
    rng = np.random.default_rng(0)
    noise = {t.name: rng.uniform(-1, 1, (16, *t.shape[1:])).astype(np.float32) for t in inputs}
    np.savez(folder / "examples.npz", **noise)  # type: ignore[arg-type]
    return str(folder / "examples.npz")


if __name__ == "__main__":
    main()
