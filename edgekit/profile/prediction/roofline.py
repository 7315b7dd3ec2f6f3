"""The model behind every prediction: what one op takes on a core, from its compute and its memory.

An op takes `(compute^p + memory^p)^(1/p) + overhead` (p = 1: one after the other; p = inf: the
roofline of Williams et al., doi:10.1145/1498765.1498785), with

    compute = multiply-adds, channels rounded up to the SIMD width / (efficiency[class] * peak)
    memory  = bytes of activations / bandwidth + bytes of weights / bandwidth

Weights of a dense layer meet one position each and stream at the bandwidth of `matrices`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edgekit.profile.cost.work import CLASSES, COMPUTE, Work, columns
from edgekit.profile.prediction.cores import Rates

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


def time_op(work: Work, rates: Rates) -> OpTime:
    """Return the predicted time of one op."""
    table = columns([work], rates.simd_width)
    compute, memory, whole = (float(part[0]) for part in op_times_ms(table, rates))
    overhead_ms = rates.overhead_us / 1e3
    return OpTime(work, whole + overhead_ms, compute, memory, overhead_ms)


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


def shares_of_time(ops: Sequence[OpTime]) -> dict[str, float]:
    """Return the share of the time that each kernel class takes."""
    total = sum(op.ms for op in ops)
    shares: dict[str, float] = {}
    for op in ops:
        shares[op.work.kind] = shares.get(op.work.kind, 0.0) + op.ms / total
    return shares
