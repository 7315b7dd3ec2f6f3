"""Numbers as text."""

from __future__ import annotations

import pytest

from edgekit.report.numbers import counted, decibels, megabytes, millions, significant


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "?"), (0.0, "0.00"), (0.1234, "0.123"), (1.0, "1.00"), (9.999, "10.0"), (12.34, "12.3"),
     (123.4, "123"), (999.6, "1000"), (1234.5, "1230"), (123456.0, "123000")],
)  # fmt: skip
def test_significant(value: float | None, text: str) -> None:
    assert significant(value) == text


def test_units() -> None:
    assert megabytes(3_610_798) == "3.61"
    assert megabytes(None) == "?"
    assert millions(300_774_272) == "301"


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0"), (8, "8"), (999, "999"), (1000, "1.00 k"), (48_672, "48.7 k"), (999_960, "1.00 M"),
     (300_775_552, "301 M"), (2_740_709_056, "2.74 G")],
)  # fmt: skip
def test_counts_have_a_prefix(count: int, text: str) -> None:
    assert counted(count) == text


def test_decibels_of_equal_answers_are_no_number() -> None:
    assert decibels(24.46) == "24.5"
    assert decibels(24.46, " dB") == "24.5 dB"
    assert decibels(999.0, " dB") == "equal"
    assert decibels(-999.0, " dB") == "none"
