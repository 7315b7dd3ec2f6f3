"""Training of the pointer network: orders are sampled, those that cost less made likelier."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf
import tf_keras as keras

from edgekit.families.phylogeny.data import Simulated, TrainingData
from edgekit.families.phylogeny.pointer import actor_and_critic, policy_gradient
from edgekit.families.phylogeny.simulation import Bits
from edgekit.families.run import Run, write_run
from edgekit.tasks.matrices.perfect import conflict_free
from edgekit.train import Shard
from edgekit.train.loop import Phase, Predict, train

_CHUNK = 200  # matrices of an evaluation at a time
ORDERS = 128  # that the paper samples for a matrix


@dataclass(frozen=True, eq=False)
class Orders:
    """Matrices with the Gumbel noise that samples an order of each (Maddison et al. 2014).

    The noise is a function of seed, epoch and step, so that a resumed run samples the same orders.
    """

    drawn: TrainingData

    @property
    def steps(self) -> int:
        """Full global batches in an epoch."""
        return self.drawn.steps

    def batches(self, epoch: int, first_step: int, part: Shard) -> Any:
        """Return ((matrices, noise), truth), one element a replica and step."""
        c = self.drawn.config
        shape = (c.flips, c.rows * c.columns)

        def with_noise(number: Any, batch: Any) -> Any:
            seen, truth = batch
            own = tf.cast(number, tf.int32) * part.count + part.index
            seed = tf.stack([self.drawn.seed + (epoch << 20), own])
            uniform = tf.random.stateless_uniform((tf.shape(seen)[0], *shape), seed, 1e-7, 1.0)
            return (seen, -tf.math.log(-tf.math.log(uniform))), truth

        batches = self.drawn.batches(epoch, first_step, part)
        return batches.enumerate(first_step * part.replicas).map(with_noise)


def train_policy(
    run: Run, network: Any, drawn: TrainingData, parts: Mapping[str, Simulated], *,
    strategy: Any, resume: bool,
) -> Run:  # fmt: skip
    """Train the pointer network and its critic; keep the network's weights in the run.

    Raises:
        CheckFailedError: training diverged.
    """
    model = actor_and_critic(network, run.config)
    phase = Phase("float", run.folder, run.weights_path("float"), watch="reward", network=network)
    write_run(run)

    def judge(predict: Predict) -> Mapping[str, float]:
        return {"reward": -score_orders(network, parts["validation"])["cost"]}

    best = train(model, policy_gradient, Orders(drawn), judge, run.options, phase,
                 resume=resume, strategy=strategy)  # fmt: skip
    run = replace(run, best={"float": best}, test={"float": score_orders(network, parts["test"])})
    write_run(run)
    return run


def score_orders(network: Any, data: Simulated) -> dict[str, float]:
    """Return the mean cost of the likeliest orders, and the share that ends without a conflict."""
    whole = keras.Model(network.inputs, network.get_layer("pointer").output)
    costs, free = [], []
    for at in range(0, len(data), _CHUNK):
        best, cost, _ = whole.predict_on_batch(data.seen[at : at + _CHUNK].astype(np.float32))
        costs.append(cost)
        free.append(conflict_free((best > 0).astype(np.uint8)))
    return {"cost": float(np.concatenate(costs).mean()),
            "conflict-free": float(np.concatenate(free).mean())}  # fmt: skip


def best_of_orders(
    network: Any, seen: npt.NDArray[np.int8], *, orders: int = ORDERS, seed: int = 0
) -> tuple[Bits, npt.NDArray[np.float32]]:
    """Return what the cheapest of sampled orders makes of each matrix, as the paper infers.

    Args:
        network: the pointer network.
        seen: signed matrices `[N, rows, columns]`.
        orders: sampled for each of them.
        seed: of the samples.

    Returns:
        The matrices of 0 and 1, and their costs `[N]`.
    """
    rng = np.random.default_rng(seed)
    encode = keras.Model(network.inputs, network.get_layer("encoded").output)
    pointer = network.get_layer("pointer")
    found, costs = [], []
    for one in seen.astype(np.float32):
        encoded = tf.repeat(encode(one[None]), orders, axis=0)
        noise = rng.gumbel(size=(orders, pointer.flips, one.size)).astype(np.float32)
        best, cost, _ = pointer([encoded, np.repeat(one[None], orders, axis=0), noise])
        cheapest = int(np.argmin(cost))
        found.append(np.asarray(best[cheapest]) > 0)
        costs.append(cost[cheapest])
    return np.array(found, np.uint8), np.array(costs, np.float32)
