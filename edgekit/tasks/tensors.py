"""Tensors: arrays in, arrays out, for a network of which nobody says what its numbers mean.

What a person has is an .npy or .npz in real values, a CSV of numbers, or a picture where the
manifest says how pixels become the input. `params` of a manifest: "labels", if the one output has
as many scores.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgekit.errors import InputError
from edgekit.signature import TensorSpec
from edgekit.tasks import Params, Score, array_scores, arrays, classify
from edgekit.tasks.arrays import Array, Arrays, Example, Values
from edgekit.tasks.pictures.images import Pixels, read_image
from edgekit.tasks.tables import read_table

SUFFIXES = ("answers.npz",)  # of saved answers' names
SHOWN = 12  # rows on the screen
_WIDE = 6  # numbers of a row there
_TABLES = (".csv", ".tsv", ".gz")


@dataclass(frozen=True, eq=False)
class Answer:
    """Outputs `[N, ...]` in real values; of an example with its truth the pairs to score."""

    outputs: Mapping[str, Array]
    labels: tuple[str, ...] = ()
    pairs: Mapping[str, tuple[Array, Array]] = field(default_factory=dict)


def load(path: Path) -> Arrays | Pixels:
    """Read an .npy, .npz or CSV as arrays, anything else as a picture."""
    suffix = path.suffix.lower()
    if suffix in arrays.SUFFIXES:
        return arrays.read_arrays(path)
    if suffix in _TABLES:
        return Arrays(str(path), {"": read_table(path).values})
    return read_image(path)


def encode(thing: Values | Pixels, spec: TensorSpec, params: Params) -> Array:
    """Return the array as the tensor `[N, ...]` that `spec` describes, a picture as `[1, ...]`.

    Pictures in an array are channels last, as in Keras. Bytes are pixels where `spec` is a
    picture's and says how they become values.

    Raises:
        InputError: another shape, NaN or infinity, or numbers that the input cannot hold.
    """
    if not isinstance(thing, Values):
        return classify.encode(thing, spec, params)
    array = thing.array
    if spec.layout == "NCHW" and array.ndim in (3, 4):
        array = np.moveaxis(array, -1, -3)
    if array.ndim == len(spec.shape) - 1 and spec.shape[0] in (1, -1):
        array = array[np.newaxis]  # one example
    free = (-1, *spec.shape[1:])
    if (
        not array.size
        or array.ndim != len(spec.shape)
        or any(want not in (-1, got) for want, got in zip(free, array.shape, strict=True))
    ):
        raise _unfit(thing, spec)
    if array.dtype == np.uint8 and spec.layout and spec.mean and spec.std:
        array = _normalized(array, spec)
    elif spec.scale is None and np.dtype(spec.dtype).kind in "iu":
        _check_integers(thing, spec)
    if bad := int((~np.isfinite(array)).sum()):
        raise InputError(f"{thing.where}: input {spec.name}", got=f"{bad} NaN or infinite values",
                         do="remove or mend them")  # fmt: skip
    return spec.quantize(array)


def decode(outputs: Mapping[str, Array], params: Params, thing: object = None) -> Answer:
    """Return the outputs; of an `Example` with what it holds as true beside them.

    Raises:
        InputError: the example holds no truth of any output, or one that does not fit.
    """
    labels = tuple(params.get("labels") or ())
    if not isinstance(thing, Example):
        return Answer(outputs, labels)
    alone = len(outputs) == 1
    truths = {name: thing.truth(name, alone=alone) for name in outputs}
    pairs = {
        name: array_scores.pair(f"{thing.where}: truth of {name}", outputs[name], truth)
        for name, truth in truths.items()
        if truth is not None
    }
    if not pairs:
        raise InputError(f"{thing.where}: no array for an output", got=", ".join(thing.by_name),
                         expected=" or ".join([*outputs, *(["y"] if alone else [])]))  # fmt: skip
    return Answer({}, labels, pairs)


def describe(answer: Answer) -> list[dict[str, Any]]:
    """Return name, shape and all values of each output; null is NaN or infinity."""
    return [
        {"output": name, "shape": list(array.shape), "values": _json(array)}
        for name, array in answer.outputs.items()
    ]


def lines(answer: Answer) -> list[str]:
    """Return a line an output and one a row below it; of many rows the first few."""
    told = []
    for name, array in answer.outputs.items():
        told.append(f"{name} {list(array.shape)}")
        rows = np.atleast_1d(array)
        labels = answer.labels if len(answer.outputs) == 1 else ()
        told += [f"row {i + 1}: {_row(row, labels)}" for i, row in enumerate(rows[:SHOWN])]
        if len(rows) > SHOWN:
            told.append(f"{len(rows) - SHOWN} more rows (--json and --save have all)")
    return told


def remark(params: Params) -> str | None:
    """Return nothing: the shapes say what can be said."""
    return None


def draw(thing: object, answer: Answer) -> tuple[dict[str, Array]]:
    """Return the outputs by name, for an .npz."""
    return (dict(answer.outputs),)


def read(source: str, params: Params) -> Sequence[tuple[Example, Example]]:
    """Return the examples of an .npz: inputs and truths by their names, or x and y.

    Raises:
        InputError: not such a file.
    """
    if Path(source).suffix.lower() != ".npz":
        raise InputError(
            f"data {source}: not for raw tensors",
            expected="an .npz with an array for each input and output, or x and y",
        )
    return arrays.read_examples(Path(source))


def score(answers: Sequence[Answer], truths: Sequence[Any]) -> list[Score]:
    """Return the metrics of each output whose truth is known; see `array_scores`.

    Raises:
        InputError: no examples, or their shapes differ.
    """
    if not answers:
        raise InputError("tensors: no examples", expected="at least one")
    scores = []
    for name in answers[0].pairs:
        pairs = [answer.pairs[name] for answer in answers]
        if len({part.shape for pair in pairs for part in pair[:1]}) > 1:
            raise InputError(f"output {name}: shapes differ between examples", expected="one shape")
        found, true = (np.concatenate(part) for part in zip(*pairs, strict=True))
        prefix = f"{name} " if len(answers[0].pairs) > 1 else ""
        scores += [replace(s, metric=prefix + s.metric) for s in array_scores.score(found, true)]
    return scores


def _unfit(thing: Values, spec: TensorSpec) -> InputError:
    last = spec.layout == "NCHW" and len(spec.shape) == 4
    sizes = (spec.shape[2], spec.shape[3], spec.shape[1]) if last else spec.shape[1:]
    kind = spec.dtype if spec.scale is None else "real values"
    return InputError(
        f"{thing.where}: input {spec.name} does not fit",
        got=f"{thing.array.dtype} {list(thing.array.shape)}",
        expected=f"{kind} [" + ", ".join(["N", *("any" if n < 0 else str(n) for n in sizes)]) + "]",
    )


def _check_integers(thing: Values, spec: TensorSpec) -> None:
    """Refuse what a plain integer input, as of tokens, could only take as another number."""
    if thing.array.dtype.kind == "f":
        raise _unfit(thing, spec)
    limits, low, high = np.iinfo(spec.dtype), int(thing.array.min()), int(thing.array.max())
    if not limits.min <= low <= high <= limits.max:
        raise InputError(f"{thing.where}: input {spec.name}", got=f"numbers from {low} to {high}",
                         expected=f"{limits.min} to {limits.max}, as {spec.dtype} holds"
                         )  # fmt: skip


def _normalized(pixels: Array, spec: TensorSpec) -> Array:
    """Return pixels as the network wants them, (pixel - mean) / std, whichever axis is channels."""
    end = (-1, 1, 1) if spec.layout == "NCHW" else (-1,)
    mean, std = (np.asarray(v, np.float32).reshape(end) for v in (spec.mean, spec.std))
    normal: Array = (pixels.astype(np.float32) - mean) / std
    return normal


def _row(row: Array, labels: Sequence[str]) -> str:
    flat = np.ravel(row)
    if np.ndim(row) > 1:
        return (f"{list(row.shape)}, from {flat.min():.4g} to {flat.max():.4g},"
                f" mean {flat.mean():.4g}") if flat.size else f"{list(row.shape)}"  # fmt: skip
    told = ", ".join(f"{value:.4g}" for value in flat[:_WIDE])
    told += ", ..." if flat.size > _WIDE else ""
    if flat.size < 2 or row.dtype.kind != "f":
        return told
    best = int(flat.argmax())
    name = f" {labels[best]}" if len(labels) == flat.size else ""
    return f"{told}; largest at {best}{name}"


def _json(array: npt.NDArray[Any]) -> Any:
    real = array.astype(object)
    if array.dtype.kind == "f":
        real[~np.isfinite(array)] = None
    return real.tolist()
