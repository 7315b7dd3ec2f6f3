"""Latency predicted op by op, with its interval and what it rests on; never a guess."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from edgekit.errors import InputError
from edgekit.profile.cost.madds import check_rules
from edgekit.profile.cost.work import Work, list_work
from edgekit.profile.graph import Graph
from edgekit.profile.prediction.cores import Calibration, find_core
from edgekit.profile.prediction.coverage import out_of_range, unlike, unseen
from edgekit.profile.prediction.roofline import OpTime, time_op

UNSEEN_FACTOR = 2.0  # on the log of the interval's half-width, where a limit is passed


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

    @property
    def scale(self) -> float:
        """What the calibration's times are multiplied with: another than 1 where carried over."""
        transfers = self.calibration.transfers or {}
        return 1.0 if self.runtime == self.calibration.runtime else transfers[self.runtime].ratio

    @property
    def origin(self) -> str:
        """What the figure rests on, in one line."""
        c = self.calibration
        protocol, error = list(c.errors.items())[-1]
        text = (
            f"{c.core}, {c.dtype}: predicted, not measured; 1 thread at {c.clock_ghz:g} GHz; "
            f"fitted to {error['n']:.0f} points of {c.sources}; mean error "
            f"{error['mape_percent']:.1f}% with {protocol}"
        )
        return ". ".join([text, *([c.remark] if c.remark else [])])

    def share_bound_by(self, part: str) -> float:
        """Return the share of the time in ops that bind on "compute", "memory" or "overhead"."""
        return sum(op.ms for op in self.ops if op.bound == part) / self.latency_ms


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


def predict_each(
    graph: Graph, cores: Iterable[str], runtime: str | None = None
) -> tuple[list[Prediction], list[InputError]]:
    """Return a prediction for each core that has one, and for the others why not."""
    predictions, refusals = [], []
    for core in dict.fromkeys(cores):
        try:
            predictions.append(predict(graph, core, runtime))
        except InputError as refusal:
            refusals.append(refusal)
    return predictions, refusals


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


def _finish(
    calibration: Calibration, runtime: str, works: Sequence[Work], ops: tuple[OpTime, ...]
) -> Prediction:
    """Add up, and widen the interval for every reason that there is."""
    latency_ms = sum(op.ms for op in ops)
    strange = unlike(calibration, ops)
    width = math.log(calibration.factor_elsewhere if strange else calibration.factor)
    beyond = [*unseen(calibration, ops), *out_of_range(calibration, works)]
    width *= UNSEEN_FACTOR ** len(beyond)
    reasons = [*strange, *beyond]
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


def _scaled(op: OpTime, ratio: float) -> OpTime:
    return replace(op, ms=op.ms * ratio, compute_ms=op.compute_ms * ratio,
                   memory_ms=op.memory_ms * ratio, overhead_ms=op.overhead_ms * ratio)  # fmt: skip
