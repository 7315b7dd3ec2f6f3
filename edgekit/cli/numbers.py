"""Numbers that a person types."""

from __future__ import annotations

from edgekit.errors import InputError


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
