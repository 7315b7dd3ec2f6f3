"""Questions to a mutation matrix: does its tree branch, is there one, which entries are wrong?

`params` of a manifest: "problem", one of branching, noise and elimination; "alpha" and "beta", the
noise that the network was trained for and by which corrections are weighed.
"""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgekit.errors import InputError
from edgekit.signature import TensorSpec
from edgekit.tasks import Params, Score
from edgekit.tasks.intervals import area_under_curve, wilson_interval
from edgekit.tasks.matrices.elimination import eliminate, log_odds
from edgekit.tasks.matrices.genotypes import Genotypes, read_genotypes
from edgekit.tasks.matrices.perfect import UNKNOWN, conflict_free, newick, nll
from edgekit.tasks.matrices.phylogeny_answers import (
    Answer,
    Corrected,
    Noise,
    Topology,
    describe,
    draw,
    lines,
)

__all__ = ["SUFFIXES", "decode", "describe", "draw", "encode", "lines", "load",
           "read", "remark", "score", "signed"]  # fmt: skip

SUFFIXES = ("corrected.png",)  # of drawn copies\' names


def signed(values: npt.NDArray[Any]) -> npt.NDArray[np.int8]:
    """Return 1 where an entry is 1, -1 where it is 0, and 0 where it is unknown."""
    return np.where(values == UNKNOWN, 0, np.where(values == 1, 1, -1)).astype(np.int8)


def load(path: Path) -> Genotypes:
    """Read a CSV, TSV or .h5ad."""
    return read_genotypes(path)


def encode(thing: Genotypes, spec: TensorSpec, params: Params) -> npt.NDArray[Any]:
    """Return the signed matrix in the corner of the tensor `[1, rows, columns]`, zeros beyond.

    Raises:
        InputError: the matrix is larger than the network takes.
    """
    if len(spec.shape) != 3:
        raise InputError(f"input {spec.name}", got=str(list(spec.shape)),
                         expected="[1, rows, columns]")  # fmt: skip
    most, own = spec.shape[1:], thing.values.shape
    if any(size > limit for size, limit in zip(own, most, strict=True)):
        over = "row" if own[0] > most[0] else "column"
        number = most[0] if over == "row" else most[1]
        name = (thing.rows if over == "row" else thing.columns)[number]
        raise InputError(
            f"{thing.where}: {over} {name} is beyond what the model takes",
            got=f"{own[0]} rows, {own[1]} columns", expected=f"at most {most[0]} and {most[1]}",
            do="train or convert with larger --rows and --columns",
        )  # fmt: skip
    tensor = np.zeros((1, *most), np.float32)
    tensor[0, : own[0], : own[1]] = signed(thing.values)
    return spec.quantize(tensor)


def decode(outputs: Mapping[str, npt.NDArray[Any]], params: Params, thing: Any = None) -> Answer:
    """Return the answer to the question in `params`, about `thing`.

    Raises:
        InputError: other outputs than the question's, NaN or infinity among them, or no matrix.
    """
    if not isinstance(thing, Genotypes):
        raise InputError("phylogeny: no matrix to speak of")
    for name, value in outputs.items():
        if bad := int((~np.isfinite(value)).sum()):
            raise InputError(f"phylogeny: {name}", got=f"NaN or infinity in {bad} values")
    problem = params.get("problem")
    if problem not in _DECODERS:
        raise InputError("phylogeny: problem", got=problem, expected=", ".join(_DECODERS))
    wanted, decoder = _DECODERS[problem]
    if wanted not in outputs:
        raise InputError("phylogeny: outputs", got=", ".join(outputs), expected=wanted)
    answer: Answer = decoder(outputs, params, thing)
    return answer


def _topology(outputs: Mapping[str, Any], params: Params, thing: Genotypes) -> Topology:
    return Topology(float(outputs["branching"].ravel()[0]))


def _noise(outputs: Mapping[str, Any], params: Params, thing: Genotypes) -> Noise:
    count = len(thing.columns)
    found = []
    if "pairs" in outputs:
        pairs = outputs["pairs"].reshape(outputs["pairs"].shape[-2:])[:count, :count]
        likely = np.triu(np.maximum(pairs, pairs.T), 1)
        order = np.argsort(-likely, axis=None, kind="stable")
        for i, j in zip(*np.unravel_index(order, likely.shape), strict=True):
            if likely[i, j] <= 0.5:
                break
            found.append((thing.columns[i], thing.columns[j], float(likely[i, j])))
    return Noise(float(outputs["conflict"].ravel()[0]), tuple(found))


