"""Latency predicted op by op: compute and memory of each, never a fit on total multiply-adds.

An op takes `(compute^p + memory^p)^(1/p) + overhead` (p = 1: one after the other; p = inf: the
roofline of Williams et al., doi:10.1145/1498765.1498785), with

    compute = multiply-adds, channels rounded up to the SIMD width / (efficiency[class] * peak)
    memory  = bytes of activations / bandwidth + bytes of weights / bandwidth

Weights of a dense layer meet one position each and stream at the bandwidth of `matrices`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from edgekit.errors import InputError
from edgekit.profile.cores import Calibration, Rates, find_core
from edgekit.profile.graph import Graph
from edgekit.profile.madds import check_rules
from edgekit.profile.work import CLASSES, COMPUTE, Work, columns, list_work

UNSEEN_SHARE = 0.10  # of the time in classes that no point holds: more is refused
MADDS_MARGIN = 1.5  # beyond the points' multiply-adds the interval is widened
MADDS_LIMIT = 10.0  # and farther than this it is refused
SHARE_MARGIN = 0.05  # beyond the points' share of time in a class a network is unlike them
UNSEEN_FACTOR = 2.0  # on the log of the interval's half-width, where a limit is passed

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class OpTime:
    """The predicted time of one op."""

    work: Work
    ms: float
    compute_ms: float
    memory_ms: float
    overhead_ms: float

    @property
    def bound(self) -> str:
        """What takes most of the time: "compute", "memory" or "overhead"."""
        parts = {"compute": self.compute_ms, "memory": self.memory_ms, "overhead": self.overhead_ms}
        return max(parts, key=lambda name: parts[name])


@dataclass(frozen=True)
class Prediction:
    """A predicted latency of one inference, single-threaded; never shown as a measured one."""

    calibration: Calibration
    runtime: str  # that the figure is for
    latency_ms: float
    interval_ms: tuple[float, float]  # at the calibration's level
    reasons: tuple[str, ...]  # why the interval is wider than the calibration's own
    ops: tuple[OpTime, ...]

    kind = "predicted"


def predict(graph: Graph, core: str, runtime: str | None = None) -> Prediction:
    """Predict the latency of `graph` on a core.

    Args:
        graph: of any format; quantized or float.
        core: as "cortex-a72" or "cortex-a72@1.5" (GHz).
        runtime: what will run it; by default the one that the core was calibrated with.

    Raises:
        InputError: core, dtype, runtime or kind of op are outside the calibration, or an op has
            no rule.
    """
    check_rules(graph)
    works = list_work(graph)
    if not works:
        raise InputError(f"{graph.name}: no op to predict")
    dtype = _main_dtype(works)
    found = find_core(core)
    calibration = _choose(found, dtype, runtime, core)
    ops = _time_ops(works, dtype, calibration, found)
    return _finish(calibration, runtime or calibration.runtime, works, ops)


def op_times_ms(table: Array, rates: Rates) -> tuple[Array, Array, Array]:
    """Return compute, memory and whole time in ms of each row, without overhead.

    Args:
        table: `[..., ops, 4]` as `work.columns` makes it.
        rates: of the core.
    """
    kind = table[..., 0].astype(np.intp)
    share = np.array([rates.efficiency.get(name, 1.0) for name in COMPUTE] + [1.0])
    compute = table[..., 1] / (share[kind] * rates.peak_gmadds * 1e6)
    dense = kind == CLASSES.index("fully_connected")
    weights = np.where(dense, rates.gb_per_s["matrices"], rates.gb_per_s["weights"])
    memory = table[..., 2] / (rates.gb_per_s["activations"] * 1e6) + table[..., 3] / (weights * 1e6)
    p = rates.overlap
    return compute, memory, (compute**p + memory**p) ** (1 / p)


def _main_dtype(works: Sequence[Work]) -> str:
    """Return the dtype of most multiply-adds."""
    totals: dict[str, int] = {}
    for work in works:
        totals[work.dtype] = totals.get(work.dtype, 0) + work.madds
    return max(totals, key=lambda dtype: totals[dtype])


def _choose(
    found: Sequence[Calibration], dtype: str, runtime: str | None, core: str
) -> Calibration:
    fitting = [
        c for c in found
        if c.dtype == dtype and (runtime in (None, c.runtime) or runtime in (c.transfers or {}))
    ]  # fmt: skip
    # The runtime's own calibration comes before one that is carried over.
    fitting.sort(key=lambda c: c.runtime != runtime)
    if not fitting:
        known = [f"{c.dtype} in {' or '.join([c.runtime, *(c.transfers or {})])}" for c in found]
        asked = dtype + (f" in {runtime}" if runtime else "")
        raise InputError(f"core {core}: no calibration for {asked}", expected=", ".join(known))
    return fitting[0]


def _time_ops(
    works: Sequence[Work], dtype: str, main: Calibration, found: Sequence[Calibration]
) -> tuple[OpTime, ...]:
    """Time each op by the calibration of its dtype, or the main one where it multiplies nothing."""
    by_dtype = {c.dtype: c for c in found if c.runtime == main.runtime} | {dtype: main}
    missing = {w.dtype for w in works if w.madds and w.dtype not in by_dtype}
    if missing:
        raise InputError(
            f"core {main.core}: no calibration for {', '.join(sorted(missing))} ops in "
            f"{main.runtime}",
            expected=", ".join(sorted(by_dtype)),
        )
    return tuple(time_op(work, by_dtype.get(work.dtype, main).rates) for work in works)


def time_op(work: Work, rates: Rates) -> OpTime:
    """Return the predicted time of one op."""
    table = columns([work], rates.simd_width)
    compute, memory, whole = (float(part[0]) for part in op_times_ms(table, rates))
    overhead_ms = rates.overhead_us / 1e3
    return OpTime(work, whole + overhead_ms, compute, memory, overhead_ms)


def _finish(
    calibration: Calibration, runtime: str, works: Sequence[Work], ops: tuple[OpTime, ...]
) -> Prediction:
    """Add up, and widen the interval for every reason that there is."""
    latency_ms = sum(op.ms for op in ops)
    unlike = _unlike(calibration, ops)
    width = math.log(calibration.factor_elsewhere if unlike else calibration.factor)
    beyond = [*_unseen(calibration, ops), *_out_of_range(calibration, works)]
    width *= UNSEEN_FACTOR ** len(beyond)
    reasons = [*unlike, *beyond]
    if runtime != calibration.runtime:
        transfer = (calibration.transfers or {})[runtime]
        latency_ms *= transfer.ratio
        ops = tuple(_scaled(op, transfer.ratio) for op in ops)
        width = math.hypot(width, math.log(transfer.factor))
        reasons.append(
            f"carried over from {calibration.runtime} to {runtime}: x{transfer.ratio:.2f} in "
            f"{len(transfer.points)} published pairs"
        )
    interval = (latency_ms * math.exp(-width), latency_ms * math.exp(width))
    return Prediction(calibration, runtime, latency_ms, interval, tuple(reasons), ops)


def shares_of_time(ops: Sequence[OpTime]) -> dict[str, float]:
    """Return the share of the time that each kernel class takes."""
    total = sum(op.ms for op in ops)
    shares: dict[str, float] = {}
    for op in ops:
        shares[op.work.kind] = shares.get(op.work.kind, 0.0) + op.ms / total
    return shares


def _scaled(op: OpTime, ratio: float) -> OpTime:
    return replace(op, ms=op.ms * ratio, compute_ms=op.compute_ms * ratio,
                   memory_ms=op.memory_ms * ratio, overhead_ms=op.overhead_ms * ratio)  # fmt: skip


def _unlike(calibration: Calibration, ops: Sequence[OpTime]) -> list[str]:
    """Return the reason to widen where a class takes a share of the time that no point gives it."""
    found = shares_of_time(ops)
    strange = [
        f"{kind} {found.get(kind, 0):.0%} ({least:.0%} to {most:.0%})"
        for kind, (least, most) in calibration.shares.items()
        if not least - SHARE_MARGIN <= found.get(kind, 0) <= most + SHARE_MARGIN
    ]
    return [f"shares of time unlike the points': {', '.join(strange)}"] if strange else []


def _unseen(calibration: Calibration, ops: Sequence[OpTime]) -> list[str]:
    """Return the reason to widen where some ops are of a class that no point holds.

    Raises:
        InputError: they take so much of the time that the figure would be a guess.
    """
    found = shares_of_time(ops)
    unseen = sorted({op.work.kind for op in ops if op.work.madds} - set(calibration.classes))
    share = sum(found[kind] for kind in unseen)
    names = ", ".join(unseen)
    if share > UNSEEN_SHARE:
        raise InputError(
            f"core {calibration.core}: no calibration for {names} ({calibration.runtime}, "
            f"{calibration.dtype})",
            got=f"{share:.0%} of the time in them",
            expected=f"mostly {', '.join(calibration.classes)}",
        )
    return [f"{names} ({share:.1%} of the time) not among the points"] if unseen else []


def _out_of_range(calibration: Calibration, works: Sequence[Work]) -> list[str]:
    """Return the reason to widen where the network is smaller or larger than the points.

    Raises:
        InputError: it is so by far.
    """
    madds, (least, most) = sum(work.madds for work in works), calibration.madds
    beyond = max(least / max(madds, 1), madds / most)
    if beyond <= MADDS_MARGIN:
        return []
    covered = f"{least / 1e6:.0f}M to {most / 1e6:.0f}M MAdds"
    if beyond > MADDS_LIMIT:
        raise InputError(
            f"core {calibration.core}: outside the calibration",
            got=f"{madds / 1e6:.1f}M MAdds",
            expected=covered,
        )
    return [f"{madds / 1e6:.0f}M MAdds, the points cover {covered}"]
