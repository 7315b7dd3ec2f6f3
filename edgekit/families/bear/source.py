"""A source from a run: the student, or the agent with its noise as an input."""

from __future__ import annotations

import dataclasses

from edgekit.errors import InputError
from edgekit.export.source import Source
from edgekit.families.bear import FAMILY, FORMS
from edgekit.families.bear.fit import AGENT, CALIBRATION
from edgekit.families.bear.network import build
from edgekit.families.run import Run
from edgekit.files import file_sha256
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
    return Source(
        name=f"{run.family}-{run.folder.resolve().name}",
        model=network,
        kind="tf_keras",
        provenance={
            "source": str(run.folder),
            "config": dataclasses.asdict(config),
            "training": dataclasses.asdict(run.options),
            "trained_on": run.data,
            "weights_sha256": {config.form: file_sha256(path)},
        },
        family=run.family,
        task={"name": FAMILY.task, **run.task},
        data=str(run.folder / CALIBRATION),
    )
