"""Tables that fit 80 columns: text left, numbers right."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from edgekit.errors import one_line
from edgekit.quantize.scheme import SCHEMES
from edgekit.report.numbers import decibels

if TYPE_CHECKING:
    from rich.table import Table
    from rich.text import Text

    from edgekit.artifact import ModelFile


def table(
    headings: Sequence[str],
    rows: Iterable[Sequence[str | Text]],
    caption: str = "",
    text_columns: int = 1,
) -> Table:
    """Return a plain table; the first columns are text and may fold, the others are figures."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    def plain(cell: str | Text) -> Text:
        # A file's name may look like markup, or hold a newline.
        return Text(one_line(cell)) if isinstance(cell, str) else cell

    made = Table(box=SIMPLE_HEAD, caption_justify="left", pad_edge=False)
    made.caption = plain(caption) if caption else None
    for position, heading in enumerate(headings):
        text = position < text_columns
        made.add_column(
            plain(heading), justify="left" if text else "right", overflow="fold", no_wrap=not text
        )
    for row in rows:
        made.add_row(*map(plain, row))
    return made


def short_names(names: Sequence[str]) -> list[str]:
    """Return "SCHEME FORMAT" for the files NAME.SCHEME.FORMAT of one artifact, else the names."""
    parts = [name.rsplit(".", 2) for name in names]
    one_artifact = all(len(p) == 3 and p[1] in SCHEMES for p in parts)
    if one_artifact and len({p[0] for p in parts}) == 1:
        return [f"{scheme} {format}" for _, scheme, format in parts]
    return list(names)


def parity_cell(file: ModelFile) -> tuple[str, str, str | Text]:
    """Return SQNR, cosine and verdict of the worst output of `file`."""
    from rich.text import Text

    outputs = (file.parity or {}).get("outputs") or ()
    if not outputs:
        return "-", "-", "not compared"
    worst = min(outputs, key=lambda output: output["sqnr_db"])
    passed = bool(file.parity and file.parity["passed"])
    verdict = Text("ok", "green") if passed else Text("fails", "red")
    return decibels(worst["sqnr_db"]), f"{worst['cosine']:.5f}", verdict
