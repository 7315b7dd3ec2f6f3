"""Numbers as text: three significant digits, and "?" for what is not known."""

from __future__ import annotations

from edgekit.errors import InputError


def significant(value: float | None, digits: int = 3) -> str:
    """Return `value` with so many significant digits and no exponent below a million."""
    if value is None:
        return "?"
    text = f"{value:#.{digits}g}"
    return f"{float(text):.0f}" if abs(value) >= 10**digits else text.rstrip(".")


def megabytes(size_bytes: int | None) -> str:
    """Return bytes as MB of 10^6."""
    return significant(None if size_bytes is None else size_bytes / 1e6)


def parse_share(option: str, text: str) -> float:
    """Return 0.05 for "5%" and for "0.05".

    Raises:
        InputError: not a number of 0 or more.
    """
    try:
        share = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    except ValueError:
        share = -1.0
    if not 0 <= share < float("inf"):
        raise InputError(option, got=text, expected="a share, as 5% or 0.05")
    return share
