"""A training run: the network of its best weights, and the fake-quantized one if it has one."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from edgekit.export.source import Source
from edgekit.families import family
from edgekit.families.rebuild import rebuild
from edgekit.families.run import open_run
from edgekit.files import file_sha256
from edgekit.sources.weights import check_finite, keras_weights


def load(text: str) -> Source:
    """Rebuild what the run in folder `text` trained.

    Raises:
        InputError: not a run, not trained yet, or with weights that are no numbers.
    """
    run = open_run(text)
    kind = family(run.family)
    model = rebuild(run)
    check_finite(keras_weights(model), text)
    weights = {"float": file_sha256(run.weights_path("float"))}
    learned = None
    if run.qat:
        learned = rebuild(run, "qat")
        weights["qat"] = file_sha256(run.weights_path("qat"))
    return Source(
        name=f"{run.family}-{Path(text).resolve().name}",
        model=model,
        kind="tf_keras",
        provenance={
            "source": text,
            "config": dataclasses.asdict(run.config),
            "training": dataclasses.asdict(run.options),
            "weights": run.weights,  # what it started from, or was derived from
            "trained_on": run.data or None,
            "weights_sha256": weights,
        },
        learned=learned,
        family=run.family,
        task={"name": kind.task_of(run.config)}
        | ({"labels": list(run.classes)} if run.classes else {}),
        mean=tuple(run.input["mean"]),
        std=tuple(run.input["std"]),
        data=run.data or None,
    )
