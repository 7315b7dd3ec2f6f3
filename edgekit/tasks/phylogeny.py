"""Questions to a mutation matrix: does its tree branch, is there one, which entries are wrong?

`params` of a manifest: "problem", one of branching, noise and elimination; "alpha" and "beta", the
noise that the network was trained for and by which corrections are weighed.
"""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgekit.errors import InputError
from edgekit.signature import TensorSpec
from edgekit.tasks import Params, Score
from edgekit.tasks.classify import wilson_interval
from edgekit.tasks.elimination import eliminate, log_odds
from edgekit.tasks.genotypes import Genotypes, read_genotypes
from edgekit.tasks.perfect import UNKNOWN, conflict_free, newick, nll

SUFFIXES = ("corrected",)  # of drawn copies' names
SHOWN = 12  # pairs, flips or rows on the screen
_WIDE = 60  # columns of a matrix on the screen
_CELL = 6  # pixels of an entry in a picture
_COLOURS = np.array([[235, 235, 235], [0, 114, 178], [230, 159, 0], [213, 94, 0]], np.uint8)

Bits = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Topology:
    """Whether the tree branches."""

    probability: float

    @property
    def name(self) -> str:
        """The likelier of the two."""
        return "branching" if self.probability > 0.5 else "linear"


@dataclass(frozen=True)
class Noise:
    """Whether columns are in conflict, and which."""

    probability: float
    pairs: tuple[tuple[str, str, float], ...]  # the likeliest first


@dataclass(frozen=True, eq=False)
class Corrected:
    """The likely truth beneath a matrix."""

    observed: Genotypes
    truth: Bits  # [n, m], without conflicts
    nll: float  # of what was observed, in nats
    tree: str  # Newick

    @property
    def flips(self) -> list[tuple[int, int]]:
        """The known entries that are taken for wrong, by row and column."""
        values = self.observed.values
        return [(int(i), int(j)) for i, j in
                np.argwhere((values != UNKNOWN) & (values != self.truth))]  # fmt: skip


Answer = Topology | Noise | Corrected


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


def describe(answer: Answer) -> list[dict[str, Any]]:
    """Return the answer as one row of JSON types, for a matrix has one answer."""
    if isinstance(answer, Topology):
        return [{"topology": answer.name, "branching": answer.probability}]
    if isinstance(answer, Noise):
        pairs = [{"columns": [a, b], "probability": p} for a, b, p in answer.pairs]
        return [{"conflict": answer.probability > 0.5, "probability": answer.probability,
                 "pairs": pairs}]  # fmt: skip
    rows, columns = answer.observed.rows, answer.observed.columns
    flips = [{"row": rows[i], "column": columns[j], "from": int(1 - answer.truth[i, j]),
              "to": int(answer.truth[i, j])} for i, j in answer.flips]  # fmt: skip
    return [{"nll": answer.nll, "flips": flips, "matrix": answer.truth.tolist(),
             "rows": list(rows), "columns": list(columns), "newick": answer.tree}]  # fmt: skip


def lines(answer: Answer) -> list[str]:
    """Return the answer in words."""
    if isinstance(answer, Topology):
        share = answer.probability if answer.name == "branching" else 1 - answer.probability
        shape = "the tree branches" if answer.name == "branching" else "the tree is a chain"
        return [f"{answer.name}: {shape} (probability {share:.3f})"]
    if isinstance(answer, Noise):
        return _noise_lines(answer)
    return [*_flip_lines(answer), *_matrix_lines(answer), *_tree_lines(answer.tree)]


def _noise_lines(answer: Noise) -> list[str]:
    if answer.probability <= 0.5:
        return [f"no conflict: there is a tree (probability {1 - answer.probability:.3f})"]
    told = [f"conflict: noise, no tree has this matrix (probability {answer.probability:.3f})"]
    told += [f"{a} and {b}: 11, 10 and 01 all occur" for a, b, _ in answer.pairs[:SHOWN]]
    return told + _more(len(answer.pairs), "pairs")


def _flip_lines(answer: Corrected) -> list[str]:
    flips, observed = answer.flips, answer.observed
    gained = sum(int(answer.truth[i, j]) for i, j in flips)
    filled = int((observed.values == UNKNOWN).sum())
    told = [f"no conflict with {len(flips)} entries changed ({gained} to 1, "
            f"{len(flips) - gained} to 0), {filled} filled in; NLL {answer.nll:.2f}"]  # fmt: skip
    for i, j in flips[:SHOWN]:
        bit = answer.truth[i, j]
        told.append(f"{observed.rows[i]}, {observed.columns[j]}: {1 - bit} -> {bit}")
    return told + _more(len(flips), "changes")


def _matrix_lines(answer: Corrected) -> list[str]:
    wide = max(map(len, answer.observed.rows[:SHOWN]))
    count = answer.truth.shape[1]
    told = ["corrected matrix, columns in the file's order:"]
    for name, row in zip(answer.observed.rows[:SHOWN], answer.truth, strict=False):
        bits = "".join(map(str, row[:_WIDE])) + ("..." if count > _WIDE else "")
        told.append(f"{name:<{wide}}  {bits}")
    return told + _more(len(answer.truth), "rows")


def _tree_lines(tree: str) -> list[str]:
    """Break a tree after commas, where Newick allows it."""
    told = [""]
    for part in tree.replace(",", ",\n").split("\n"):
        if told[-1] and len(told[-1]) + len(part) > 74:
            told.append("")
        told[-1] += part
    return ["tree:", *told]


def _more(count: int, what: str) -> list[str]:
    return [f"{count - SHOWN} more {what} (--json shows all)"] if count > SHOWN else []


def remark(params: Params) -> str | None:
    """Return nothing: the lines are words."""
    return None


def draw(thing: Genotypes, answer: Answer) -> tuple[npt.NDArray[np.uint8]]:
    """Return the corrected matrix, `[H, W, 3]`: blue is 1, orange became 1, red became 0.

    Raises:
        InputError: the answer is no matrix.
    """
    if not isinstance(answer, Corrected):
        raise InputError("--save: the answer is one line", do="leave it out: nothing to draw")
    values, truth = thing.values, answer.truth
    kinds = truth.astype(np.int64)
    kinds[(values == 0) & (truth == 1)] = 2
    kinds[(values == 1) & (truth == 0)] = 3
    rows = np.lexsort(truth.T[np.argsort(truth.sum(axis=0))])[::-1]
    columns = np.argsort(-truth.sum(axis=0), kind="stable")
    entries = _COLOURS[kinds[np.ix_(rows, columns)]]
    drawn: npt.NDArray[np.uint8] = entries.repeat(_CELL, axis=0).repeat(_CELL, axis=1)
    return (drawn,)


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


def area_under_curve(values: npt.NDArray[Any], truths: npt.NDArray[Any]) -> float:
    """Return the probability that a true example has the larger value; ties count half."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    ranks = (counts.cumsum() - (counts - 1) / 2)[inverse.ravel()]
    positive = int(truths.sum())
    above = ranks[np.asarray(truths, bool)].sum() - positive * (positive + 1) / 2
    return float(above / (positive * (len(truths) - positive)))
