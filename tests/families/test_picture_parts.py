"""Which pictures teach and which validate."""

from __future__ import annotations

import numpy as np

from edgekit.families.pictures import held_out


def test_no_picture_does_both_unless_none_is_held_out() -> None:
    rest, chosen = held_out(50, 0.1, seed=3)
    assert (len(rest), len(chosen)) == (45, 5)
    np.testing.assert_array_equal(np.sort(np.concatenate([rest, chosen])), np.arange(50))
    assert (np.diff(rest) > 0).all()
    assert len(held_out(50, 0.001, seed=3)[1]) == 1  # a share that is asked for is never nothing
    assert chosen.tolist() != held_out(50, 0.1, seed=4)[1].tolist()
    for part in held_out(50, 0.0, seed=3):
        np.testing.assert_array_equal(part, np.arange(50))
