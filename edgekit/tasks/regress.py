"""Regression with uncertainty: a table's rows to means with bands.

`params` of a manifest: "inputs", the columns in order; "target" and "unit"; "held_out", the rows of
the file that training did not see, with that file's SHA-256; "log_normal_above", where the target's
distribution begins if it is log-normal (it is normal otherwise).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgekit.errors import InputError, MissingExtraError
from edgekit.files import file_sha256
from edgekit.signature import TensorSpec
from edgekit.tasks import Params, Score
from edgekit.tasks.intervals import Z95, bootstrap_mean
from edgekit.tasks.tables import Table, read_table

SUFFIXES = ("band.png",)  # of drawn copies\' names
SHOWN = 12  # rows on the screen
_LEAST_STD = 1e-12  # relative; below it a density is a spike and its logarithm means nothing


@dataclass(frozen=True)
class Answer:
    """A normal distribution for each row, or a log-normal one above `above`."""

    mean: npt.NDArray[np.float64]  # [N]
    std_f: npt.NDArray[np.float64]  # [N], of the function
    std_y: npt.NDArray[np.float64]  # [N], of an observation
    target: str
    unit: str
    above: float | None = None  # less than every mean

    @property
    def band(self) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """The ends of the central 95% for observations."""
        if self.above is None:
            return self.mean - Z95 * self.std_y, self.mean + Z95 * self.std_y
        centre, spread = self._logarithm()
        low, high = (np.exp(centre + z * spread) for z in (-Z95, Z95))
        return self.above + low, self.above + high

    def density(self, truth: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Return the negative logarithm of the density at `truth`, in nats, `[N]`."""
        if self.above is None:
            error = truth - self.mean
            least = _LEAST_STD * max(float(np.abs(error).max()), 1e-300)
            return _normal(error, np.maximum(self.std_y, least))
        centre, spread = self._logarithm()
        logarithm = np.log(truth - self.above)
        density: npt.NDArray[np.float64]
        density = logarithm + _normal(logarithm - centre, np.maximum(spread, _LEAST_STD))
        return density

    def _logarithm(self) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """Return mean and deviation of log(y - above), which mean and std of y determine."""
        level = self.mean - (self.above or 0.0)
        variance = np.log1p((self.std_y / level) ** 2)
        return np.log(level) - 0.5 * variance, np.sqrt(variance)


