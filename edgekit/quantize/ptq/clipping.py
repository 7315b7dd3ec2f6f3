"""Clipping: the range of each activation narrowed as long as the network's answers gain by it.

What lies beyond a range is cut off, so that what lies within is rounded to finer steps. Which of
the two costs more a tensor cannot tell alone: the next ReLU6 may cut the same peaks off anyway, or
the only peak be what the answer hangs on. So it is the noise in the answers that decides, as in
Nahshan et al., arXiv:1911.07190, section 4; here for one tensor at a time.
"""

from __future__ import annotations

from collections.abc import Callable

from edgekit.quantize.graph.float_graph import FloatGraph, Range
from edgekit.quantize.graph.replay import Values
from edgekit.quantize.ptq.ranges import fake_quantize, min_max
from edgekit.quantize.ptq.sensitivity import Effect, effects

SHARES = (1.0, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4)  # of the observed range, until one is worse
_JUDGED = 32  # examples, spread over all: what one tensor adds is told by few


def clip(graph: FloatGraph, examples: Values) -> dict[int, Range]:
    """Return the range of every activation but the inputs and the outputs.

    Args:
        graph: the float network, whose answers are compared before a softmax and the like.
        examples: `[N, ...]` by input tensor.
    """
    return {each.tensor: _range(each) for each in effects(graph, examples, _JUDGED)}


def _range(effect: Effect) -> Range:
    return narrowed(
        min_max(effect.values), lambda tried: effect.cost(fake_quantize(effect.judged, tried))
    )


def narrowed(observed: Range, cost: Callable[[Range], float]) -> Range:
    """Return the share of the observed range before the first that costs more."""
    best, least = observed, cost(observed)
    for share in SHARES[1:]:
        tried = (observed[0] * share, observed[1] * share)
        if (now := cost(tried)) >= least:
            break
        best, least = tried, now
    return best
