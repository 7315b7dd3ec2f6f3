"""The predictors to beat: a line through log multiply-adds, and four non-negative terms."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
from scipy.optimize import nnls

from anchors import Point
from edgekit.profile.cost.work import Work, list_work

Array = npt.NDArray[np.float64]
Fitter = Callable[[Array, Array], Callable[[Array], Array]]  # features, ms -> features -> ms


def log_line(points: Sequence[Point], group: Callable[[Point], object]) -> Array:
    """Return the log ratios of `log(ms * GHz) = a + b log(MAdds)`, each group left out in turn."""
    features = [[1.0, np.log(sum(w.madds for w in list_work(p.graph)))] for p in points]

    def fit(x: Array, ms: Array) -> Callable[[Array], Array]:
        line = np.linalg.lstsq(x, np.log(ms), rcond=None)[0]
        return lambda x: np.asarray(np.exp(x @ line))

    return _leave_out(points, np.array(features), fit, group)


def four_terms(points: Sequence[Point], group: Callable[[Point], object]) -> Array:
    """Return the log ratios of four non-negative terms fitted on relative error.

    The terms are multiply-adds of pointwise and of depthwise convolutions, bytes of activations,
    and bytes of weights without the classifier's.
    """

    def terms(works: Sequence[Work]) -> list[float]:
        return [
            sum(w.madds for w in works if w.kind == "pointwise"),
            sum(w.madds for w in works if w.kind == "depthwise"),
            sum(w.activation_bytes for w in works),
            sum(w.weight_bytes for w in works if w.kind != "fully_connected"),
        ]

    def fit(x: Array, ms: Array) -> Callable[[Array], Array]:
        scale = x.mean(0)
        found = nnls(x / scale / ms[:, None], np.ones(len(ms)))[0] / scale
        return lambda x: np.asarray(x @ found)

    features = np.array([terms(list_work(p.graph)) for p in points], np.float64)
    return _leave_out(points, features, fit, group)


def _leave_out(
    points: Sequence[Point], features: Array, fit: Fitter, group: Callable[[Point], object]
) -> Array:
    groups = np.array([str(group(p)) for p in points])
    cycles = np.array([p.ms * p.clock_ghz for p in points])
    errors = np.zeros(len(points))
    for name in dict.fromkeys(groups):
        out = groups == name
        predict = fit(features[~out], cycles[~out])
        errors[out] = np.log(predict(features[out]) / cycles[out])
    return errors
