"""What a float network's activations do over the calibration examples."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from edgekit.quantize.graph.float_graph import FloatGraph
from edgekit.quantize.graph.linear import by_channel
from edgekit.quantize.graph.replay import Values, run_op, steps

Array = npt.NDArray[Any]


@dataclass(frozen=True, eq=False)
class Statistics:
    """Of one tensor: by channel over all examples, and by example over all channels."""

    low: Array  # [C]
    high: Array  # [C]
    mean: Array  # [C]
    energy: Array  # mean square, [C]
    example_low: Array  # [N]
    example_high: Array  # [N]

    def of_channels(self, kept: Array) -> Statistics:
        """Return what is left of it where only the channels of a mask `[C]` are."""
        left = {name: getattr(self, name)[kept] for name in ("low", "high", "mean", "energy")}
        return replace(self, **left)

    def shifted(self, by: Array) -> Statistics:
        """Return them with something added to each channel `[C]`; examples as a whole as before."""
        energy = self.energy + 2 * self.mean * by + np.square(by)
        return replace(
            self, low=self.low + by, high=self.high + by, mean=self.mean + by, energy=energy
        )


Observed = Mapping[int, Statistics]  # by tensor


def observe(graph: FloatGraph, examples: Values) -> Observed:
    """Return the statistics of every float activation over the examples, the inputs' among them."""
    values = dict(examples)
    found = {t: _statistics(value) for t, value in values.items() if graph.is_float(t)}
    for number, _, dead in steps(graph):
        made = run_op(graph, number, values)
        found |= {t: _statistics(value) for t, value in made.items() if graph.is_float(t)}
        values.update(made)
        for tensor in dead:
            values.pop(tensor, None)
    return found


def _statistics(values: Array) -> Statistics:
    rows, examples = by_channel(values), values.reshape(len(values), -1)
    return Statistics(
        rows.min(axis=0),
        rows.max(axis=0),
        rows.mean(axis=0, dtype=float),
        np.square(rows).mean(axis=0, dtype=float),
        examples.min(axis=1),
        examples.max(axis=1),
    )
