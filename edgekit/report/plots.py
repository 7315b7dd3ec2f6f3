"""Plots as SVG text that takes its colours from the page and needs no file beside it."""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Callable
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

from edgekit.report.results import Conditions, Score
from edgekit.report.summary import Entry, conditions, metrics

INK = "#010203"  # stands for the page's text colour until the SVG is written
# Okabe and Ito's palette without black and yellow: told apart by colour-blind readers, and legible
# on light and dark.
COLOURS = ("#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9")
MARKERS = "osD^vP*Xh<>p"

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

    return title, _svg(draw, title) if len(points) > 1 else ""


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

    return _svg(draw, f"bars {c}", height=0.9 + 0.5 * len(timed))


def _svg(draw: Callable[[Any], None], salt: str, height: float = 3.6) -> str:
    """Return the figure as an <svg> element without a fixed size; `salt` makes its ids its own."""
    style = {
        "svg.fonttype": "none", "svg.hashsalt": salt, "font.family": "sans-serif",
        "text.color": INK, "axes.labelcolor": INK, "axes.edgecolor": INK, "xtick.color": INK,
        "ytick.color": INK, "axes.spines.top": False, "axes.spines.right": False,
    }  # fmt: skip
    text = io.StringIO()
    with mpl.rc_context(style), warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # a font without some sign of a file's name
        figure = Figure(figsize=(5.2, height))
        draw(figure.add_subplot())
        figure.savefig(
            text, format="svg", transparent=True, bbox_inches="tight", metadata={"Date": None}
        )
    svg = text.getvalue()
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r'<g id="[^"]*"', "<g", svg)  # the same in every plot, and referred to by none
    svg = re.sub(r'(<svg[^>]*?) width="[^"]*" height="[^"]*"', r"\1", svg, count=1)
    return svg.replace(INK, "currentColor")


def _label(entry: Entry) -> str:
    return entry.file if len(entry.file) <= 48 else entry.file[:22] + "..." + entry.file[-23:]


def _value(score: Score) -> float:
    return score.value * 100 if score.unit == "1" else score.value


def _axis(metric: str, entries: list[Entry]) -> str:
    units = {e.scores[metric].unit for e in entries if metric in e.scores}
    return metric + ", " + "/".join("%" if u == "1" else u for u in sorted(units))
