"""A family's preset, built with random weights: for latency and size, not for answers."""

from __future__ import annotations

import dataclasses

import numpy as np
import tf_keras as keras

from edgekit.export.source import Source
from edgekit.families import family


def load(text: str, *, seed: int = 0) -> Source:
    """Return the network of `text`, as mobilenet_v2:1.0-224, with weights drawn by `seed`."""
    name, _, preset = text.partition(":")
    config = family(name).preset(preset).config
    keras.utils.set_random_seed(seed)
    network = family(name).build(config)
    spread_activations(network, seed)
    return Source(
        name=f"{name}-{preset}",
        model=network,
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


def spread_activations(network: keras.Model, seed: int) -> None:
    """Set the statistics of the batch norms from noise.

    With those of a new network a deep one answers the same to everything, and no comparison of its
    files would mean anything.
    """
    rng = np.random.default_rng(seed)
    noise = [rng.uniform(-1, 1, (8, *i.shape[1:])).astype(np.float32) for i in network.inputs]
    norms = [
        layer for layer in network.layers if isinstance(layer, keras.layers.BatchNormalization)
    ]
    momenta = [layer.momentum for layer in norms]
    for layer in norms:
        layer.momentum = 0.0
    network(noise if len(noise) > 1 else noise[0], training=True)
    for layer, momentum in zip(norms, momenta, strict=True):
        layer.momentum = momentum
