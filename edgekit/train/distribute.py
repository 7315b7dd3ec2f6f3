"""Training on several devices or machines, by tf.distribute."""

from __future__ import annotations

import json
import os
from typing import Any

import tensorflow as tf
import tf_keras as keras

from edgekit.errors import InputError, SetupError
from edgekit.train import Shard


def choose_strategy(distributed: bool) -> Any:
    """Return the strategy: TF_CONFIG's workers, this machine's GPUs, or one device.

    Call it before any other use of TensorFlow: the workers meet here.

    Raises:
        InputError: TF_CONFIG is set and not what TensorFlow takes.
        SetupError: the workers do not find each other.
    """
    if not distributed:
        return tf.distribute.get_strategy()
    if "TF_CONFIG" not in os.environ:
        return tf.distribute.MirroredStrategy()
    try:
        config = json.loads(os.environ["TF_CONFIG"])
        config["cluster"]["worker"][config["task"]["index"]]
    except (ValueError, KeyError, IndexError, TypeError) as error:
        raise InputError(
            "TF_CONFIG",
            got=repr(error),
            expected='{"cluster": {"worker": ["host:port", ...]}, "task": {"type", "index"}}',
        ) from None
    try:
        return tf.distribute.MultiWorkerMirroredStrategy()
    except (tf.errors.OpError, RuntimeError, ValueError) as error:
        raise SetupError(
            "the workers do not meet", got=str(error)[:200], do="check TF_CONFIG and the ports"
        ) from None


def shard(strategy: Any) -> Shard:
    """Return which part of every global batch this worker feeds."""
    resolver = strategy.cluster_resolver
    workers = len(resolver.cluster_spec().as_dict().get("worker", [])) if resolver else 1
    index = resolver.task_id if resolver and workers > 1 else 0
    return Shard(index, max(workers, 1), strategy.num_replicas_in_sync // max(workers, 1))


def replicate(network: Any, strategy: Any) -> Any:
    """Return `network` under `strategy`, with batch norm over the global batch.

    Build the network outside the strategy's scope: inside, its random weights would be others.
    One worker alone takes this form too, so that it agrees with many: the fused batch norm of
    plain training keeps the unbiased variance, N / (N - 1) of the one that is kept here.
    """
    if strategy is tf.distribute.get_strategy():
        return network

    def clone(layer: Any) -> Any:
        config = layer.get_config()
        if isinstance(layer, keras.layers.BatchNormalization):
            config["synchronized"] = True
        return layer.__class__.from_config(config)

    with strategy.scope():
        copy = keras.models.clone_model(network, clone_function=clone)
        copy.set_weights(network.get_weights())
    return copy
