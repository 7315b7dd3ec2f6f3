"""Alignment of a Keras network's pixels: the same answers for the same pixels."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tf_keras as keras

from edgekit.errors import InputError
from edgekit.families.aligned import shift_inputs, whole_mean


def network(*, norm: bool) -> Any:
    image = keras.layers.Input((6, 6, 3), name="image")
    x = keras.layers.Conv2D(4, 3, use_bias=not norm, name="conv")(image)
    x = keras.layers.BatchNormalization(name="norm")(x) if norm else x
    made = keras.Model(image, x)
    for variable in made.variables:
        variable.assign(variable + np.random.default_rng(0).uniform(0.1, 1, variable.shape))
    return made


@pytest.mark.parametrize("norm", [False, True])
def test_answers_stay(norm: bool) -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (5, 6, 6, 3)).astype(np.float32)
    made = network(norm=norm)
    expected = made((pixels - 127.5) / 127.5).numpy()
    assert whole_mean(127.5) == 128
    shift_inputs(made, (128 - 127.5) / 127.5)
    assert made((pixels - 128) / 127.5).numpy() == pytest.approx(expected, rel=1e-4, abs=1e-5)


def test_another_reader_is_named() -> None:
    image = keras.layers.Input((6, 6, 3), name="image")
    made = keras.Model(image, keras.layers.ReLU(name="cut")(image))
    with pytest.raises(InputError, match="got cut reads them"):
        shift_inputs(made, 0.1)
