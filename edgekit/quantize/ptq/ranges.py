"""Where the 256 steps of an activation go: its range, by what the tensor itself tells."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from edgekit.quantize.graph.float_graph import Range

Values = npt.NDArray[np.float32]

STEPS = 255  # between the 256 values of 8 bits
PERCENTILE = 99.99  # of the values on each side of zero
_POWER = 2.4  # of the error: above 2 spares the large values, which carry the answer (AdaRound's)
_SHRINK = np.linspace(1.0, 0.3, 29)  # of the observed range, what the search tries
_ENOUGH = 200_000  # values; more change nothing


def grid(range_: Range) -> tuple[float, int]:
    """Return scale and zero point of asymmetric int8 over a range, which is made to hold zero.

    As in Jacob et al., arXiv:1712.05877, section 3: zero falls on a step.
    """
    low, high = min(range_[0], 0.0), max(range_[1], 0.0)
    scale = (high - low) / STEPS
    if scale <= 0:
        return 1.0, 0
    return scale, int(np.clip(round(-128 - low / scale), -128, 127))


def fake_quantize(values: Values, range_: Range) -> Values:
    """Return what is left of float values after int8: rounded to the grid, clipped at its ends."""
    scale, zero = grid(range_)
    steps: Values = np.rint(values / np.float32(scale))
    np.clip(steps, -128 - zero, 127 - zero, out=steps)
    steps *= np.float32(scale)
    return steps


def min_max(values: Values) -> Range:
    """Return the ends: nothing is clipped, and one outlier widens every step."""
    return float(values.min()), float(values.max())


def percentile(values: Values) -> Range:
    """Return the ends of what is left without the outermost values of each side."""
    ends = np.percentile(_sample(values), (100 - PERCENTILE, PERCENTILE))
    return float(ends[0]), float(ends[1])


def least_error(values: Values) -> Range:
    """Return the range of the least error, mean |x - q(x)|^2.4, among shares of the observed one.

    Rounding and clipping are weighed against each other as in Nagel et al., arXiv:2106.08295,
    section 3.3.1.
    """
    low, high = min_max(values)
    sample = _sample(values)

    def error(share: float) -> float:
        difference = fake_quantize(sample, (low * share, high * share)) - sample
        return float((np.abs(difference) ** _POWER).mean())

    best = float(min(_SHRINK, key=error))
    return low * best, high * best


ESTIMATORS: dict[str, Callable[[Values], Range]] = {
    "minmax": min_max,
    "percentile": percentile,
    "mse": least_error,
    "effect": min_max,  # of what `clipping` leaves alone: inputs and outputs
}


def _sample(values: Values) -> Values:
    """Return evenly spread values, the ends among them."""
    flat = values.reshape(-1)
    if flat.size <= _ENOUGH:
        return flat
    picked = flat[:: flat.size // _ENOUGH + 1]
    return np.concatenate([picked, [flat.min(), flat.max()]]).astype(np.float32)
