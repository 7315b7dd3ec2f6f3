"""A trained network back from its run."""

from __future__ import annotations

from typing import Any

from edgekit.errors import InputError
from edgekit.families import family
from edgekit.families.run import Run
from edgekit.quantize.qat import quantize_aware
from edgekit.train.checkpoint import load_weights


def rebuild(run: Run, phase: str = "float") -> Any:
    """Return the network of `run` with the best weights of "float" or "qat".

    Raises:
        InputError: the run has no such phase, or its weights are missing or damaged.
    """
    if phase == "qat" and not run.qat:
        raise InputError(
            f"{run.folder}: not trained quantization-aware", do="train again with --qat"
        )
    network = family(run.family).build(run.config)
    if phase == "qat":
        network = quantize_aware(network)
    load_weights(network, run.weights_path(phase))
    return network
