"""Answers drawn on copies of pictures, by Pillow."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from edgekit.errors import MissingExtraError, one_line
from edgekit.files import write_file
from edgekit.tasks.pictures.images import Pixels, resize

MIN_SIDE = 320  # pixels; a smaller copy is enlarged, or nobody could read what is written on it
_SHADE = (0, 0, 0, 150)


def _pascal_palette() -> Pixels:
    """Return the colours `[256, 3]` that Pascal VOC's masks have: three bits of the index each."""
    indices = np.arange(256)
    palette = np.zeros((256, 3), np.uint8)
    for place in range(8):
        for channel in range(3):
            bit = (indices >> (3 * place + channel)) & 1
            palette[:, channel] |= (bit << (7 - place)).astype(np.uint8)
    return palette


PALETTE = _pascal_palette()


def write_lines(pixels: Pixels, lines: Sequence[str]) -> Pixels:
    """Return a copy of `[H, W, 3]` with lines of text on a shaded band at its foot.

    What is too long for the picture ends in dots.
    """
    return _write(pixels, [(None, line) for line in lines])


def write_key(pixels: Pixels, key: Sequence[tuple[int, str]]) -> Pixels:
    """Return a copy with a line for each index of PALETTE: a square of its colour, and a name."""
    return _write(pixels, [(tuple(map(int, PALETTE[index])), name) for index, name in key])


def write_boxes(pixels: Pixels, rows: Sequence[tuple[Any, int, str]]) -> Pixels:
    """Return a copy of `[H, W, 3]` with boxes, each with a line of text at its top.

    Args:
        pixels: of the picture.
        rows: box (top, left, bottom, right, in pixels), index of its colour in PALETTE, text; later
            ones lie over earlier ones.
    """
    image_module, draw_module, font_module = _pillow()
    scale = max(1, -(-MIN_SIDE // min(pixels.shape[:2])))
    if scale > 1:
        pixels = resize(pixels, (pixels.shape[0] * scale, pixels.shape[1] * scale))
    image = image_module.fromarray(np.ascontiguousarray(pixels))
    pen = draw_module.Draw(image)
    size = max(12, min(pixels.shape[:2]) // 26)
    font = font_module.load_default(size)
    for box, index, text in rows:
        top, left, bottom, right = (round(float(edge) * scale) for edge in box)
        colour = tuple(map(int, PALETTE[index % len(PALETTE)]))
        pen.rectangle((left, top, right - 1, bottom - 1), outline=colour, width=max(2, size // 6))
        text = _fit(one_line(text), font, image.width - left)
        above = max(0, top - round(size * 1.3))
        end = left + font.getlength(text) + size // 3
        pen.rectangle((left, above, end, above + round(size * 1.3)), fill=colour)
        ink = "black" if sum(colour) > 380 else "white"
        pen.text((left + size // 6, above), text, font=font, fill=ink)
    return np.asarray(image, np.uint8)


def _write(pixels: Pixels, lines: Sequence[tuple[Any, str]]) -> Pixels:
    image_module, draw_module, font_module = _pillow()
    scale = max(1, -(-MIN_SIDE // min(pixels.shape[:2])))
    if scale > 1:
        pixels = resize(pixels, (pixels.shape[0] * scale, pixels.shape[1] * scale))
    if not lines:
        return pixels
    size = max(12, min(pixels.shape[:2]) // 22)
    font = font_module.load_default(size)
    image = image_module.fromarray(pixels).convert("RGBA")
    band = image_module.new("RGBA", image.size)
    pen = draw_module.Draw(band)
    pitch = round(size * 1.4)
    top = max(0, image.height - pitch * len(lines) - size)
    pen.rectangle((0, top, image.width, image.height), fill=_SHADE)
    for number, (colour, line) in enumerate(lines):
        left, y = size // 2, top + size // 2 + number * pitch
        if colour is not None:
            pen.rectangle((left, y + size // 5, left + size, y + size // 5 + size), fill=colour)
            left += round(1.5 * size)
        text = _fit(one_line(line), font, image.width - left - size // 2)
        pen.text((left, y), text, font=font, fill="white")
    drawn: Pixels = np.asarray(image_module.alpha_composite(image, band).convert("RGB"), np.uint8)
    return drawn


def save_png(path: Path, pixels: Pixels) -> None:
    """Write `[H, W, 3]`, or indices `[H, W]` in PALETTE's colours, as a PNG, whole or not at all.

    Raises:
        InputError: the place cannot be written.
    """
    from io import BytesIO

    content = BytesIO()
    image = _pillow()[0].fromarray(pixels)
    if pixels.ndim == 2:
        image.putpalette(PALETTE.reshape(-1).tolist())
    image.save(content, "PNG")
    write_file(path, content.getvalue())


def _fit(text: str, font: Any, width: int) -> str:
    if font.getlength(text) <= width:
        return text
    while text and font.getlength(text + "...") > width:
        text = text[:-1]
    return text + "..."


def _pillow() -> tuple[Any, Any, Any]:
    try:
        from PIL import Image, ImageDraw, ImageFont
    except ModuleNotFoundError:
        raise MissingExtraError("Pillow", "litert") from None
    return Image, ImageDraw, ImageFont
