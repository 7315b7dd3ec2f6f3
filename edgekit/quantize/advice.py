"""What is doubtful about calibration data, said before anything is converted with them.

Everything is told from the smallest and the largest value that each tensor took on each sample.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from edgekit.quantize.calibration import ENOUGH
from edgekit.signature import TensorSpec

Array = npt.NDArray[Any]

GROWTH = 0.05  # of a range when the samples are doubled; above it more samples are needed
COVERED = 0.6  # of the range that a normalisation can fill; photographs fill nearly all of it
_SLACK = 0.02  # beyond that range, for resizing with overshoot
_CUSTOMARY = {  # how pixels are fed: the real values of 0 and of 255
    "pixels as they are, 0 to 255": (0.0, 255.0),
    "pixels over 255, 0 to 1": (0.0, 1.0),
    "pixels from -1 to 1": (-1.0, 1.0),
    "pixels less ImageNet's mean over its deviation": (-2.118, 2.64),
}


@dataclass(frozen=True)
class Remark:
    """One doubt; printed, it is one line."""

    kind: str  # "few samples", "same samples", "growing range" or "preprocessing"
    text: str  # what was found: got, expected, what to do
    figure: float  # what was measured
    limit: float  # that it should keep
    tensors: tuple[str, ...] = ()  # that it is about, worst first

    def __str__(self) -> str:
        return self.text


def advise(
    samples_min: Array,
    samples_max: Array,
    names: Sequence[str],
    *,
    enough: int = ENOUGH,
    growth: float = GROWTH,
) -> list[Remark]:
    """Return what is doubtful about ranges calibrated on these samples.

    Args:
        samples_min: the smallest value of each tensor on each sample, `[N, T]`.
        samples_max: the largest, `[N, T]`.
        names: of the tensors, `[T]`.
        enough: samples that leave no doubt.
        growth: share by which a range may grow when the samples are doubled.

    Raises:
        ValueError: the shapes do not fit, there is no sample, or a value is no number.
    """
    low, high = (np.asarray(v, np.float64) for v in (samples_min, samples_max))
    if low.shape != high.shape or low.shape[1:] != (len(names),) or not len(low):
        raise ValueError(f"got {low.shape} and {high.shape}, expected [N, {len(names)}], N > 0")
    if not (np.isfinite(low).all() and np.isfinite(high).all()):
        raise ValueError("a smallest or largest value is NaN or infinite")
    return [*few_samples(len(low), enough), *_growing(range_growth(low, high), names, growth)]


def range_growth(samples_min: Array, samples_max: Array) -> npt.NDArray[np.float64]:
    """Return by what share each tensor's range grows when the samples are doubled, `[T]`.

    It is the range over all samples against the mean of the ranges over every second one, so that
    samples that come sorted, class by class, do no harm. Infinite where neither half has a range
    and all have; 0 for one sample, which has no halves, and where no value ever changes.
    """
    whole = samples_max.max(axis=0) - samples_min.min(axis=0)
    if len(samples_min) < 2:
        return np.zeros_like(whole)
    halves = [samples_max[i::2].max(axis=0) - samples_min[i::2].min(axis=0) for i in (0, 1)]
    half = (halves[0] + halves[1]) / 2
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(whole > 0, whole / half - 1, 0.0)


def check_input(spec: TensorSpec, samples_min: Array, samples_max: Array) -> list[Remark]:
    """Compare the values that a picture's tensor took with what its declared mean and std allow.

    Pixels from 0 to 255 become (0 - mean) / std to (255 - mean) / std. Values beyond that were
    prepared in another way; so were values that fill little of it.

    Args:
        spec: the input, with `mean` and `std`; without them nothing is said.
        samples_min: its smallest value on each sample, `[N]`.
        samples_max: its largest, `[N]`.
    """
    if spec.mean is None or spec.std is None or not len(samples_min):
        return []
    mean, std = np.asarray(spec.mean, np.float64), np.asarray(spec.std, np.float64)
    least, most = float((-mean / std).min()), float(((255 - mean) / std).max())
    low, high = float(np.min(samples_min)), float(np.max(samples_max))
    width = most - least
    beyond = max(least - low, high - most) / width
    covered = (high - low) / width
    if beyond <= _SLACK and covered >= COVERED:
        return []
    text = (
        f"input {spec.name}: got values from {low:.3g} to {high:.3g}, expected {least:.3g} to "
        f"{most:.3g} by its mean and std, {_guess(low, high)}give --mean and --std as the model "
        "was trained, or pictures in place of arrays"
    )
    figure, limit = (beyond, _SLACK) if beyond > _SLACK else (covered, COVERED)
    return [Remark("preprocessing", text, figure, limit, (spec.name,))]


def _guess(low: float, high: float) -> str:
    """Name the customary way of feeding pixels whose range the values fill, if there is one."""
    for name, (least, most) in _CUSTOMARY.items():
        slack = _SLACK * (most - least)
        inside = low >= least - slack and high <= most + slack
        if inside and (high - low) >= COVERED * (most - least):
            return f"these look like {name}: "
    return ""


def few_samples(count: int, enough: int = ENOUGH) -> Iterator[Remark]:
    """Yield a remark where `count` samples are fewer than leave no doubt."""
    if count < enough:
        text = f"calibration: got {count} samples, expected {enough} or more, give more examples"
        yield Remark("few samples", text, count, enough)


def same_samples(samples_min: Array, samples_max: Array) -> Iterator[Remark]:
    """Yield a remark where no tensor, `[N, T]`, took other ends on one sample than on another."""
    count = len(samples_min)
    alike = (samples_min == samples_min[:1]).all() and (samples_max == samples_max[:1]).all()
    if count > 1 and alike:
        text = (
            f"calibration: all {count} samples give the same ranges, expected different ones, "
            "give examples of what the model will see"
        )
        yield Remark("same samples", text, 1, count)


def _growing(grown: Array, names: Sequence[str], limit: float) -> Iterator[Remark]:
    worst = [int(i) for i in np.argsort(-grown, kind="stable") if grown[i] > limit]
    if worst:
        figure = float(grown[worst[0]])
        text = (
            f"calibration: {len(worst)} of {len(names)} ranges still grow, got "
            f"{names[worst[0]]} {figure:.1%} wider with twice the samples, expected at most "
            f"{limit:.0%}, give more examples or leave outliers out"
        )
        tensors = tuple(names[i] for i in worst)
        yield Remark("growing range", text, figure, limit, tensors)
