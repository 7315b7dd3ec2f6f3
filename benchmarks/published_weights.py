"""Networks rebuilt from published .tflite files against those files' own answers.

Both see the same photographs, resized to 8-bit pixels. A file with a uint8 input takes the pixels;
its network gets what the file makes of them, scale * (pixel - zero point). The embedder's file
takes pixels over 255 and itself makes them 2 x - 1; its network gets that.

Compared are: the index of the largest probability, the file's by LiteRT with its default kernels;
and the logits, the file's being the dequantized tensor that its SOFTMAX reads (reference-order
kernels, which alone show it) and ours what goes into the softmax. Their cosine is taken photograph
by photograph and averaged. Margin: the file's own first probability less its second. Of features
the nearest neighbour is the other photograph with the largest cosine.

Run: python benchmarks/published_weights.py [--smoke]    (about 4 minutes)
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import numpy.typing as npt

from edgekit.families import family
from edgekit.families.mobilenet_v2.layers import TOP
from edgekit.families.mobilenet_v2.pretrained import assign
from edgekit.families.mobilenet_v2.published import read_published
from edgekit.families.published import Published
from edgekit.profile.graph import read_graph
from edgekit.runtime import Session, open_model
from edgekit.tasks.classify import encode
from edgekit.tasks.intervals import wilson_interval
from edgekit.tasks.pictures.images import SUFFIXES, read_image, resize
from results import FOLDER, Row, write_results

DATA = Path(os.environ.get("EDGEKIT_SHARED_DATA", Path(__file__).parents[2] / "shared/data"))
SETS = ("raccoon/images", "bccd/BCCD/JPEGImages", "images")
CLASSIFIERS = {
    "tf2_mobilenet_v2_1.0_224_ptq.tflite": ">= 95",
    "mobilenet_v2_1.0_224_quant.tflite": ">= 95",
}
EMBEDDER = "mobilenet_v2_035_96_embedder_with_metadata.tflite"
MARGIN = 0.1  # between the file's first and second probability
BATCH = 16

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Answers:
    """What one file and its network answer to each photograph, `[N, ...]`."""

    theirs: Array  # the file's output, real values
    their_logits: Array | None
    ours: Array  # logits, or features where there is no classifier


def main() -> int:
    """Compare every file; write results/published_weights.json."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--smoke", action="store_true", help="a few photographs of each set")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where to write")
    options = parser.parse_args()
    began = time.monotonic()
    sets = {name: photographs(name, 3 if options.smoke else None) for name in SETS}
    paths = [path for found in sets.values() for path in found]
    place = np.concatenate([[name] * len(found) for name, found in sets.items()])
    rows: list[Row] = []
    for name, target in CLASSIFIERS.items():
        rows += classified(name, answer(DATA / "tflite" / name, paths), place, target)
    rows += embedded(EMBEDDER, answer(DATA / "tflite" / EMBEDDER, paths))
    minutes = (time.monotonic() - began) / 60
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) if options.smoke else options.folder
        write_results("published_weights", rows, minutes=minutes, seeds=[], folder=folder)
    for row in rows:
        print(f"{row.case}: {row.metric} {row.value:.4g} {row.unit}, {row.target}: {row.met}")
    return 0


def photographs(name: str, limit: int | None) -> list[Path]:
    """Return the pictures of a set; a mask is none."""
    files = sorted(p for p in (DATA / name).iterdir() if p.suffix.lower() in SUFFIXES)
    return [p for p in files if "mask" not in p.name][:limit]


def answer(path: Path, paths: Sequence[Path]) -> Answers:
    """Run a file and the network that is rebuilt from it on every photograph."""
    found = read_published(path)
    size = (found.config.resolution, found.config.resolution)
    pixels = np.stack([resize(read_image(p), size) for p in paths])
    with closing(open_model(path)) as session:
        theirs = np.concatenate(list(_answers(session, pixels, 0)))
    logits = None
    if found.config.include_top:
        with closing(open_model(path, keep_tensors=True)) as session:
            output = scores_tensor(path, session)
            logits = np.concatenate(list(_answers(session, pixels, output)))
    return Answers(theirs, logits, _ours(path, found, pixels))


