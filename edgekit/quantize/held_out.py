"""Whether channels brought to one range serve examples that their ranges were not taken from.

A channel that fires once in a hundred examples shows little of its range; brought to the others'
range, it is cut off on the next example that fires it. Maps have thousands of values a channel,
the vectors of a dense network one an example: no rule tells beforehand whom it helps.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from functools import cache

from edgekit.quantize.graph.float_graph import Range
from edgekit.quantize.graph.observation import observe
from edgekit.quantize.graph.parts import ending_at
from edgekit.quantize.mixed import answers
from edgekit.quantize.ptq.network import Network
from edgekit.quantize.ptq.post_training import prepare
from edgekit.quantize.ptq.sensitivity import noise, scores
from edgekit.quantize.ptq.techniques import PostTraining
from edgekit.quantize.ptq.transformation import transform
from edgekit.quantize.quantizer import quantize

_log = logging.getLogger("edgekit")

CHANNELS = ("shift", "equalize")  # what is judged
_ENOUGH = 16  # examples, half of them to judge
_MARGIN = 1.26  # 1 dB: what chance may make of so few


def hold_up(network: Network, options: PostTraining) -> PostTraining:
    """Return the options without those of CHANNELS that make unseen examples' answers worse.

    One half of the network's examples sets the ranges, the other judges; weights are rounded to
    nearest.
    """
    named = tuple(technique for technique in CHANNELS if technique in options.techniques)
    if not named or len(next(iter(network.examples.values()))) < _ENOUGH:
        return options
    graph = ending_at(network.graph, scores(network.graph))
    seen, unseen = ({t: v[start::2] for t, v in network.examples.items()} for start in (0, 1))
    half = replace(network, graph=graph, examples=seen, observed=observe(graph, seen))
    expected = dict(enumerate(answers(graph.pack(), unseen)))

    def lost(techniques: tuple[str, ...], *, corrected: bool) -> float:
        options = PostTraining((*techniques, "bias") if corrected else techniques)
        changed = transform(half, options)
        ready = prepare(changed, options) if corrected else None
        packed = ready.content if ready else changed.graph.pack(_ranges(changed))
        content = quantize(packed, "float32", steps=ready.steps if ready else None)
        return noise(expected, dict(enumerate(answers(content, unseen))))

    def serve(techniques: tuple[str, ...]) -> bool:
        """Whether they do, if need be once mean errors are taken back, which takes far longer."""
        return any(
            lost(techniques, corrected=corrected) <= _MARGIN * bare(corrected)
            for corrected in (False, True)
        )

    @cache
    def bare(corrected: bool) -> float:
        return lost((), corrected=corrected)

    kept = next((some for some in (named, named[:-1]) if some and serve(some)), ())
    left_out = [technique for technique in named if technique not in kept]
    if left_out:
        _log.warning("%s: left out, since examples that set no range are answered better without",
                     ", ".join(left_out))  # fmt: skip
    chosen = tuple(technique for technique in options.techniques if technique not in left_out)
    return replace(options, techniques=chosen)


def _ranges(changed: Network) -> dict[int, Range]:
    """Return each activation's range over the examples, as its channels are now."""
    factors = {t: changed.changes.factors.get(changed.graph.name(t), 1) for t in changed.observed}
    return {
        tensor: (float((seen.low * factors[tensor]).min()),
                 float((seen.high * factors[tensor]).max()))
        for tensor, seen in changed.observed.items()
    }  # fmt: skip
