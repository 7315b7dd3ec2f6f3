"""The plots of what model files cost: predicted latencies with their bands, and rooflines."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from edgekit.profile.prediction.predict import Prediction
from edgekit.profile.prediction.roofline import OpTime
from edgekit.report.cost import Cost
from edgekit.report.figure import COLOURS, INK, MARKERS, draw_svg

POINT_AREA = 900.0  # of an op that takes all of the time, in points squared
LEAST_AREA = 14.0  # still to be seen


def draw_bands(costs: Sequence[Cost]) -> tuple[str, str]:
    """Return title and SVG of all predictions with their intervals; no SVG where there is none."""
    lines = [(cost, p) for cost in costs for p in cost.predictions]
    cores = list(dict.fromkeys(p.calibration.core for _, p in lines))

    def draw(ax: Any) -> None:
        for i, (cost, p) in enumerate(lines):
            core = p.calibration.core
            colour = COLOURS[cores.index(core) % len(COLOURS)]
            ax.barh(i, p.latency_ms, color=colour, height=0.4)
            ax.plot(p.interval_ms, (i, i), "|-", color=INK, markersize=8)
            text = f"{shorten(cost.file)}, {core}, {p.runtime}"
            ax.text(0, i - 0.26, text, va="bottom", fontsize=9, parse_math=False)
        ax.set_yticks([])
        ax.set_ylim(len(lines) - 0.5, -0.9)
        ax.set_xlim(left=0)
        ax.set_xlabel(f"predicted ms, with its {lines[0][1].calibration.level:.0%} interval")

    title = "Predicted latency"
    return title, draw_svg(draw, title, height=0.9 + 0.55 * len(lines)) if lines else ""


def draw_roofline(cost: Cost, prediction: Prediction) -> tuple[str, str]:
    """Return title and SVG of a roofline plot (Williams et al., doi:10.1145/1498765.1498785).

    Each point is an op that multiplies, its area the share of the predicted time. The slope is the
    bandwidth of activations; each level is the peak of a kernel class.
    """
    ops = [op for op in prediction.ops if op.work.madds]
    kinds = list(dict.fromkeys(op.work.kind for op in ops))
    core = prediction.calibration.core

    def draw(ax: Any) -> None:
        for i, kind in enumerate(kinds):
            mine = [op for op in ops if op.work.kind == kind]
            area = [LEAST_AREA + POINT_AREA * op.ms / prediction.latency_ms for op in mine]
            ax.scatter(
                [intensity(op) for op in mine], [achieved(op) for op in mine], s=area, alpha=0.6,
                label=kind, color=COLOURS[i % len(COLOURS)], marker=MARKERS[i % len(MARKERS)],
            )  # fmt: skip
        _roofs(ax, prediction, kinds, [intensity(op) for op in ops])
        for axis, scale in ((ax.xaxis, ax.set_xscale), (ax.yaxis, ax.set_yscale)):
            scale("log")
            axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
            axis.set_minor_formatter(NullFormatter())
        ax.set_xlabel("MAdds a byte moved")
        ax.set_ylabel("predicted billions of MAdds a second")
        legend = ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.16), frameon=False,
                           fontsize=9, ncols=2)  # fmt: skip
        for handle in legend.legend_handles:
            handle.set_sizes([60])

    title = f"Roofline on {core}, {prediction.runtime}, predicted"
    return title, draw_svg(draw, f"{title} {cost.file}", height=4.0) if ops else ""


def intensity(op: OpTime) -> float:
    """Return the MAdds of an op for each byte that it moves."""
    return op.work.madds / max(1, op.work.activation_bytes + op.work.weight_bytes)


def achieved(op: OpTime) -> float:
    """Return the billions of MAdds a second that the predicted time means."""
    return op.work.madds / op.ms / 1e6


def roofs(prediction: Prediction, kinds: Sequence[str]) -> tuple[float, dict[str, float]]:
    """Return GB/s of activations, and by kernel class the peak in billions of MAdds a second."""
    rates, scale = prediction.calibration.rates, prediction.scale
    peaks = {kind: rates.efficiency.get(kind, 1.0) * rates.peak_gmadds / scale for kind in kinds}
    return rates.gb_per_s["activations"] / scale, peaks


def shorten(name: str) -> str:
    """Return a name of at most 40 signs, its middle left out."""
    return name if len(name) <= 40 else name[:18] + "..." + name[-19:]


def _roofs(ax: Any, prediction: Prediction, kinds: Sequence[str], places: Sequence[float]) -> None:
    slope, peaks = roofs(prediction, kinds)
    left, right = min(places) / 2, max(places) * 2
    for i, kind in enumerate(kinds):
        ridge = peaks[kind] / slope
        if ridge < right:
            ax.plot([max(left, ridge), right], [peaks[kind]] * 2, "-", linewidth=1,
                    color=COLOURS[i % len(COLOURS)])  # fmt: skip
    ends = [left, min(right, max(peaks.values()) / slope)]
    ax.plot(ends, [x * slope for x in ends], "--", color=INK, linewidth=1)
    ax.text(ends[0], ends[0] * slope, f" {slope:.3g} GB/s", fontsize=8, va="top", parse_math=False)
