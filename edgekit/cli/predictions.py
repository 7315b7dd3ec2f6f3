"""How predicted latencies are shown: always under that word, with where they come from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from edgekit.cli.output import stderr
from edgekit.cli.tables import table

if TYPE_CHECKING:
    from rich.console import RenderableType

    from edgekit.errors import InputError
    from edgekit.profile.graph import Graph
    from edgekit.profile.prediction.advice import Advice
    from edgekit.profile.prediction.predict import Prediction
    from edgekit.profile.prediction.roofline import OpTime

SLOWEST = 5  # ops of each core that are shown unless all are asked for
ADVICE = 3  # lines of each topic
NAME_WIDTH = 28


def split_cores(cores: str | None) -> list[str]:
    """Return the names of a comma-separated list."""
    return [part.strip() for part in cores.split(",")] if cores else []


def raise_refusals(refusals: Sequence[InputError]) -> None:
    """End with the last refusal, the others said before it; the figures were shown already."""
    for refusal in refusals[:-1]:
        stderr().print(f"edgekit: {refusal}", markup=False, soft_wrap=True)
    if refusals:
        raise refusals[-1]


def predictions_json(graph: Graph, predictions: Sequence[Prediction]) -> list[dict[str, Any]]:
    """Return the predictions as JSON types, op by op."""
    from edgekit.profile.prediction.advice import advise

    return [
        {
            **summary_json(p),
            "sources": list(p.calibration.points),
            "ops": [_op_json(op) for op in p.ops],
            "advice": [_advice_json(advice) for advice in advise(graph, p)],
        }
        for p in predictions
    ]


def summary_json(p: Prediction) -> dict[str, Any]:
    """Return a prediction as JSON types without its ops."""
    return {
        "kind": p.kind,
        "core": p.calibration.core,
        "clock_ghz": p.calibration.clock_ghz,
        "threads": 1,
        "runtime": p.runtime,
        "dtype": p.calibration.dtype,
        "latency_ms": p.latency_ms,
        "interval_ms": list(p.interval_ms),
        "level": p.calibration.level,
        "reasons": list(p.reasons),
        "errors": dict(p.calibration.errors),
        "source": p.calibration.sources,
        "remark": p.calibration.remark,
    }


def _op_json(op: OpTime) -> dict[str, Any]:
    from edgekit.profile.prediction.advice import name_of

    return {
        "layer": name_of(op.work.op), "op": op.work.op.native, "class": op.work.kind,
        "dtype": op.work.dtype, "predicted_ms": op.ms, "compute_ms": op.compute_ms,
        "memory_ms": op.memory_ms, "overhead_ms": op.overhead_ms, "bound": op.bound,
    }  # fmt: skip


def _advice_json(advice: Advice) -> dict[str, Any]:
    return {
        "topic": advice.topic, "layer": advice.layer, "text": advice.text, "share": advice.share
    }  # fmt: skip


def prediction_pages(
    graph: Graph, predictions: Sequence[Prediction], *, all_ops: bool
) -> list[RenderableType]:
    """Return a table of the cores, one of the ops that take longest, and what would help."""
    if not predictions:
        return []
    pages: list[RenderableType] = [_cores(predictions)]
    pages += [_origin(p) for p in predictions]
    pages += [_ops(p, len(p.ops) if all_ops else SLOWEST) for p in predictions]
    return [*pages, *_advice(graph, predictions[0])]


def artifact_pages(
    names: Sequence[str], predictions: Sequence[Sequence[Prediction]]
) -> list[RenderableType]:
    """Return one line for each file and core."""
    rows = [
        [name, p.calibration.core, p.runtime, _ms(p.latency_ms), _interval(p)]
        for name, found in zip(names, predictions, strict=True)
        for p in found
    ]
    if not rows:
        return []
    seen = {(p.calibration.core, p.calibration.dtype): p for found in predictions for p in found}
    level = f"{next(iter(seen.values())).calibration.level:.0%} interval"
    headings = ["file", "core", "runtime", "predicted ms", level]
    return [table(headings, rows), *(_origin(p) for p in seen.values())]


def _cores(predictions: Sequence[Prediction]) -> RenderableType:
    level = predictions[0].calibration.level
    headings = ["core", "runtime", "dtype", "predicted ms", f"{level:.0%} interval",
                "compute", "memory"]  # fmt: skip
    caption = "compute, memory: share of the time in ops that bind on it"
    return table(headings, [_core_cells(p) for p in predictions], caption)


def _core_cells(p: Prediction) -> list[str]:
    c = p.calibration
    shares = [f"{p.share_bound_by(part):.0%}" for part in ("compute", "memory")]
    return [c.core, p.runtime, c.dtype, _ms(p.latency_ms), _interval(p), *shares]


def _origin(p: Prediction) -> RenderableType:
    """Return what the figure rests on, and why its interval is wide."""
    from rich.text import Text

    lines = [p.origin, *(f"widened: {reason}" for reason in p.reasons)]
    return Text(". ".join(lines) + ".", style="dim")


def _ops(p: Prediction, count: int) -> RenderableType:
    from edgekit.profile.prediction.advice import name_of

    slowest = sorted(p.ops, key=lambda op: -op.ms)[:count] if count < len(p.ops) else p.ops
    rows = [
        [
            _short(name_of(op.work.op)), op.work.kind, _ms(op.ms), f"{op.ms / p.latency_ms:.1%}",
            op.bound,
        ]
        for op in slowest
    ]  # fmt: skip
    return table([f"on {p.calibration.core}", "kernel", "predicted ms", "share", "bound by"], rows)


def _advice(graph: Graph, prediction: Prediction) -> list[RenderableType]:
    """Return a table of what would help: the worst of each topic, the others in one line."""
    from edgekit.profile.prediction.advice import advise

    found = advise(graph, prediction)
    rows = []
    for topic in dict.fromkeys(a.topic for a in found):
        of_topic = [a for a in found if a.topic == topic]
        rows += [[_short(a.layer), a.text, f"{a.share:.1%}"] for a in of_topic[:ADVICE]]
        if len(of_topic) > ADVICE:
            rest = sum(a.share for a in of_topic[ADVICE:])
            more = f"{len(of_topic) - ADVICE} more of this kind (--json)"
            rows.append(["", more, f"{rest:.1%}"])
    headings = ["layer", f"what would help on {prediction.calibration.core}", "of time"]
    caption = "of time: the share of the prediction that the line is about"
    return [table(headings, rows, caption, text_columns=2)] if found else []


def _short(name: str) -> str:
    return name if len(name) <= NAME_WIDTH else "..." + name[3 - NAME_WIDTH :]


def _interval(p: Prediction) -> str:
    low, high = p.interval_ms
    return f"{_ms(low)} to {_ms(high)}"


def _ms(value: float) -> str:
    from edgekit.report.numbers import significant

    return significant(value)