def _corrected(outputs: Mapping[str, Any], params: Params, thing: Genotypes) -> Corrected:
    n, m = thing.values.shape
    scores = outputs["scores"].reshape(outputs["scores"].shape[-2:])[None, :n, :m]
    alpha, beta = float(params["alpha"]), float(params["beta"])
    truth = eliminate(log_odds(thing.values[None], alpha, beta), scores)[0]
    return Corrected(thing, truth, float(nll(thing.values, truth, alpha, beta)),
                     newick(truth, thing.rows, thing.columns))  # fmt: skip


_DECODERS: dict[str, tuple[str, Any]] = {
    "branching": ("branching", _topology),
    "noise": ("conflict", _noise),
    "elimination": ("scores", _corrected),
}


def remark(params: Params) -> str | None:
    """Return nothing: the lines are words."""
    return None


def read(source: str, params: Params) -> Sequence[tuple[Genotypes, Any]]:
    """Return the matrices of an .npz with their truths.

    It holds `matrices` `[N, n, m]`, signed (see `signed`), and `truth`: `[N]`, 1 where the tree
    branches or there is a conflict, or for elimination the signed true matrices.

    Raises:
        InputError: not such a file.
    """
    try:
        with np.load(source, allow_pickle=False) as file:
            seen, truths = file["matrices"], file["truth"]
    except FileNotFoundError:
        raise InputError(f"{source}: not found") from None
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise InputError(f"{source}: cannot be read", got=error,
                         expected="an .npz with matrices and truth") from None  # fmt: skip
    shape = seen.shape if params.get("problem") == "elimination" else seen.shape[:1]
    if seen.ndim != 3 or truths.shape != shape or not len(seen):
        raise InputError(f"{source}: arrays", got=f"{list(seen.shape)}, {list(truths.shape)}",
                         expected="matrices [N, n, m] and their truth")  # fmt: skip
    return [(_unsigned(source, number, one), truth)
            for number, (one, truth) in enumerate(zip(seen, truths, strict=True))]  # fmt: skip


def _unsigned(source: str, number: int, one: npt.NDArray[Any]) -> Genotypes:
    """Return a signed matrix without the rows and columns that it does not fill."""
    known = one != 0
    n, m = (int(np.flatnonzero(known.any(axis=axis)).max(initial=0)) + 1 for axis in (1, 0))
    values = np.where(known, one > 0, UNKNOWN).astype(np.uint8)[:n, :m]
    rows, columns = (tuple(str(k + 1) for k in range(size)) for size in (n, m))
    return Genotypes(f"{source}: matrix {number}", rows, columns, values)


def score(answers: Sequence[Answer], truths: Sequence[Any]) -> list[Score]:
    """Return accuracy and the area under the ROC curve; of corrections, what they cost.

    Raises:
        InputError: no examples.
    """
    if not answers:
        raise InputError("phylogeny: no examples", expected="at least one")
    if isinstance(answers[0], Corrected):
        return _corrections([a for a in answers if isinstance(a, Corrected)])
    values = np.array([a.probability for a in answers if not isinstance(a, Corrected)])
    labels = np.asarray(truths) > 0
    hits = int(((values > 0.5) == labels).sum())
    scores = [Score("accuracy", hits / len(labels), wilson_interval(hits, len(labels)),
                    len(labels))]  # fmt: skip
    if labels.any() and not labels.all():
        scores.append(Score("AUC", area_under_curve(values, labels), None, len(labels)))
    return scores


def _corrections(answers: Sequence[Corrected]) -> list[Score]:
    free = sum(bool(conflict_free(a.truth)) for a in answers)
    n = len(answers)
    return [
        Score("conflict-free", free / n, wilson_interval(free, n), n),
        Score("NLL", float(np.mean([a.nll for a in answers])), None, n, "nats", "lower"),
        Score("changes", float(np.mean([len(a.flips) for a in answers])), None, n, "entries",
              "lower"),
    ]  # fmt: skip
