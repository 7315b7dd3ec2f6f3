"""A source from a run whose weights Keras keeps: the usual one."""

from __future__ import annotations

import dataclasses

from edgekit.export.source import Source
from edgekit.families import family
from edgekit.families.rebuild import rebuild
from edgekit.families.run import Run
from edgekit.files import file_sha256


def source(run: Run) -> Source:
    """Return the network of the run's best weights, and the fake-quantized one if it has one.

    Raises:
        InputError: not trained yet.
    """
    model = rebuild(run)
    weights = {"float": file_sha256(run.weights_path("float"))}
    learned = None
    if run.qat:
        learned = rebuild(run, "qat")
        weights["qat"] = file_sha256(run.weights_path("qat"))
    return Source(
        name=f"{run.family}-{run.folder.resolve().name}",
        model=model,
        kind="tf_keras",
        provenance={
            "source": str(run.folder),
            "config": dataclasses.asdict(run.config),
            "training": dataclasses.asdict(run.options),
            "weights": run.weights,  # what it started from, or was derived from
            "trained_on": run.data or None,
            "weights_sha256": weights,
        },
        learned=learned,
        family=run.family,
        task={"name": family(run.family).task_of(run.config)}
        | ({"labels": list(run.classes)} if run.classes else {}),
        mean=tuple(run.input["mean"]),
        std=tuple(run.input["std"]),
        data=run.data or None,
    )
