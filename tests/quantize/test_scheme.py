"""The grammar of schemes."""

from __future__ import annotations

import pytest

from edgekit.errors import InputError
from edgekit.quantize.scheme import SCHEMES, parse_scheme, parse_schemes


@pytest.mark.parametrize(
    ("name", "weights", "activations", "learned", "calibrated"),
    [
        ("f32", 32, None, False, False),
        ("f16", 16, None, False, False),
        ("w8", 8, None, False, False),
        ("w8a8", 8, 8, False, True),
        ("w8a16", 8, 16, False, True),
        ("qat-w8a8", 8, 8, True, False),
        ("mixed", 8, 8, False, True),
    ],
)
def test_what_a_name_says(
    name: str, weights: int, activations: int | None, learned: bool, calibrated: bool
) -> None:
    scheme = parse_scheme(name)
    assert (scheme.weight_bits, scheme.activation_bits) == (weights, activations)
    assert (scheme.learned, scheme.calibrated) == (learned, calibrated)


def test_every_scheme_is_tested_above() -> None:
    assert len(SCHEMES) == 7


@pytest.mark.parametrize("name", ["int8", "w4a8", "W8A8", "", "w8a8 ", "qat-f32", "w8a"])
def test_what_is_no_scheme(name: str) -> None:
    with pytest.raises(InputError, match="expected one of f32"):
        parse_scheme(name)


def test_a_list_keeps_its_order_and_drops_repeats() -> None:
    assert [s.name for s in parse_schemes("w8a8,f32,w8a8")] == ["w8a8", "f32"]
