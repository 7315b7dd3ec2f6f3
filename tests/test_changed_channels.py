"""Channels as the source has them, against arithmetic by hand."""

from __future__ import annotations

import numpy as np
import pytest

from edgekit.changed_channels import undo

# Of four channels the second is 9 and was pruned; to the others 1, 2 and 3 were added, then each
# doubled; the last of them was made twice.
SOURCE = np.arange(2 * 5 * 3 * 4, dtype=float).reshape(2, 5, 3, 4)
SOURCE[..., 1] = 9
ADDED = np.array([1.0, 2, 3])
LEFT = 2 * (SOURCE[..., [0, 2, 3]] + ADDED)
FILE = np.concatenate([LEFT, LEFT[..., 2:] + 0.5], axis=-1)
CHANGES = {
    "copies": {"t": np.array([2])},
    "factors": {"t": np.full(3, 2.0)},
    "shifts": {"t": ADDED},
    "constants": {"t": np.array([np.nan, 9, np.nan, np.nan])},
}


@pytest.mark.parametrize("of_onnx", [False, True])
def test_all_at_once(of_onnx: bool) -> None:
    given = np.moveaxis(FILE, -1, 1) if of_onnx else FILE
    expected = np.moveaxis(SOURCE, -1, 1) if of_onnx else SOURCE
    others = {"other": np.ones((2, 7)), "t_dequantized": given}
    found = undo({"t": given, **others}, **CHANGES, of_onnx=of_onnx)
    assert (found.pop("t") == expected).all()
    assert {*found} == {*others}
    assert all(found[name] is others[name] for name in others)


def test_what_an_onnx_calls_it_before_and_after_it_is_rounded() -> None:
    names = ("t_prequant", "t_dequant", "t_prequant__28_DequantizeLinear__158:0")
    found = undo(dict.fromkeys(names, FILE), **CHANGES, of_onnx=True)
    assert all((found[name] == SOURCE).all() for name in names)
    assert all(value is FILE for value in undo(dict.fromkeys(names, FILE), **CHANGES).values())


def test_each_alone() -> None:
    none = {kind: {} for kind in CHANGES}
    tensor = np.array([[1.0, 2, 3, 4]])
    cases = {"copies": [1, 2, 3], "factors": [1, 1, 1.5, 1], "shifts": [0, 0, 1, 2]}
    values = {"copies": [0], "factors": [1, 2, 2, 4], "shifts": [1, 2, 2, 2]}
    for kind, expected in cases.items():
        changes = {**none, kind: {"t": np.array(values[kind], float)}}
        assert undo({"t": tensor}, **changes)["t"].tolist() == [expected]


def test_maps_of_an_onnx_that_have_channels_last() -> None:
    assert (undo({"t": FILE}, **CHANGES, of_onnx=True)["t"] == SOURCE).all()


def test_other_channels_are_left_out() -> None:
    assert undo({"t": FILE[..., :3]}, **CHANGES) == {}