def classified(name: str, answers: Answers, place: Array, target: str) -> Iterator[Row]:
    """Yield the rows of a classifier: agreement, sure and all, by set, and the logits' cosine."""
    best = np.sort(answers.theirs, axis=1)[:, ::-1]
    sure = best[:, 0] - best[:, 1] > MARGIN
    same = answers.theirs.argmax(axis=1) == answers.ours.argmax(axis=1)
    everywhere = np.ones_like(sure)
    yield _share(name, f"top-1 agreement, margin above {MARGIN}", same[sure], target)
    yield _share(name, "top-1 agreement, all", same[everywhere])
    for which in (s for s in SETS if (place == s).sum() > 10):
        label = which.split("/")[0]
        yield _share(f"{name}, {label}", f"top-1 agreement, margin above {MARGIN}",
                     same[sure & (place == which)])  # fmt: skip
        yield _share(f"{name}, {label}", "top-1 agreement, all", same[place == which])
    assert answers.their_logits is not None
    cosines = _cosines(answers.their_logits, answers.ours)
    yield Row(name, "cosine of the logits, mean", "1", float(cosines.mean()))
    yield Row(name, "cosine of the logits, least", "1", float(cosines.min()))


def embedded(name: str, answers: Answers) -> Iterator[Row]:
    """Yield the rows of a backbone: cosine of the features, and the same nearest neighbour."""
    cosines = _cosines(answers.theirs, answers.ours)
    yield Row(name, "cosine of the features, mean", "1", float(cosines.mean()))
    yield Row(name, "cosine of the features, least", "1", float(cosines.min()))
    same = _nearest(answers.theirs) == _nearest(answers.ours)
    yield _share(name, "the same nearest neighbour", same)


def _share(case: str, metric: str, hits: Array, target: str | None = None) -> Row:
    count, n = int(hits.sum()), len(hits)
    if not n:  # in a smoke run no photograph may be left
        return Row(case, f"{metric} (0 photographs)", "%", 0.0)
    low, high = wilson_interval(count, n)
    return Row(case, f"{metric} ({n} photographs)", "%", 100 * count / n,
               interval=(100 * low, 100 * high), target=target)  # fmt: skip


def _answers(session: Session, pixels: Array, output: int) -> Iterator[Array]:
    """Yield one output of the file in real values, `[1, ...]` a photograph."""
    (signature,) = session.signatures.values()
    (spec,), wanted = signature.inputs, signature.outputs[output]
    # A uint8 input takes pixels as they are, a float one pixels over 255.
    mean, std = ((0.0,), (255.0,)) if spec.dtype == "float32" else (None, None)
    picture = replace(spec, layout="NHWC", scale=None, zero_point=None, mean=mean, std=std)
    for one in pixels:
        yield wanted.dequantize(session({spec.name: encode(one, picture, {})})[wanted.name])


def scores_tensor(path: Path, session: Session) -> int:
    """Return which of the kept tensors the softmax reads."""
    (softmax,) = (op for op in read_graph(path).ops if op.kind == "softmax")
    read = softmax.inputs[0]
    assert read is not None
    (signature,) = session.signatures.values()
    names = [spec.name for spec in signature.outputs]
    return names.index(read.name if read.name in names else f"{read.name}@{read.index}")


def _ours(path: Path, found: Published, pixels: Array) -> Array:
    network = family("mobilenet_v2").build(found.config)
    assign(network, found.arrays, path)
    if found.config.include_top:
        network.get_layer(TOP).activation = lambda logits: logits
    mean, std = (np.asarray(values, np.float32) for values in (found.mean, found.std))
    batches = [
        network((pixels[at : at + BATCH].astype(np.float32) - mean) / std, training=False)
        for at in range(0, len(pixels), BATCH)
    ]
    return np.concatenate([np.asarray(batch) for batch in batches])


def _cosines(one: Array, other: Array) -> Array:
    one, other = (a.astype(np.float64) for a in (one, other))
    norms = np.linalg.norm(one, axis=1) * np.linalg.norm(other, axis=1)
    cosines: Array = (one * other).sum(axis=1) / norms
    return cosines


def _nearest(features: Array) -> Array:
    unit = features / np.linalg.norm(features, axis=1, keepdims=True)
    products = unit @ unit.T
    np.fill_diagonal(products, -np.inf)
    nearest: Array = products.argmax(axis=1)
    return nearest


if __name__ == "__main__":
    raise SystemExit(main())
