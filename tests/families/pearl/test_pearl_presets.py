"""Presets build, count what they say, and know the sizes of their tasks."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

pytest.importorskip("tensorflow")

from edgekit.environments.tasks import tasks
from edgekit.families.pearl.family import FAMILY
from edgekit.families.pearl.presets import PRESETS


@pytest.mark.parametrize("name", FAMILY.presets)
def test_presets_count_what_they_say(name: str) -> None:
    """Dense layers: in x out and out more; the scales of actions at both ends are 4 A more."""
    found = FAMILY.preset(name)
    c = found.config
    small = c.form == "student"
    encoder = c.student_units if small else c.encoder_units
    policy = c.student_units if small else c.hidden_units
    seen = c.observations * (2 if c.next_state else 1) + c.actions + 1
    chains = ([seen, *encoder, 2 * c.latent], [c.observations + c.latent, *policy, c.actions])
    madds = sum(a * b for chain in chains for a, b in itertools.pairwise(chain))
    biases = sum(sum(chain[1:]) for chain in chains)
    assert (found.madds, found.params) == (madds, madds + biases + 4 * c.actions)
    assert FAMILY.build(c).count_params() == found.params


@pytest.mark.parametrize("name", FAMILY.presets)
def test_a_recipe_is_its_preset(name: str) -> None:
    recipe, preset = FAMILY.preset(name).config, PRESETS[name]
    for part in (preset.config, preset.plan):
        assert {k: getattr(recipe, k) for k in vars(part)} == vars(part)
    assert FAMILY.config(vars(recipe)) == recipe


@pytest.mark.parametrize("name", sorted({p.plan.tasks for p in PRESETS.values()}))
def test_sizes_are_those_of_the_environments(name: str) -> None:
    if name != "point-robot":
        pytest.importorskip("gymnasium")
        pytest.importorskip("mujoco")
    family = tasks(name)
    one = family.make(family.draw(1, np.random.default_rng(0)), 0)
    config = next(p.config for p in FAMILY.presets.values() if p.config.tasks == name)
    assert (one.observations, one.actions) == (config.observations, config.actions)
