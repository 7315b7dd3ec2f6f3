"""A source from a run: the student, or the agent that taught it."""

from __future__ import annotations

import dataclasses
from typing import Any

from edgekit.errors import InputError
from edgekit.export.source import Source
from edgekit.families.pearl.actor import Actor
from edgekit.families.pearl.family import FAMILY, FORMS, Recipe
from edgekit.families.pearl.fit import FILES
from edgekit.families.pearl.network import assemble, give_back
from edgekit.families.run import Run
from edgekit.families.trained import calibrated_source
from edgekit.train.checkpoint import load_weights


def source(run: Run, form: str | None = None) -> Source:
    """Return the network of `form`, the run's own unless another is asked for.

    Raises:
        InputError: not trained yet, no such form, or no student was taught.
    """
    config = _config(run, form)
    _, network = read_back(run, form)
    path = run.folder / FILES[config.form]
    whole = calibrated_source(run, network, config, (config.form, path))
    divided: Source = FAMILY.divide(whole, config)
    return divided


def read_back(run: Run, form: str | None = None) -> tuple[Actor, Any]:
    """Return the actor of a form, and the network of its layers that files are made of.

    Of its policy the mean was kept.

    Raises:
        InputError: see `source`.
    """
    config = _config(run, form)
    actor = Actor(config.observations, config.actions, config.of_form())
    network = assemble(actor)
    load_weights(network, run.folder / FILES[config.form])
    give_back(network, actor)
    return actor, network


def _config(run: Run, form: str | None) -> Recipe:
    config: Recipe = dataclasses.replace(run.config, form=form or run.config.form)
    if config.form == "student" and not config.rounds:
        raise InputError(f"{run.folder}: no student was taught", expected=f"--form {FORMS[0]}")
    return config
