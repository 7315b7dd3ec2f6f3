"""The layers of a file beside their source, as one picture."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from edgekit.errors import InputError
from edgekit.files import write_file
from edgekit.parity.diagnosis import MAX_SATURATION, MAX_SPREAD
from edgekit.parity.layers import LayerParity

# Okabe and Ito's palette, as in plots: told apart by colour-blind readers.
COLOURS = {"ok": "#0072B2", "warn": "#E69F00", "diverges": "#D55E00"}
SUFFIXES = (".png", ".svg")
_TOP_DB = 120.0  # where bars end: layers that are equal have no finite ratio


def draw_layers(path: Path, title: str, layers: Sequence[LayerParity]) -> None:
    """Write a picture: SQNR, saturation and channel spread of each layer, in the order given.

    Raises:
        InputError: a suffix of another format, or the file cannot be written.
    """
    if path.suffix not in SUFFIXES:
        raise InputError(f"{path}: picture", got=path.suffix or "no suffix",
                         expected=" or ".join(SUFFIXES))  # fmt: skip
    height = 1.4 + 0.19 * len(layers)
    figure = Figure(figsize=(9, height), dpi=120, layout="constrained")
    figure.suptitle(title, fontsize=10, parse_math=False)
    axes = figure.subplots(1, 3, sharey=True, width_ratios=(3, 1.2, 1.2))
    _draw_sqnr(axes[0], layers)
    shares = [None if s is None else 100 * s for s in (layer.saturation for layer in layers)]
    _draw_dots(axes[1], "saturated, %", shares, 100 * MAX_SATURATION)
    spreads = [layer.channel_spread for layer in layers]
    _draw_dots(axes[2], "spread of weight scales", spreads, MAX_SPREAD, log=True)
    buffer = io.BytesIO()
    figure.savefig(buffer, format=path.suffix[1:])
    write_file(path, buffer.getvalue())


def _draw_sqnr(ax: Any, layers: Sequence[LayerParity]) -> None:
    """Draw a bar a layer, with the lines that the verdict goes by and the dead channels."""
    for place, layer in enumerate(layers):
        width = min(max(layer.sqnr_db, 0.0), _TOP_DB)
        ax.barh(place, width, color=COLOURS[layer.verdict], height=0.7)
        if layer.dead_channels:
            text = f" {layer.dead_channels} of {layer.channels} dead"
            ax.text(width, place, text, va="center", fontsize=6)
    ax.set_yticks(range(len(layers)), [layer.layer for layer in layers], fontsize=7,
                  parse_math=False)  # fmt: skip
    ax.set_ylim(len(layers) - 0.4, -0.6)
    ax.margins(x=0.15)
    for limit in {layer.warn_db for layer in layers} | {layer.fail_db for layer in layers}:
        ax.axvline(limit, color="#555555", linestyle=":", linewidth=1)
    ax.set_xlabel("SQNR, dB; dotted: warns, diverges below", fontsize=8)
    _plain(ax)


def _draw_dots(
    ax: Any, label: str, values: Sequence[float | None], limit: float, *, log: bool = False
) -> None:
    """Draw a dot where there is a figure, and the limit."""
    told = [(value, place) for place, value in enumerate(values) if value is not None]
    for value, place in told:
        ax.plot(value, place, "o", markersize=4,
                color=COLOURS["diverges" if value > limit else "ok"])  # fmt: skip
    if log:
        ax.set_xscale("log")
    else:
        ax.set_xlim(left=-0.05, right=max([limit, *(v for v, _ in told)]) * 1.15)
    ax.axvline(limit, color="#555555", linestyle=":", linewidth=1)
    ax.set_xlabel(label if told else f"{label}: not told", fontsize=8)
    _plain(ax)


def _plain(ax: Any) -> None:
    ax.tick_params(labelsize=7)
    ax.grid(axis="y", color="#dddddd", linewidth=0.5)
    ax.set_axisbelow(True)
    for side in ("top", "right"):
        ax.spines[side].set_visible(False)
