"""Arrays as the tensors that a spec describes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from edgekit.errors import InputError
from edgekit.signature import TensorSpec
from edgekit.tasks.arrays import Values
from edgekit.tasks.tensors import encode

TOKENS = TensorSpec("tokens", (1, 4), "int32")
PICTURE = TensorSpec("image", (1, 3, 2, 2), "int8", 0.5, -1, "NCHW", (10.0,), (2.0,))


def test_tokens_go_in_as_they_are() -> None:
    found = encode(Values("a.npy", np.arange(8, dtype=np.int64).reshape(2, 4)), TOKENS, {})
    assert (found.dtype, found.tolist()) == (np.int32, [[0, 1, 2, 3], [4, 5, 6, 7]])


@pytest.mark.parametrize(
    ("array", "line"),
    [
        (np.array([[1, 2, 3, 2**31]]), "a.npy: input tokens: got numbers from 1 to 2147483648"),
        (np.array([[1.0, 2.0, 3.0, 4.0]]), "does not fit: got float64 [1, 4], expected int32 [N"),
        (np.array([[1, 2, 3]]), "does not fit: got int64 [1, 3]"),
    ],
)
def test_no_token_becomes_another(array: Any, line: str) -> None:
    with pytest.raises(InputError) as error:
        encode(Values("a.npy", array), TOKENS, {})
    assert line in str(error.value)


def test_bytes_are_pixels_and_channels_move_to_where_the_file_has_them() -> None:
    """By hand: (pixel - 10) / 2 in steps of a half around -1."""
    pixels = np.arange(12, dtype=np.uint8).reshape(1, 2, 2, 3)
    found = encode(Values("a.npy", pixels), PICTURE, {})
    assert found.dtype == np.int8
    assert found.tolist() == (pixels.astype(int) - 11).transpose(0, 3, 1, 2).tolist()


def test_real_values_are_only_quantized() -> None:
    values = np.full((2, 2, 3), 4.0, np.float32)  # one example
    assert (
        encode(Values("a.npy", values), PICTURE, {}).tolist() == np.full((1, 3, 2, 2), 7).tolist()
    )
