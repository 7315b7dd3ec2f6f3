"""A source from a run: the network of its best weights, calibrated on simulated matrices."""

from __future__ import annotations

import dataclasses

from edgekit.export.source import Source
from edgekit.families.phylogeny import FAMILY
from edgekit.families.phylogeny.fit import CALIBRATION
from edgekit.families.rebuild import rebuild
from edgekit.families.run import Run
from edgekit.files import file_sha256


def source(run: Run) -> Source:
    """Return the trained network.

    Raises:
        InputError: not trained yet.
    """
    network = rebuild(run)
    return Source(
        name=f"{run.family}-{run.folder.resolve().name}",
        model=FAMILY.finish(network, run.config),
        kind="tf_keras",
        provenance={
            "source": str(run.folder),
            "config": dataclasses.asdict(run.config),
            "training": dataclasses.asdict(run.options),
            "trained_on": run.data,
            "weights_sha256": {"float": file_sha256(run.weights_path("float"))},
        },
        tail=FAMILY.tail(network, run.config),
        family=run.family,
        task={"name": FAMILY.task, **run.task},
        data=str(run.folder / CALIBRATION),
    )
