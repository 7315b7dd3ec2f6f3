"""Lay the screens that `make screens` wrote side by side: tools/sheet.py FOLDER PICTURE."""

from __future__ import annotations

import sys
from pathlib import Path

from PIL import Image

SHOWN = ("models", "classify", "detect", "segment", "regress",
         "phylogeny", "corrections", "policy", "adapt", "benchmark")  # fmt: skip
COLUMNS = 5
GAP = 8
GREY = (120, 120, 120)


def main() -> None:
    """Halve each screen and lay it in its place."""
    folder, output = map(Path, sys.argv[1:])
    halves = [Image.open(folder / f"{name}.png").convert("RGB").reduce(2) for name in SHOWN]
    width, height = (side + GAP for side in halves[0].size)
    rows = -(-len(halves) // COLUMNS)
    sheet = Image.new("RGB", (COLUMNS * width + GAP, rows * height + GAP), GREY)
    for place, half in enumerate(halves):
        sheet.paste(half, (place % COLUMNS * width + GAP, place // COLUMNS * height + GAP))
    sheet.save(output, optimize=True)


if __name__ == "__main__":
    main()
