"""Saturation, dead channels and spread, on arrays made here."""

from __future__ import annotations

import numpy as np
import pytest

from edgekit.parity.diagnosis import Written, diagnose
from edgekit.signature import TensorSpec

# int8 with scale 1 and zero point -128 holds 0 to 255
RELU = TensorSpec("x", (1, 20, 2), "int8", scale=1.0, zero_point=-128)


def column(*values: float) -> np.ndarray:
    """A tensor [1, 20, 2]: these values, then 100s, and a channel that counts up."""
    first = np.full(20, 100.0)
    first[: len(values)] = values
    return np.stack([first, np.arange(20.0) + 1], axis=-1)[np.newaxis]


def test_saturation_is_what_was_cut_off_alone() -> None:
    """Of 40 values two lie at the ends rightly, one is near enough, and one was beyond."""
    reference = column(0.0, 255.0, 255.4, 255.6)
    answer = column(0.0, 255.0, 255.0, 255.0)
    found = diagnose(reference, answer, Written(RELU))
    assert found.at_limits == pytest.approx(4 / 40)
    assert found.saturation == pytest.approx(1 / 40)
    assert found.findings == ("saturated",)
    found = diagnose(column(-0.4, -3.0), column(0.0, 0.0), Written(RELU))
    assert found.saturation == pytest.approx(1 / 40)


def test_floats_have_no_ends() -> None:
    found = diagnose(column(), column(), Written(TensorSpec("x", (1, 20, 2), "float32")))
    assert (found.at_limits, found.saturation) == (None, None)


def test_dead_channels_against_the_sources_own() -> None:
    alive, dead = column(1.0, 2.0), column()
    found = diagnose(alive, dead, Written())
    assert (found.channels, found.dead_channels, found.dead_in_source) == (2, 1, 0)
    assert found.findings == ("dead channels",)
    assert diagnose(dead, dead, Written()).findings == ()
    few = diagnose(alive[:, :15], dead[:, :15], Written())
    assert few.dead_channels is None, "too few values to tell"


@pytest.mark.parametrize(
    ("written", "findings"),
    [
        (Written(spread=100.0), ()),
        (Written(spread=100.1), ("channel spread",)),
        (Written(spread=float("inf")), ("channel spread",)),
        (Written(one_scale=True), ("one depthwise scale",)),
    ],
)
def test_weight_scales(written: Written, findings: tuple[str, ...]) -> None:
    found = diagnose(column(1.0), column(1.0), written)
    assert found.findings == findings
    assert found.channel_spread is None or np.isfinite(found.channel_spread)
