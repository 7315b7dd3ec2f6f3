"""A family's preset, with published weights, or random ones for latency and size alone."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import tf_keras as keras

from edgekit.export.source import Source
from edgekit.families import Family, family


def load(
    text: str, *, seed: int = 0, weights: str | None = None, sha256: str | None = None
) -> Source:
    """Return the network of `text`, as mobilenet_v2:1.0-224.

    Args:
        text: FAMILY:PRESET.
        seed: of random weights, where none are given.
        weights: "imagenet" for the published ones, or a file.
        sha256: what that file must hash to.

    Raises:
        InputError: no such weights, or they do not fit.
        SetupError: they are not here and there is no network.
    """
    name, _, preset = text.partition(":")
    kind = family(name)
    config = kind.preset(preset).config
    return untrained(kind, config, f"{name}-{preset}", text, seed, weights, sha256)


def untrained(
    kind: Family, config: Any, name: str, text: str, seed: int = 0,
    weights: str | None = None, sha256: str | None = None,
) -> Source:  # fmt: skip
    """Return the network of a family's configuration, with published weights or random ones."""
    keras.utils.set_random_seed(seed)
    network = kind.build(config)
    remarks: tuple[str, ...] = ()
    provenance: dict[str, Any] = {"source": text, "config": dataclasses.asdict(config)}
    if weights is None:
        spread_activations(network, seed)
        provenance |= {"weights": "random", "seed": seed}
        remarks = (f"{text} has random weights: its speed and size are right, its answers are not",)
    else:
        found = kind.load_weights(network, config, weights, sha256)
        provenance |= {"weights": weights, "weights_sha256": found}
    source = Source(
        name=name,
        model=kind.finish(network, config),
        kind="tf_keras",
        provenance={**provenance, "keras_version": keras.__version__},
        remarks=remarks,
        integer=kind.build_integer(config),
        tail=kind.tail(network, config),
        signatures=kind.signatures,
        family=kind.name,
        task={"name": kind.task, **kind.describe(config)},
        mean=kind.mean,
        std=kind.std,
    )
    divided: Source = kind.divide(source, config)
    return divided


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
