"""A figure as SVG text that takes its colours from the page and needs no file beside it."""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Callable
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

INK = "#010203"  # stands for the page's text colour until the SVG is written
# Okabe and Ito's palette without black and yellow: told apart by colour-blind readers, and legible
# on light and dark.
COLOURS = ("#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9")
MARKERS = "osD^vP*Xh<>p"


def draw_svg(draw: Callable[[Any], None], salt: str, height: float = 3.6) -> str:
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
