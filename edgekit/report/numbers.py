"""Numbers as text: three significant digits, and "?" for what is not known."""

from __future__ import annotations


def significant(value: float | None, digits: int = 3) -> str:
    """Return `value` with so many significant digits and no exponent from 0.0001 up."""
    if value is None:
        return "?"
    text = f"{value:#.{digits}g}"
    rounded = float(text)
    return f"{rounded:.0f}" if abs(rounded) >= 10**digits else text.rstrip(".")


def megabytes(size_bytes: int | None) -> str:
    """Return bytes as MB of 10^6."""
    return significant(None if size_bytes is None else size_bytes / 1e6)


def millions(count: float | None) -> str:
    """Return a count in millions."""
    return significant(None if count is None else count / 1e6)


def counted(count: int) -> str:
    """Return a count with a prefix where it is long: 12, 48.7 k, 301 M, 2.74 G."""
    for power, prefix in ((9, "G"), (6, "M"), (3, "k")):
        text = significant(count / 10**power)
        if float(text) >= 1:
            return f"{text} {prefix}"
    return str(count)


def decibels(ratio: float, unit: str = "") -> str:
    """Return a signal-to-noise ratio; one of 999 is that of equal answers, of -999 of none."""
    if abs(ratio) == 999:
        return "equal" if ratio > 0 else "none"
    return f"{ratio:.1f}{unit}"
