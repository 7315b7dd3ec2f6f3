"""What is said of a learning curve."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("tensorflow")
sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

from meta_curve import rise


def test_a_rise_by_hand() -> None:
    """Thirds (0, 0) and (4, 6): means 0 and 5, squared standard errors 0 and 2 / 2."""
    assert rise(np.array([0.0, 0.0, 9.0, 9.0, 4.0, 6.0])) == pytest.approx((5.0, 2.0))
    assert rise(np.array([3.0])) == (0.0, 0.0)