def _normal(
    error: npt.NDArray[np.float64], std: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """Return the negative logarithm of a normal density."""
    negative: npt.NDArray[np.float64]
    negative = 0.5 * np.log(2 * math.pi * std**2) + 0.5 * (error / std) ** 2
    return negative


def load(path: Path) -> Table:
    """Read a CSV."""
    return read_table(path)


def encode(thing: Table, spec: TensorSpec, params: Params) -> npt.NDArray[Any]:
    """Return the model's columns, (x - mean) / std, as the tensor `[N, D]` that `spec` describes.

    Raises:
        InputError: a column is missing, or there are others than the model was trained on.
    """
    names = [str(name) for name in params["inputs"]]
    known = {*names, str(params.get("target"))}
    extra = [column for column in thing.columns if column not in known]
    if extra:
        raise InputError(
            f"{thing.where}: column {extra[0]} is not the model's",
            got=f"{len(thing.columns)} columns",
            expected=", ".join(names)[:200],
            do="leave it out",
        )
    values = thing.select(names)
    if spec.mean is not None and spec.std is not None:
        values = (values - np.asarray(spec.mean)) / np.asarray(spec.std)
    return spec.quantize(values)


def decode(outputs: Mapping[str, npt.NDArray[Any]], params: Params, thing: object = None) -> Answer:
    """Return the distributions in the outputs mean, std_f and std_y.

    Raises:
        InputError: other outputs, NaN or infinity among them, or a mean below the distribution.
    """
    if set(outputs) != {"mean", "std_f", "std_y"}:
        raise InputError("regress: outputs", got=", ".join(outputs), expected="mean, std_f, std_y")
    parts = {name: np.asarray(value, np.float64).reshape(-1) for name, value in outputs.items()}
    for name, value in parts.items():
        if bad := int((~np.isfinite(value)).sum()):
            raise InputError(f"regress: {name}", got=f"NaN or infinity in {bad} rows")
    target, unit = str(params.get("target", "y")), str(params.get("unit") or "")
    above = params.get("log_normal_above")
    if above is not None and not (parts["mean"] > above).all():
        raise _too_low("mean", parts["mean"], above)
    return Answer(parts["mean"], parts["std_f"], parts["std_y"], target, unit, above)


def _too_low(name: str, values: npt.NDArray[np.float64], above: float) -> InputError:
    expected = f"above {above:g}, where the log-normal distribution begins"
    return InputError(f"regress: {name}", got=f"{values.min():g}", expected=expected)


def describe(answer: Answer) -> list[dict[str, Any]]:
    """Return mean, both deviations and the ends of the 95% band of each row."""
    low, high = answer.band
    columns = {"mean": answer.mean, "std_f": answer.std_f, "std_y": answer.std_y,
               "low": low, "high": high}  # fmt: skip
    return [
        {name: float(values[row]) for name, values in columns.items()}
        for row in range(len(answer.mean))
    ]


def lines(answer: Answer) -> list[str]:
    """Return one line a row: mean, deviation and band; of many rows the first few."""
    unit = f" {answer.unit}" if answer.unit else ""
    low, high = answer.band
    wide = max(len(str(len(answer.mean))), 3)
    shown = [f"{'row':>{wide}}  {answer.target + unit:>14}  {'std':>10}  {'95% band':>25}"]
    for row in range(min(len(answer.mean), SHOWN)):
        band = f"{low[row]:.5g} to {high[row]:.5g}"
        shown.append(f"{row + 1:>{wide}}  {answer.mean[row]:>14.6g}  {answer.std_y[row]:>10.3g}  "
                     f"{band:>25}")  # fmt: skip
    if len(answer.mean) > SHOWN:
        shown.append(f"{len(answer.mean) - SHOWN} more rows (--json shows all)")
    return shown


def remark(params: Params) -> str | None:
    """Return nothing: what the numbers mean stands above them."""
    return None


def draw(thing: Table, answer: Answer) -> tuple[npt.NDArray[np.uint8]]:
    """Return a plot of mean and 95% band over the one input, `[H, W, 3]`.

    Raises:
        InputError: there are several inputs.
        MissingExtraError: Matplotlib is not installed.
    """
    inputs = [i for i, name in enumerate(thing.columns) if name != answer.target]
    if len(inputs) != 1:
        raise InputError(
            "a band can be drawn over one input",
            got=f"{len(inputs)} columns",
            do="leave out --save",
        )
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ModuleNotFoundError as error:
        raise MissingExtraError(error.name or "matplotlib", "report") from None
    figure = Figure(figsize=(8, 4.5), dpi=120, layout="constrained")
    canvas = FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    x = thing.values[:, inputs[0]]
    order = np.argsort(x, kind="stable")
    low, high = answer.band
    axes.fill_between(x[order], low[order], high[order], color="#56B4E9", alpha=0.35, lw=0,
                      label="95% band")  # fmt: skip
    axes.plot(x[order], answer.mean[order], color="#0072B2", label="mean")
    if answer.target in thing.columns:
        y = thing.values[:, thing.columns.index(answer.target)]
        axes.plot(x, y, ".", color="#D55E00", markersize=4, label="observed")
    axes.set_xlabel(thing.columns[inputs[0]], parse_math=False)
    label = f"{answer.target} ({answer.unit})" if answer.unit else answer.target
    axes.set_ylabel(label, parse_math=False)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
    canvas.draw()
    return (np.asarray(canvas.buffer_rgba())[..., :3].copy(),)


def read(source: str, params: Params) -> Sequence[tuple[Table, float]]:
    """Return rows of a CSV with the truth of each: those held out, or all of another file.

    Raises:
        InputError: the target is not there, or nothing was held out of the file.
    """
    table = read_table(source)
    truths = table.select([str(params["target"])])[:, 0]
    held_out = params.get("held_out") or {}
    rows = np.arange(len(table))
    if held_out.get("sha256") == file_sha256(source):
        rows = np.asarray(held_out["rows"], np.int64)
        if not len(rows):
            raise InputError(f"{source}: all of it was trained on", do="give other data")
    return [(table.rows(np.array([row])), float(truths[row])) for row in rows]


def score(answers: Sequence[Answer], truths: npt.ArrayLike) -> list[Score]:
    """Return RMSE, mean negative log density (NLPD, nats) and the 95% band's coverage.

    Intervals are 95%, by the percentile bootstrap over rows.

    Raises:
        InputError: no examples.
    """
    if not answers:
        raise InputError("regress: no examples", expected="at least one")
    first = answers[0]
    mean, std_f, std_y = (
        np.concatenate([getattr(a, name) for a in answers]) for name in ("mean", "std_f", "std_y")
    )
    every = Answer(mean, std_f, std_y, first.target, first.unit, first.above)
    truth = np.asarray(truths, np.float64)
    if every.above is not None and not (truth > every.above).all():
        raise _too_low(first.target, truth, every.above)
    density = every.density(truth)
    below, beyond = every.band
    inside = (below <= truth) & (truth <= beyond)
    unit = first.unit or "target units"
    squares = (truth - mean) ** 2
    low, high = bootstrap_mean(squares)
    return [
        Score("RMSE", math.sqrt(squares.mean()), (math.sqrt(low), math.sqrt(high)), len(mean),
              unit, "lower"),
        Score("NLPD", float(density.mean()), bootstrap_mean(density), len(mean), "nats", "lower"),
        Score("95% coverage", float(inside.mean()), bootstrap_mean(inside), len(mean)),
    ]  # fmt: skip
