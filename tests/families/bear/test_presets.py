"""Presets build, and count what they say."""

from __future__ import annotations

import pytest

pytest.importorskip("tensorflow")

from edgekit.families.bear import FAMILY  # noqa: E402
from edgekit.profile.keras import read_keras  # noqa: E402
from edgekit.profile.summary import summarize  # noqa: E402


@pytest.mark.parametrize("name", FAMILY.presets)
def test_presets_count_what_they_say(name: str) -> None:
    """Dense layers: in x out and out more; the scalings at both ends are 2 (in + out) more."""
    preset = FAMILY.preset(name)
    c = preset.config
    widths = [c.observations, *c.student_units, c.actions]
    products = [one * other for one, other in zip(widths, widths[1:], strict=False)]
    assert preset.madds == sum(products)
    assert preset.params == sum(products) + sum(widths[1:]) + 2 * (c.observations + c.actions)
    network = FAMILY.build(c)
    assert network.count_params() == preset.params
    assert summarize(read_keras(network, {})).madds == preset.madds
