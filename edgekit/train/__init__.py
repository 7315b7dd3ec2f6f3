"""Training, for every family: the options, light; the loop itself imports TensorFlow."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from edgekit.errors import InputError

if TYPE_CHECKING:  # the command line reads the options from here, and takes no array
    import numpy as np
    import numpy.typing as npt

OPTIMIZERS = ("adamw", "sgd", "rmsprop")
SCHEDULES = ("cosine", "poly", "constant")


def _option(default: Any, help: str) -> Any:
    """Return a field whose help the command line shows as well."""
    return field(default=default, metadata={"help": help})


@dataclass(frozen=True)
class Options:
    """How a network is trained; `edgekit train` has one option for each field."""

    epochs: int = _option(30, "Passes over the training data.")
    batch_size: int = _option(32, "Examples a step, over all workers.")
    learning_rate: float = _option(1e-3, "The peak of the schedule.")
    optimizer: str = _option("adamw", "One of " + ", ".join(OPTIMIZERS) + ".")
    weight_decay: float = _option(1e-4, "Decoupled; kernels only.")
    schedule: str = _option("cosine", "One of " + ", ".join(SCHEDULES) + ".")
    warmup_epochs: float = _option(1.0, "Linear from 0 to the learning rate.")
    label_smoothing: float = _option(0.0, "Share of the target spread over all classes.")
    augment: str = _option("auto", "auto (by kind of data), none, digits or photos.")
    validation: float = _option(
        0.1,
        "Share of the training data kept to choose the best epoch; 0: all does both.",
    )
    qat_epochs: int = _option(0, "Epochs of quantization-aware fine-tuning; 0 for none.")
    qat_learning_rate: float = _option(1e-4, "The peak while fine-tuning.")
    qat_freeze: float = _option(
        1.0,
        "Share of the fine-tuning after which batch norms keep their statistics; 1: never. "
        "By --teacher they always do.",
    )
    seed: int = _option(0, "Of weights, order and augmentation.")
    checkpoint_steps: int = _option(0, "Steps between checkpoints inside an epoch; 0 for none.")
    checkpoint_seconds: float = _option(120.0, "Seconds between them, with one worker; 0 for none.")

    def __post_init__(self) -> None:
        """Check the numbers.

        Raises:
            InputError: one of them trains nothing.
        """
        least = {"epochs": 1, "batch_size": 1}
        for name in ("epochs", "batch_size", "weight_decay", "warmup_epochs", "qat_epochs",
                     "seed", "checkpoint_steps", "checkpoint_seconds"):  # fmt: skip
            self._need(name, getattr(self, name) >= least.get(name, 0), f"{least.get(name, 0)} up")
        for name in ("learning_rate", "qat_learning_rate"):
            self._need(name, getattr(self, name) > 0, "above 0")
        self._need("qat_freeze", 0 <= self.qat_freeze <= 1, "from 0 to 1")
        for name in ("label_smoothing", "validation"):
            self._need(name, 0 <= getattr(self, name) < 1, "from 0 to below 1")
        self._need("optimizer", self.optimizer in OPTIMIZERS, "one of " + ", ".join(OPTIMIZERS))
        self._need("schedule", self.schedule in SCHEDULES, "one of " + ", ".join(SCHEDULES))

    def _need(self, name: str, holds: bool, expected: str) -> None:
        if not holds:
            raise InputError(f"training: {name}", got=getattr(self, name), expected=expected)

    def for_qat(self) -> Options:
        """Return the options of the fine-tuning phase."""
        return replace(self, epochs=self.qat_epochs, learning_rate=self.qat_learning_rate)


@dataclass(frozen=True)
class Shard:
    """The part of every global batch that one worker feeds, and into how many replicas."""

    index: int = 0
    count: int = 1  # workers
    replicas: int = 1  # on this worker

    def divide(self, order: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Return this worker's part of global batches `[steps, batch]`.

        A row for each replica and step, `[steps * replicas, batch / all replicas]`.

        Raises:
            InputError: the batch does not divide among the replicas.
        """
        steps, batch = order.shape
        replicas = self.count * self.replicas
        if batch % replicas:
            raise InputError("batch size", got=batch, expected=f"a multiple of {replicas} replicas")
        share = batch // self.count
        mine = order[:, self.index * share : (self.index + 1) * share]
        return mine.reshape(steps * self.replicas, batch // replicas)
