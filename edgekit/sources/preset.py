"""A family's preset, built with random weights: for latency and size, not for answers."""

from __future__ import annotations

import dataclasses

import tf_keras as keras

from edgekit.export.source import Source
from edgekit.families import family


def load(text: str, *, seed: int = 0) -> Source:
    """Return the network of `text`, as mobilenet_v2:1.0-224, with weights drawn by `seed`."""
    name, _, preset = text.partition(":")
    config = family(name).preset(preset).config
    keras.utils.set_random_seed(seed)
    return Source(
        name=f"{name}-{preset}",
        model=family(name).build(config),
        kind="tf_keras",
        provenance={
            "source": text,
            "config": dataclasses.asdict(config),
            "weights": "random",
            "seed": seed,
            "keras_version": keras.__version__,
        },
        family=name,
        task={"name": family(name).task},
        mean=(127.5,),
        std=(127.5,),
        remarks=(f"{text} has random weights: its speed and size are right, its answers are not",),
    )
