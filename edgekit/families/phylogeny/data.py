"""Simulated matrices as the networks take them: drawn anew for every epoch, never kept."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from edgekit.errors import EdgekitError, InputError
from edgekit.families.phylogeny import Config
from edgekit.families.phylogeny.simulation import (
    Bits,
    Generator,
    Trees,
    add_noise,
    clonal,
    coalescent,
    conflicting,
    pairs,
)
from edgekit.tasks.phylogeny import signed
from edgekit.train import Shard

SIMULATION = "simulation"  # the only source that there is
GLANCE = 128  # matrices that tell the ranges of activations
_LARGEST = 8  # of them as large as they can be
_ALIKE = 32  # matrices of one size and noise, where these vary
_FEWEST = (10, 3)  # rows and columns, where they vary
_LEAST = (1e-4, 0.01)  # alpha and beta, where they vary
# What an epoch is drawn from beside the seed: epochs count from 0, these never.
_VALIDATION, _TEST, _CALIBRATION = 1_000_001, 1_000_002, 1_000_003

Signed = npt.NDArray[np.int8]


@dataclass(frozen=True, eq=False)
class Simulated:
    """Matrices as they are observed, and what is true of them."""

    seen: Signed  # [N, rows, columns]: 1, -1, and 0 where unknown or beyond the matrix
    targets: Signed  # [N], 1 for branching or a conflict; or the truth, signed, [N, rows, columns]

    def __len__(self) -> int:
        return len(self.seen)

    def chosen(self, indices: npt.NDArray[np.int64]) -> Simulated:
        """Return these matrices, in their order."""
        return Simulated(self.seen[indices], self.targets[indices])


@dataclass(frozen=True, eq=False)
class TrainingData:
    """What the loop takes, and the parts that judge."""

    config: Config
    batch_size: int  # over all workers
    seed: int

    @property
    def steps(self) -> int:
        """Full global batches in an epoch."""
        return self.config.matrices // self.batch_size

    @property
    def failure(self) -> EdgekitError | None:
        """Nothing is read, so nothing goes wrong."""
        return None

    def glance(self) -> Iterator[npt.NDArray[np.float32]]:
        """Yield a few matrices, enough to tell ranges: of many sizes, the largest among them."""
        rng = self._rng(_CALIBRATION)
        largest = simulate(replace(self.config, vary=False), _LARGEST, rng)
        drawn = simulate(self.config, GLANCE - _LARGEST, rng, alike=2)
        yield rng.permutation(np.concatenate([largest.seen, drawn.seen])).astype(np.float32)

    def part(self, name: str) -> Simulated:
        """Return the matrices of "validation" or "test": 2,000, or as many as an epoch has."""
        rng = self._rng({"validation": _VALIDATION, "test": _TEST}[name])
        return simulate(self.config, min(2000, self.config.matrices), rng)

    def batches(self, epoch: int, first_step: int, part: Shard) -> Any:
        """Return (matrices, targets), one element a replica and step.

        Raises:
            InputError: the batch does not divide among the replicas.
        """
        drawn = simulate(self.config, self.steps * self.batch_size, self._rng(epoch))
        order = np.arange(len(drawn)).reshape(self.steps, self.batch_size)
        chosen = part.divide(order[first_step:])
        dataset = tf.data.Dataset.from_tensor_slices((drawn.seen[chosen], drawn.targets[chosen]))
        return dataset.map(_as_floats).prefetch(2)

    def _rng(self, epoch: int) -> Generator:
        return np.random.default_rng([self.seed, epoch])


def load(source: str, config: Config) -> TrainingData:
    """Return the data of `config`.

    Raises:
        InputError: another source than the simulation.
    """
    if source != SIMULATION:
        raise InputError(f"phylogeny: --data {source}", expected=SIMULATION,
                         do="leave it out: the matrices are simulated")  # fmt: skip
    return TrainingData(config, 1, 0)


def simulate(config: Config, count: int, rng: Generator, *, alike: int = _ALIKE) -> Simulated:
    """Return `count` matrices in random order, half of each class where there are classes.

    Args:
        config: the network's sizes and rates, or the largest of them.
        count: how many.
        rng: where all is drawn from.
        alike: how many, an even number, share size and rates where these vary.
    """
    groups = []
    left = count + count % 2
    while left:
        size = min(alike, left) if config.vary else left
        drawn = _drawn(config, rng) if config.vary else config
        trees = clonal if config.vary and rng.integers(0, 2) else coalescent
        groups.append(_alike(drawn, config, trees, size, rng))
        left -= size
    together = Simulated(*(np.concatenate([getattr(g, part) for g in groups])
                           for part in ("seen", "targets")))  # fmt: skip
    return together.chosen(rng.permutation(len(together))[:count])


def _drawn(config: Config, rng: Generator) -> Config:
    """Return sizes and rates: rows and alpha by their logarithm, half without missing entries."""
    rows, columns = (min(fewest, most) for fewest, most in
                     zip(_FEWEST, (config.rows, config.columns), strict=True))  # fmt: skip
    alpha, beta = _LEAST
    return replace(
        config,
        train_rows=0,
        train_columns=0,
        rows=int(np.exp(rng.uniform(np.log(rows), np.log(config.rows + 1)))),
        columns=int(rng.integers(columns, config.columns + 1)),
        alpha=float(np.exp(rng.uniform(np.log(min(alpha, config.alpha)), np.log(config.alpha)))),
        beta=float(rng.uniform(min(beta, config.beta), config.beta)),
        missing=float(rng.uniform(0, config.missing)) * int(rng.integers(0, 2)),
    )


def _alike(drawn: Config, config: Config, trees: Trees, count: int, rng: Generator) -> Simulated:
    """Return matrices of one size and noise, in tensors of the network's size."""
    seen, targets = _observed(drawn, trees, count, rng)
    targets = targets if targets.ndim == 1 else _placed(signed(targets), config)
    return Simulated(_placed(signed(seen), config), targets.astype(np.int8))


def _observed(drawn: Config, trees: Trees, count: int, rng: Generator) -> tuple[Bits, Any]:
    half, shape = count // 2, (drawn.rows, drawn.columns)
    classes = np.repeat([1, 0], half)
    if drawn.problem == "branching":
        truth = np.concatenate(pairs(half, *shape, rng, trees))
        return add_noise(truth, drawn.alpha, drawn.beta, drawn.missing, rng), classes
    if drawn.problem == "noise":
        noisy = conflicting(half, *shape, drawn.alpha, drawn.beta, rng)
        return np.concatenate([noisy, coalescent(half, *shape, rng)]), classes
    truth = trees(count, *shape, rng)
    return add_noise(truth, drawn.alpha, drawn.beta, drawn.missing, rng), truth


def _placed(values: Signed, config: Config) -> Signed:
    _, rows, columns = values.shape
    widths = ((0, 0), (0, config.rows - rows), (0, config.columns - columns))
    return np.pad(values, widths) if any(w[1] for w in widths) else values


def _as_floats(seen: Any, targets: Any) -> tuple[Any, Any]:
    return tf.cast(seen, tf.float32), tf.cast(targets, tf.float32)
