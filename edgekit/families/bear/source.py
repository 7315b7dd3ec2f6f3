"""A source from a run: the student, or the agent with its noise as an input."""

from __future__ import annotations

import dataclasses

from edgekit.errors import InputError
from edgekit.export.source import Source
from edgekit.families.bear import FORMS
from edgekit.families.bear.fit import AGENT
from edgekit.families.bear.network import build
from edgekit.families.run import Run
from edgekit.families.trained import calibrated_source
from edgekit.train.checkpoint import load_weights


def source(run: Run, form: str | None = None) -> Source:
    """Return the network of `form`, the run's own unless another is asked for.

    Raises:
        InputError: not trained yet, no such form, or no student was taught.
    """
    config = dataclasses.replace(run.config, form=form or run.config.form)
    if config.form == "student" and not config.rounds:
        raise InputError(f"{run.folder}: no student was taught", expected=f"--form {FORMS[1]}")
    path = run.weights_path("float") if config.form == "student" else run.folder / AGENT
    network = build(config)
    load_weights(network, path)
    return calibrated_source(run, network, config, (config.form, path))
