"""Presets build, and count what they say."""

from __future__ import annotations

import itertools

import pytest

pytest.importorskip("tensorflow")

from edgekit.families.bear import FAMILY


@pytest.mark.parametrize("name", FAMILY.presets)
def test_presets_count_what_they_say(name: str) -> None:
    """Dense layers: in x out and out more; the scalings at both ends are 2 (in + out) more."""
    preset = FAMILY.preset(name)
    c = preset.config
    widths = [c.observations, *c.student_units, c.actions]
    products = [one * other for one, other in itertools.pairwise(widths)]
    assert preset.madds == sum(products)
    assert preset.params == sum(products) + sum(widths[1:]) + 2 * (c.observations + c.actions)
    assert FAMILY.build(c).count_params() == preset.params
