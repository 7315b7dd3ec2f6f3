"""The plots of results: latency, size and score of each file."""

from __future__ import annotations

from typing import Any

from edgekit.report.figure import COLOURS, INK, MARKERS, draw_svg
from edgekit.report.results import Conditions, Score
from edgekit.report.summary import Entry, conditions, metrics

Point = tuple[Entry, float, float]


def draw_plots(entries: list[Entry]) -> list[tuple[str, str]]:
    """Return title and SVG of each plot that the entries have figures for."""
    plots: list[tuple[str, str]] = []
    sized = [(e, e.size_bytes / 1e6) for e in entries if e.size_bytes is not None]
    for c, letter in conditions(entries).items():
        times = {e.file: t.p50_ms for e in entries if (t := e.timings.get(c))}
        axis = f"p50, ms ({c.kind} {letter})"
        plots.append((f"Latency, {c.kind} {letter}", _bars(entries, c)))
        points = [(e, times[e.file], mb) for e, mb in sized if e.file in times]
        plots.append(_scatter(f"Size and latency, {c.kind} {letter}", points, axis, "size, MB"))
        for m in metrics(entries):
            points = [
                (e, times[e.file], _value(e.scores[m]))
                for e in entries
                if e.file in times and m in e.scores
            ]
            title = f"{m} and latency, {c.kind} {letter}"
            plots.append(_scatter(title, points, axis, _axis(m, entries)))
    for m in metrics(entries):
        points = [(e, mb, _value(e.scores[m])) for e, mb in sized if m in e.scores]
        plots.append(_scatter(f"{m} and size", points, "size, MB", _axis(m, entries)))
    return [p for p in plots if p[1]]


def _scatter(title: str, points: list[Point], x_label: str, y_label: str) -> tuple[str, str]:
    """Return a plot of one point a file; none below two points, which show nothing."""

    def draw(ax: Any) -> None:
        for i, (entry, x, y) in enumerate(points):
            ax.plot(
                x, y, MARKERS[i % len(MARKERS)], color=COLOURS[i % len(COLOURS)], markersize=9,
                label=_label(entry),
            )  # fmt: skip
        ax.set_xlabel(x_label, parse_math=False)
        ax.set_ylabel(y_label, parse_math=False)
        ax.margins(0.15)
        ax.set_xlim(left=0)
        legend = ax.legend(
            loc="upper center", bbox_to_anchor=(0.5, -0.2), frameon=False, fontsize=9
        )
        for text in legend.get_texts():
            text.set_parse_math(False)

    return title, draw_svg(draw, title) if len(points) > 1 else ""


def _bars(entries: list[Entry], c: Conditions) -> str:
    """Return p50 with its interval, a line a file."""
    timed = [(e, t) for e in entries if (t := e.timings.get(c))]

    def draw(ax: Any) -> None:
        for i, (entry, t) in enumerate(timed):
            ax.barh(i, t.p50_ms, color=COLOURS[i % len(COLOURS)], height=0.5)
            if t.interval:
                ax.plot(t.interval, (i, i), "|-", color=INK, markersize=8)
            ax.text(0, i - 0.3, _label(entry), va="bottom", fontsize=9, parse_math=False)
        ax.set_yticks([])
        ax.set_ylim(len(timed) - 0.5, -0.8)
        ax.set_xlabel("p50, ms, with its 95% interval")

    return draw_svg(draw, f"bars {c}", height=0.9 + 0.5 * len(timed))


def _label(entry: Entry) -> str:
    return entry.file if len(entry.file) <= 48 else entry.file[:22] + "..." + entry.file[-23:]


def _value(score: Score) -> float:
    return score.value * 100 if score.unit == "1" else score.value


def _axis(metric: str, entries: list[Entry]) -> str:
    units = {e.scores[metric].unit for e in entries if metric in e.scores}
    return metric + ", " + "/".join("%" if u == "1" else u for u in sorted(units))
