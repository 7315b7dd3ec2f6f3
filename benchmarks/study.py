"""One core, runtime and dtype: its points, fitted, and left out in turn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
from scipy.stats import t as student

from anchors import Point, read_points
from baselines import log_line
from calibration import Fit, Setting, Tables, fit, leave_out, leave_out_both
from edgekit.profile.graph import Graph

Array = npt.NDArray[np.float64]
Key = tuple[str, str, str]  # core, runtime, dtype
LEVEL = 0.9  # of the intervals
WORST_PERCENT = 20.0  # networks left out; what errs by more does not come along
# Multiply-adds a cycle at best, float32 and int8: lanes times pipes; dot products count where the
# core has them. Assumed, not looked up in the vendors' guides (Kryo as two 128-bit pipes); they
# only bound what the fit may call efficient.
PEAKS = {
    "cortex-a53": (4, 8), "cortex-a55": (4, 16), "cortex-a17": (4, 8), "cortex-a57": (4, 8),
    "cortex-a72": (4, 8), "cortex-a73": (4, 8), "kryo": (8, 16), "cortex-a76": (8, 32),
    "cortex-a78": (8, 32), "cortex-x4": (16, 64), "pixel1": (8, 16), "pixel2": (4, 8),
    "pixel4": (8, 32),
}  # fmt: skip
LITTLE = ("cortex-a53", "cortex-a55")
BIG = ("cortex-a17", "cortex-a57", "cortex-a72", "cortex-a73", "kryo")
NEWER = ("cortex-a76", "cortex-a78", "cortex-x4")
HALF_PRECISION = ("cortex-a55", *NEWER)  # ncnn computes float32 networks in fp16 there


@dataclass(frozen=True)
class Study:
    """One core, runtime and dtype: its points, fitted and left out."""

    key: Key
    tables: Tables
    setting: Setting

    @property
    def points(self) -> tuple[Point, ...]:
        return self.tables.points

    @property
    def devices(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(p.device for p in self.points))

    @cached_property
    def fit(self) -> Fit:
        return fit(self.tables, np.arange(len(self.points)), self.setting)

    @cached_property
    def without_network(self) -> Array:
        return leave_out(self.tables, self.setting, lambda p: p.network)

    @cached_property
    def without_device(self) -> Array:
        return leave_out(self.tables, self.setting, lambda p: p.device)

    @cached_property
    def without_both(self) -> Array:
        return leave_out_both(self.tables, self.setting)

    @property
    def strictest(self) -> Array:
        """The log ratios that the interval is made of."""
        return self.without_both if len(self.devices) > 1 else self.without_network

    @property
    def worth_having(self) -> bool:
        """Whether it errs little enough, and less than a line through log MAdds does."""
        line = mape(log_line(self.points, lambda p: p.network))
        return mape(self.without_network) <= min(WORST_PERCENT, line)

    def predict_ms(self, clock_ghz: float, graph: Graph) -> float:
        """Return the fit's latency for any graph."""
        point = Point(*self.key[:2], "", clock_ghz, "", graph, 1.0, 0.0, "")
        scaled = Tables([point])
        scaled.slowness = np.array([self.tables.clock_ghz / clock_ghz])
        return float(scaled.predict(self.fit.rates, np.array([0]))[0])


def make_studies() -> dict[Key, Study]:
    """Return the points by core, runtime and dtype."""
    points: dict[Key, list[Point]] = {}
    for point in read_points():
        points.setdefault((point.core, point.runtime, point.dtype), []).append(point)
    return {key: Study(key, Tables(found), _setting(key)) for key, found in points.items()}


def _setting(key: Key) -> Setting:
    core, runtime, dtype = key
    peak = PEAKS[core][dtype == "int8"]
    if runtime == "tflite":
        # One family of networks, one device. The width of its kernels is not documented.
        return Setting(peak, (1, 4, 8, 16, 32), noise=0.03)
    # ncnn packs channels by 4 floats, 8 halves or 8 bytes; its networks differ widely.
    half = halves(key)
    width = 8 if half or dtype == "int8" else 4
    return Setting(peak * (1 + half), (width,), noise=0.10, winograd=4.0)


def halves(key: Key) -> bool:
    """Whether ncnn computes float32 networks in fp16 on this core."""
    return key[0] in HALF_PRECISION and key[1:] == ("ncnn", "f32")


def mape(ratios: Array) -> float:
    """Return the mean absolute relative error in percent."""
    return float(100 * np.abs(np.expm1(ratios)).mean())


def worst(ratios: Array) -> float:
    """Return the largest absolute relative error in percent."""
    return float(100 * np.abs(np.expm1(ratios)).max())


def half_width(ratios: Array) -> float:
    """Return the log of the factor that a new point's interval is over and times: Student's t."""
    n = len(ratios)
    quantile = float(student.ppf((1 + LEVEL) / 2, n - 1))
    return quantile * float(np.sqrt((ratios**2).mean() * (1 + 1 / n)))


def coverage(ratios: Array, groups: Sequence[str]) -> float:
    """Return the percentage of points inside the interval that the other groups' errors give."""
    names = np.array(groups)
    inside = [
        abs(ratio) <= half_width(ratios[names != name])
        for ratio, name in zip(ratios, names, strict=True)
    ]
    return float(100 * np.mean(inside))


def covered(study: Study) -> float:
    """Return the percentage of a study's points that lie inside the interval."""
    return coverage(study.strictest, [p.network for p in study.points])
