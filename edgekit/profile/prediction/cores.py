"""The cores that latency can be predicted for: what a fit on published latencies found.

`fitted/CORE.RUNTIME.DTYPE.json` is written by `python benchmarks/predictor.py --fit` and holds the
coefficients, the source of every point, the error by protocol and what the points cover.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files
from typing import Any

from edgekit.errors import InputError

CLOCK_MARGIN = 1.15  # beyond the calibrated clocks; farther is refused


@dataclass(frozen=True)
class Rates:
    """What a core does, in the terms of a roofline."""

    peak_gmadds: float  # billions of multiply-adds a second: clock times lanes
    efficiency: Mapping[str, float]  # kernel class -> share of the peak
    gb_per_s: Mapping[str, float]  # bandwidth of activations, weights, matrices
    overhead_us: float  # of each op
    simd_width: int  # channels are rounded up to it
    overlap: float  # 1: an op computes, then moves; the larger, the more at the same time


@dataclass(frozen=True)
class Transfer:
    """How another runtime's published latencies compare with this calibration's predictions."""

    ratio: float  # geometric mean of other over this
    factor: float  # widens the interval's half-width: its log is the spread of the log ratios
    points: tuple[str, ...]


@dataclass(frozen=True)
class Calibration:
    """A fit for one core, runtime and dtype, single-threaded."""

    core: str
    runtime: str
    dtype: str
    clock_ghz: float
    clocks_ghz: tuple[float, float]  # of the devices among the points, least and most
    rates: Rates
    level: float  # of the interval
    factor: float  # the interval is the latency over and times this
    factor_elsewhere: float  # the same for a network unlike the points
    errors: Mapping[str, Mapping[str, float]]  # protocol -> mape_percent, max_percent, n, ...
    points: tuple[Mapping[str, Any], ...]  # network, device, source
    madds: tuple[int, int]  # of the networks among the points, least and most
    shares: Mapping[str, tuple[float, float]]  # kernel class -> least and most of a point's time
    remark: str = ""
    transfers: Mapping[str, Transfer] | None = None

    @property
    def classes(self) -> tuple[str, ...]:
        """The kernel classes that the points hold."""
        return tuple(self.shares)

    @property
    def error_percent(self) -> float:
        """The mean absolute error of the strictest protocol."""
        return max(error["mape_percent"] for error in self.errors.values())

    @property
    def sources(self) -> str:
        """Where the points are from, each source once."""
        return "; ".join(dict.fromkeys(str(point["source"]) for point in self.points))

    def at_clock(self, clock_ghz: float) -> Calibration:
        """Return the same core at another clock: compute and overhead scale, memory does not.

        Raises:
            InputError: the clock is outside what the points cover.
        """
        least, most = self.clocks_ghz
        if not least / CLOCK_MARGIN <= clock_ghz <= most * CLOCK_MARGIN:
            raise InputError(
                f"{self.core}@{clock_ghz:g}: outside the calibration",
                expected=f"{least / CLOCK_MARGIN:.2f} to {most * CLOCK_MARGIN:.2f} GHz",
            )
        scale = clock_ghz / self.clock_ghz
        rates = replace(self.rates, peak_gmadds=self.rates.peak_gmadds * scale,
                        overhead_us=self.rates.overhead_us / scale)  # fmt: skip
        return replace(self, clock_ghz=clock_ghz, rates=rates)


@cache
def calibrations() -> tuple[Calibration, ...]:
    """Return every calibration that comes along, by core, runtime and dtype."""
    folder = files("edgekit.profile.prediction") / "fitted"
    found = [
        from_json(json.loads(entry.read_text(encoding="utf-8")))
        for entry in folder.iterdir()
        if entry.name.endswith(".json")
    ]
    return tuple(sorted(found, key=lambda c: (c.core, c.runtime, c.dtype)))


def find_core(name: str) -> tuple[Calibration, ...]:
    """Return the calibrations of a core, one for each dtype and runtime.

    Args:
        name: as "cortex-a72", or with a clock in GHz as "cortex-a72@1.5".

    Raises:
        InputError: there is none; the line lists the cores that there are.
    """
    core, at, clock = name.strip().partition("@")
    found = [c for c in calibrations() if c.core == core.lower()]
    if not found:
        known = ", ".join(dict.fromkeys(c.core for c in calibrations()))
        raise InputError(f"core {core}: no calibration", expected=f"one of {known}")
    if not at:
        return tuple(found)
    try:
        clock_ghz = float(clock)
    except ValueError:
        raise InputError("core", got=name, expected="a clock in GHz, as cortex-a72@1.5") from None
    return tuple(c.at_clock(clock_ghz) for c in found)


def from_json(data: Mapping[str, Any]) -> Calibration:
    """Read a calibration from JSON types."""
    fields = dict(data)
    fields["rates"] = Rates(**fields["rates"])
    for name in ("clocks_ghz", "madds", "points"):
        fields[name] = tuple(fields[name])
    fields["shares"] = {name: (least, most) for name, (least, most) in data["shares"].items()}
    fields["transfers"] = {
        runtime: Transfer(t["ratio"], t["factor"], tuple(t["points"]))
        for runtime, t in (fields.get("transfers") or {}).items()
    }
    return Calibration(**fields)
