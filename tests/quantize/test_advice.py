"""Doubts about calibration data, against hand arithmetic."""

from __future__ import annotations

import numpy as np
import pytest

from edgekit.quantize.advice import advise, check_input, range_growth, same_samples
from edgekit.signature import TensorSpec


def picture(mean: float = 127.5, std: float = 127.5) -> TensorSpec:
    return TensorSpec("image", (1, 8, 8, 3), "float32", layout="NHWC", mean=(mean,), std=(std,))


def test_growth_by_hand() -> None:
    """Samples 0 and 2 reach from -1 to 3, samples 1 and 3 from 0 to 4; all of them -1 to 4."""
    low = np.array([[-1.0], [0.0], [0.0], [0.0]])
    high = np.array([[1.0], [4.0], [3.0], [2.0]])
    np.testing.assert_allclose(range_growth(low, high), [5 / ((4 + 4) / 2) - 1])


def test_growth_where_there_is_no_range() -> None:
    low, high = np.zeros((4, 2)), np.zeros((4, 2))
    np.testing.assert_array_equal(range_growth(low, high), [0, 0])
    low[::2, 1] = high[::2, 1] = 1.0  # every second sample is all ones, the others all zeros
    np.testing.assert_array_equal(range_growth(low, high), [0, np.inf])
    np.testing.assert_array_equal(range_growth(low[:1], high[:1]), [0, 0])


def test_sorted_samples_do_not_look_like_growth() -> None:
    """Class by class: the first half never sees what the second does, every second one does."""
    high = np.repeat([[1.0], [2.0], [3.0], [4.0]], 50, axis=0)
    assert advise(np.zeros_like(high), high, ["t"]) == []


def test_remarks_name_the_worst_first() -> None:
    low = np.zeros((100, 3))
    high = np.ones((100, 3))
    high[0] = 1.0, 1.2, 1.6  # one half reaches 1.2 or 1.6, the other 1: 9.1% and 23.1% of growth
    (remark,) = advise(low, high, ["a", "b", "c"])
    assert (remark.kind, remark.tensors) == ("growing range", ("c", "b"))
    assert remark.figure == pytest.approx(1.6 / 1.3 - 1)
    assert "2 of 3 ranges still grow, got c 23.1% wider" in str(remark)
    assert advise(low, high, ["a", "b", "c"], growth=0.25) == []


def test_few_samples() -> None:
    (remark,) = advise(np.zeros((99, 1)), np.ones((99, 1)), ["t"])
    assert (remark.kind, remark.figure, remark.limit) == ("few samples", 99, 100)
    assert advise(np.zeros((100, 1)), np.ones((100, 1)), ["t"]) == []


def test_samples_that_are_all_alike() -> None:
    low, high = np.zeros((20, 2)), np.ones((20, 2))
    (remark,) = same_samples(low, high)
    assert "all 20 samples give the same ranges" in str(remark)
    high[3, 1] = 2
    assert not [*same_samples(low, high), *same_samples(low[:1], high[:1])]


@pytest.mark.parametrize("shape", [(0, 1), (4, 2), (4,)])
def test_wrong_shapes(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="expected"):
        advise(np.zeros(shape), np.zeros(shape), ["t"])


def test_not_a_number() -> None:
    with pytest.raises(ValueError, match="NaN"):
        advise(np.full((2, 1), np.nan), np.ones((2, 1)), ["t"])


@pytest.mark.parametrize(
    ("low", "high", "spec", "said"),
    [
        (0.0, 255.0, picture(), "look like pixels as they are, 0 to 255"),
        (0.0, 1.0, picture(), "look like pixels over 255"),
        (-2.1, 2.6, picture(), "look like pixels less ImageNet's mean"),
        (-1.0, 1.0, picture(0, 255), "look like pixels from -1 to 1"),
        (-1.0, 1.0, picture(0, 1), "look like pixels from -1 to 1"),
        (0.0, 1.0, picture(0, 1), "look like pixels over 255"),
        (-1.0, 1.0, picture(118, 58), "look like pixels from -1 to 1"),
        (40.0, 41.0, picture(), "give --mean and --std"),
    ],
)
def test_wrong_preprocessing(low: float, high: float, spec: TensorSpec, said: str) -> None:
    (remark,) = check_input(spec, np.array([low, low]), np.array([high, (low + high) / 2]))
    assert remark.kind == "preprocessing"
    assert said in str(remark)
    assert "\n" not in str(remark)


def test_right_preprocessing() -> None:
    for low, high, spec in [
        (-1.0, 1.0, picture()),
        (-0.9, 0.4, picture()),  # dim photographs: 65% of the range
        (0.0, 255.0, picture(0, 1)),
        (-2.0, 2.3, picture(118, 58)),
    ]:
        assert check_input(spec, np.array([low]), np.array([high])) == []
    bare = TensorSpec("x", (1, 4), "float32")
    assert check_input(bare, np.array([0.0]), np.array([255.0])) == []


def test_real_photographs(shared_data) -> None:  # type: ignore[no-untyped-def]
    """Those of the two photograph sets pass as declared, and fail as raw pixels."""
    from edgekit.quantize.calibration import open_calibration

    spec = TensorSpec(
        "image", (1, 96, 96, 3), "float32", layout="NHWC", mean=(127.5,), std=(127.5,)
    )
    for folder in ("raccoon/images", "bccd/BCCD/JPEGImages"):
        values = [e["image"] for e in open_calibration(shared_data / folder, [spec], 20)]
        low, high = (np.array([f(v) for v in values]) for f in (np.min, np.max))
        assert check_input(spec, low, high) == []
        (remark,) = check_input(spec, low * 127.5 + 127.5, high * 127.5 + 127.5)
        assert "0 to 255" in str(remark)
