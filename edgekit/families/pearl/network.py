"""What is exported: a device infers the task from what it lives through, by three functions.

`encode` says what a transition tells, `fuse` draws z from the sum of what was told, `act` acts. The
sum is the caller's, in float32 whatever the scheme, and of fixed size. Noise is an input, so that
runtimes can be compared bit by bit. Observations and actions are in the environment's own units.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf
import tf_keras as keras

from edgekit.agents.networks import Affine
from edgekit.export.source import Source
from edgekit.export.source import divide as divide_source
from edgekit.families.pearl.actor import Actor
from edgekit.families.pearl.encoder import draw, natural
from edgekit.families.pearl.family import Recipe

ENCODE, FUSE, ACT = "encode", "fuse", "act"
# What the encoder says of a transition, before natural parameters are made of it. Apart, as they
# have no eight bits in common: softplus takes its input down to -20, means stay within a few units.
HALVES = ("mean", "weight")


def build(config: Recipe) -> Any:
    """Return the untrained network of `config.form`."""
    return assemble(Actor(config.observations, config.actions, config.of_form()))


def assemble(actor: Actor, limit: Any = None) -> Any:
    """Return a network of the actor's own layers, with all inputs and outputs of `divide`'s parts.

    Args:
        actor: whose encoder and policy it has.
        limit: of actions, `[A]`; 1 where not given.
    """
    c, z = actor.config, actor.config.latent
    widths = {"observation": actor.observations, "action": actor.actions, "reward": 1,
              "next_observation": actor.observations, "precision": z, "precision_mean": z,
              "noise": z, "z": z}  # fmt: skip
    if not c.next_state:
        del widths["next_observation"]
    inputs = {name: keras.Input((width,), name=name) for name, width in widths.items()}
    parts = _encode(actor), _natural(z, c.factors), _fuse(z, c.factors), _act(actor)
    encode, natural, fuse, act = parts

    def answer(part: Any) -> Any:
        return part([inputs[tensor.name] for tensor in part.inputs])

    told = answer(encode)
    outputs = {**natural([told[name] for name in HALVES]), **answer(fuse), **answer(act)}
    network = keras.Model(list(inputs.values()), outputs, name="pearl")
    if limit is not None:
        _set_scale(encode.get_layer("unscaled"), 1.0 / np.asarray(limit, np.float32))
        _set_scale(act.get_layer("scaled"), np.asarray(limit, np.float32))
    return network


def give_back(network: Any, actor: Actor) -> None:
    """Give the actor what `assemble` copied from it: the encoder's last layer, of two halves."""
    encode = network.get_layer(ENCODE)
    halves = [encode.get_layer(f"encoder_{name}").get_weights() for name in HALVES]
    whole = [np.concatenate(parts, axis=-1) for parts in zip(*halves, strict=True)]
    actor.encoder.get_layer("encoder_raw").set_weights(whole)


def divide(source: Source, config: Recipe) -> Source:
    """Return a source of `build`'s network with its three entry points.

    Natural parameters are made in float whatever the scheme, and z is: in 8 bits the sum of many
    small precisions would be none at all.
    """
    encode, fuse, act = (source.model.get_layer(name) for name in (ENCODE, FUSE, ACT))

    def natural(format: str) -> Any:
        return _natural(config.latent, config.factors)

    return divide_source(source, {
        ENCODE: {"model": encode, "tail": natural},
        FUSE: {"model": fuse, "in_float": True},
        ACT: {"model": act},
    })  # fmt: skip


def _encode(actor: Actor) -> Any:
    """Return the network from one transition to what natural parameters are made of, `[N, Z]`s."""
    o, a = actor.observations, actor.actions
    seen, done = keras.Input((o,), name="observation"), keras.Input((a,), name="action")
    inputs = [seen, done, keras.Input((1,), name="reward")]
    if actor.config.next_state:
        inputs.append(keras.Input((o,), name="next_observation"))
    within = [seen, Affine(a, name="unscaled")(done), *inputs[2:]]
    encoder = actor.encoder
    raw = encoder.get_layer("encoder_raw")
    hidden = keras.Model(encoder.input, raw.input, name="encoder")
    x = hidden(keras.layers.Concatenate(name="transition")(within))
    halves = {}
    for number, name in enumerate(HALVES):
        half = keras.layers.Dense(raw.units // 2, name=f"encoder_{name}")
        halves[name] = half(x)
        half.set_weights([np.split(w, 2, axis=-1)[number] for w in raw.get_weights()])
    return keras.Model(inputs, halves, name=ENCODE)


def _natural(latent: int, factors: str) -> Any:
    halves = [keras.Input((latent,), name=name) for name in HALVES]
    precision, weighted = Natural(factors, name="natural")(halves)
    return keras.Model(halves, {"precision": precision, "precision_mean": weighted}, name="natural")


def _fuse(latent: int, factors: str) -> Any:
    """Return the network from sums of natural parameters and noise to z, `[N, Z]` each."""
    inputs = [keras.Input((latent,), name=n) for n in ("precision", "precision_mean", "noise")]
    return keras.Model(inputs, {"z": Drawn(factors, name="drawn")(inputs)}, name=FUSE)


def _act(actor: Actor) -> Any:
    """Return the network from a state and z to the policy's mean action, `[N, A]`."""
    inputs = [keras.Input((actor.observations,), name="observation"),
              keras.Input((actor.config.latent,), name="z")]  # fmt: skip
    policy = actor.policy
    mean = keras.Model(policy.input, policy.get_layer("policy_mean").output, name="policy")
    x = mean(keras.layers.Concatenate(name="state")(inputs))
    x = keras.layers.Activation("tanh", name="squashed")(x)
    return keras.Model(inputs, {"action": Affine(actor.actions, name="scaled")(x)}, name=ACT)


class Natural(keras.layers.Layer):  # type: ignore[misc]
    """Means and raw weights to natural parameters; see `natural`."""

    def __init__(self, factors: str, **rest: Any) -> None:
        super().__init__(**rest)
        self.factors = factors

    def call(self, halves: Any) -> tuple[Any, Any]:
        """Return the parameters."""
        mean, raw = halves
        return natural(mean, raw, self.factors, softplus)


def softplus(x: Any) -> Any:
    """Return log(1 + e^x), in float32 to a millionth of small results too.

    Files have no log1p. A logarithm of 1 + e^x has lost what e^x loses when 1 is added to it, and
    XNNPACK's is another digit short near 1: of a thousandth, which many transitions weigh, four
    digits were left. So log(1 + u) is taken as 4 artanh(u / (1 + sqrt(1 + u))^2), whose argument is
    at most .172, and artanh as s (15 - 4 s^2) / (15 - 9 s^2), its Pade approximant.
    """
    small = tf.exp(-tf.abs(x))
    s = small / tf.square(tf.sqrt(small + 1.0) + 1.0)
    return tf.nn.relu(x) + s * (16 / 9 + (100 / 27) / (5 / 3 - tf.square(s)))


class Drawn(keras.layers.Layer):  # type: ignore[misc]
    """z by noise, of the posterior that sums of natural parameters describe."""

    def __init__(self, factors: str, **rest: Any) -> None:
        super().__init__(**rest)
        self.factors = factors

    def call(self, inputs: Any) -> Any:
        """Return z."""
        precision, weighted, noise = inputs
        return draw(precision, weighted, noise, self.factors)


def _set_scale(layer: Any, scale: Any) -> None:
    layer.set_weights([scale, np.zeros_like(scale)])
