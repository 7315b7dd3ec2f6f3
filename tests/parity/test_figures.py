"""Parity figures against hand arithmetic."""

from __future__ import annotations

import json

import numpy as np
import pytest

from edgekit.parity import GATES, Gate, compare, cosine, figures, sqnr_db


def test_sqnr_by_hand() -> None:
    # signal 3^2 + 4^2 = 25, noise 0.5^2 = 0.25: 10 log10(100) = 20 dB
    assert sqnr_db(np.array([3.0, 4.0]), np.array([3.0, 4.5])) == pytest.approx(20.0)
    assert sqnr_db(np.array([3.0]), np.array([3.0])) == 999.0
    assert sqnr_db(np.array([0.0]), np.array([1.0])) == -999.0


def test_cosine_by_hand() -> None:
    assert cosine(np.array([1.0, 0.0]), np.array([1.0, 1.0])) == pytest.approx(2**-0.5)
    assert cosine(np.zeros(2), np.zeros(2)) == 1.0
    assert cosine(np.zeros(2), np.ones(2)) == 0.0


def test_float_gate_is_relative_to_the_largest_value() -> None:
    # largest |reference| 100: allowed is 1e-4 |r| + 1e-5 * 100, so 1e-3 at 0 and 1.1e-2 at 100
    reference = np.array([[0.0, 100.0]])
    assert compare("y", reference, np.array([[0.00099, 100.0109]]), GATES["f32"]).passed
    assert not compare("y", reference, np.array([[0.00101, 100.0]]), GATES["f32"]).passed
    assert not compare("y", reference, np.array([[0.0, 100.0111]]), GATES["f32"]).passed


def test_top1_agreement_counts_examples() -> None:
    reference = np.array([[0.1, 0.9], [0.8, 0.2], [0.3, 0.7], [0.6, 0.4]])
    answer = np.array([[0.2, 0.8], [0.4, 0.6], [0.1, 0.9], [0.9, 0.1]])
    assert compare("y", reference, answer, Gate()).top1_agreement == 0.75


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("scheme", GATES)
def test_not_a_number_never_passes(bad: float, scheme: str) -> None:
    reference = np.ones((2, 3))
    answer = reference.copy()
    answer[1, 2] = bad
    parity = compare("y", reference, answer, GATES[scheme])
    assert parity.non_finite == 1
    assert not parity.passed


def test_figures_are_json_even_where_the_file_answers_nan() -> None:
    parity = compare("y", np.ones((2, 3)), np.full((2, 3), np.nan), GATES["f32"])
    kept = json.loads(json.dumps(figures([parity]), allow_nan=False))
    assert kept["passed"] is False
    assert kept["outputs"][0]["max_error"] is None
    assert kept["outputs"][0]["non_finite"] == 6


def test_labels_are_compared_as_names() -> None:
    """One of 20 differs: by 19 or by 1 is the same. As one-hot vectors 20 of signal, 2 of noise."""
    reference = np.full((2, 10), 1, np.int32)
    for other in (0, 20):
        answer = reference.copy()
        answer[1, 3] = other
        found = compare("labels", reference, answer, GATES["w8a8"])
        assert found.passed
        assert (found.top1_agreement, found.cosine) == pytest.approx((0.95, 0.95))
        assert found.sqnr_db == pytest.approx(10)
        assert not compare("labels", reference, answer, GATES["f32"]).passed
    same = compare("labels", reference, reference, GATES["f32"])
    assert (same.passed, same.sqnr_db, same.max_error) == (True, 999.0, 0.0)
