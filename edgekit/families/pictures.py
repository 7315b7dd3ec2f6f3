"""Pictures to train on, whatever is learned from them: the parts of a data set, and their order."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
import numpy.typing as npt

from edgekit.errors import EdgekitError, InputError
from edgekit.tasks.pictures.images import Pixels
from edgekit.train import Shard

MEAN = STD = 127.5  # of a channel: inputs lie in [-1, 1]
CACHE_BYTES = 1 << 30  # decoded pictures of one part that may stay in memory
GLANCE = 128  # pictures that tell the ranges of activations
_FEW = 8  # of them at a time: every layer's answers are held at once


class Part(ABC):
    """The pictures of one part of a data set."""

    failure: EdgekitError | None = None  # TensorFlow keeps only the text of an error

    @abstractmethod
    def __len__(self) -> int: ...

    @property
    @abstractmethod
    def classes(self) -> tuple[str, ...]:
        """The names of the classes."""

    @abstractmethod
    def framed(self, indices: npt.NDArray[np.int64]) -> Pixels:
        """Return pictures `[N, H, W, C]` as the network will see them when it answers."""

    @contextmanager
    def failing(self) -> Iterator[None]:
        """Keep the error that this ends with, for whoever waits behind tf.data."""
        try:
            yield
        except EdgekitError as error:
            self.failure = error
            raise

    def glance(self) -> Iterator[npt.NDArray[np.float32]]:
        """Yield inputs of at most GLANCE pictures, evenly spread: enough to tell ranges."""
        chosen = np.unique(np.linspace(0, len(self) - 1, GLANCE).astype(np.int64))
        for first in range(0, len(chosen), _FEW):
            yield normalize(self.framed(chosen[first : first + _FEW]))


P = TypeVar("P", bound=Part)


@dataclass(frozen=True, eq=False)
class PictureData(Generic[P]):
    """The three parts of a data set; a family adds `batches`, which is what the loop takes."""

    train: P
    validation: P
    test: P
    batch_size: int  # over all workers
    seed: int

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of the classes."""
        return self.train.classes

    @property
    def steps(self) -> int:
        """Full global batches in an epoch; which pictures are left over changes every epoch."""
        return len(self.train) // self.batch_size

    @property
    def failure(self) -> EdgekitError | None:
        """What went wrong inside a tf.data pipeline."""
        parts = (self.train, self.validation, self.test)
        return next((part.failure for part in parts if part.failure), None)

    def glance(self) -> Iterator[npt.NDArray[np.float32]]:
        """Yield inputs of a few training pictures: enough to tell ranges."""
        return self.train.glance()

    def order(self, epoch: int) -> npt.NDArray[np.int64]:
        """Return the indices of an epoch as `[steps, batch]`."""
        order = np.random.default_rng([self.seed, epoch, 0]).permutation(len(self.train))
        return order[: self.steps * self.batch_size].reshape(self.steps, self.batch_size)

    def chosen(self, epoch: int, first_step: int, part: Shard) -> npt.NDArray[np.int64]:
        """Return one worker's indices of an epoch, a row for each replica and step.

        Raises:
            InputError: the batch does not divide among the replicas.
        """
        return part.divide(self.order(epoch)[first_step:])


def held_out(
    count: int, share: float, seed: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return which of `count` pictures teach and which validate; with a share of 0 all do both."""
    order = np.random.default_rng(seed).permutation(count)
    cut = max(1, round(share * count)) if share else 0
    rest, chosen = (order[cut:], order[:cut]) if cut else (order, order)
    return np.sort(rest), np.sort(chosen)


def require_batch(source: str, count: int, batch_size: int) -> None:
    """Check that `count` training pictures make a batch.

    Raises:
        InputError: they are fewer.
    """
    if count < batch_size:
        raise InputError(
            f"{source}: too few pictures to train on", got=count,
            expected=f"at least one batch of {batch_size}", do="lower --batch-size",
        )  # fmt: skip


def normalize(pixels: Pixels) -> npt.NDArray[np.float32]:
    """Return pixels as a network's inputs in [-1, 1]."""
    return (pixels.astype(np.float32) - np.float32(MEAN)) / np.float32(STD)
