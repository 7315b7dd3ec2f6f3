"""Parity of boxes by hand: order does not matter, what is found does."""

from __future__ import annotations

import numpy as np
import pytest

from edgekit.parity import GATES
from edgekit.parity.answers import compare_all


def found(*rows: tuple[tuple[float, ...], int, float], room: int = 4) -> dict[str, np.ndarray]:
    """Return one example's answer."""
    answer = {
        "boxes": np.zeros((1, room, 4), np.float32),
        "classes": np.zeros((1, room), np.float32),
        "scores": np.zeros((1, room), np.float32),
        "count": np.array([len(rows)], np.float32),
    }
    for number, (box, index, score) in enumerate(rows):
        answer["boxes"][0, number] = box
        answer["classes"][0, number], answer["scores"][0, number] = index, score
    return answer


A, B = (0.0, 0.0, 0.4, 0.4), (0.5, 0.5, 1.0, 1.0)
REFERENCE = found((A, 1, 0.9), (B, 2, 0.8), (B, 0, 0.1))


@pytest.mark.parametrize(
    ("answer", "share"),
    [
        (REFERENCE, 1.0),
        (found((B, 2, 0.91), (A, 1, 0.85)), 1.0),  # in another order, the weak one left out
        (found((A, 1, 0.9), (B, 2, 0.2)), 1.0),  # found, if below what is shown
        (found((A, 1, 0.9), (B, 1, 0.8)), 0.5),  # another class: not found on either side
        (found((A, 1, 0.9)), 2 / 3),
        (found(), 0.0),
        (found(((0.0, 0.0, 0.4, 0.25), 1, 0.9), (B, 2, 0.8)), 1.0),  # overlaps by 0.625
        (found(((0.0, 0.0, 0.4, 0.15), 1, 0.9), (B, 2, 0.8)), 0.5),  # by 0.375
    ],
)
def test_agreement_by_hand(answer: dict[str, np.ndarray], share: float) -> None:
    (parity,) = compare_all(REFERENCE, answer, GATES["w8a8"])
    assert parity.top1_agreement == pytest.approx(share)
    assert parity.passed == (share >= 0.95)


def test_score_differences_are_told() -> None:
    (parity,) = compare_all(REFERENCE, found((B, 2, 0.75), (A, 1, 0.9)), GATES["f32"])
    assert parity.max_error == pytest.approx(0.05)
    assert "agreement" in parity.gate


def test_nothing_shown_is_no_disagreement_but_nan_is() -> None:
    weak = found((A, 1, 0.1))
    assert compare_all(weak, found(), GATES["f32"])[0].passed
    broken = {**weak, "scores": np.full((1, 4), np.nan)}
    (parity,) = compare_all(weak, broken, GATES["f32"])
    assert (parity.passed, parity.non_finite, parity.max_error) == (False, 4, None)
