"""Sources from runs whose weights Keras keeps."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from edgekit.export.source import Source
from edgekit.families import family
from edgekit.families.rebuild import rebuild
from edgekit.families.run import CALIBRATION, Run, task_parameters
from edgekit.files import file_sha256


def source(run: Run, **dial: Any) -> Source:
    """Return the network of the run's best weights, and the fake-quantized one if it has one.

    Args:
        run: trained.
        dial: fields of the configuration that shall be others than while training.

    Raises:
        InputError: not trained yet, or a field makes no network.
    """
    changed = {name: value for name, value in dial.items() if value is not None}
    run = dataclasses.replace(run, config=dataclasses.replace(run.config, **changed))
    kind = family(run.family)
    network = rebuild(run)
    weights = {"float": file_sha256(run.weights_path("float"))}
    learned = None
    if run.qat:
        learned = kind.finish(rebuild(run, "qat"), run.config)
        weights["qat"] = file_sha256(run.weights_path("qat"))
    return Source(
        name=f"{run.family}-{run.folder.resolve().name}",
        model=kind.finish(network, run.config),
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
        tail=kind.tail(network, run.config),
        family=run.family,
        task=task_parameters(run),
        mean=tuple(run.input["mean"]),
        std=tuple(run.input["std"]),
        data=run.data or None,
    )


def calibrated_source(run: Run, network: Any, config: Any, weights: tuple[str, Path]) -> Source:
    """Return a network of a run that keeps by itself what calibrates it.

    Args:
        run: trained.
        network: with its weights.
        config: of the network, where that is not quite the run's.
        weights: what they are called, as "float" or "student", and their file.
    """
    name, path = weights
    return Source(
        name=f"{run.family}-{run.folder.resolve().name}",
        model=network,
        kind="tf_keras",
        provenance={
            "source": str(run.folder),
            "config": dataclasses.asdict(config),
            "training": dataclasses.asdict(run.options),
            "trained_on": run.data,
            "weights_sha256": {name: file_sha256(path)},
        },
        family=run.family,
        task={"name": family(run.family).task, **run.task},
        data=str(run.folder / CALIBRATION),
    )
