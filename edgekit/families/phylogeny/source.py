"""A source from a run: the network of its best weights, calibrated on simulated matrices."""

from __future__ import annotations

import dataclasses

from edgekit.export.source import Source
from edgekit.families.phylogeny import FAMILY
from edgekit.families.rebuild import rebuild
from edgekit.families.run import Run
from edgekit.families.trained import calibrated_source


def source(run: Run) -> Source:
    """Return the trained network.

    Raises:
        InputError: not trained yet.
    """
    network, weights = rebuild(run), run.weights_path("float")
    finished = FAMILY.finish(network, run.config)
    made = calibrated_source(run, finished, run.config, ("float", weights))
    return dataclasses.replace(made, tail=FAMILY.tail(network, run.config))
