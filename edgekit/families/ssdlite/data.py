"""Pictures with boxes as the network takes them: in its frame, augmented, scaled to [-1, 1]."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from edgekit.errors import EdgekitError, InputError
from edgekit.families.ssdlite import Config
from edgekit.families.ssdlite.augment import augment, augments
from edgekit.families.ssdlite.matching import match
from edgekit.tasks.anchors import make_anchors
from edgekit.tasks.boxed_images import BoxedImages, Truth, read_boxed_images
from edgekit.tasks.framing import Frame
from edgekit.tasks.images import Pixels, with_channels
from edgekit.train import Options, Shard

MEAN = STD = 127.5
GLANCE = 128  # pictures that tell the ranges of activations
_FEW = 8  # of them at a time: every layer's answers are held at once
CACHE_BYTES = 1 << 30  # pictures that may stay in memory


class Pictures:
    """Pictures in the network's frame; those that fit into memory are read once."""

    def __init__(self, images: BoxedImages, config: Config) -> None:
        self.images, self.config = images, config
        self.failure: EdgekitError | None = None  # TensorFlow keeps only the text of an error
        self.anchors = make_anchors(config.anchors)
        self._cache: dict[int, tuple[Pixels, Truth]] = {}
        self._room = CACHE_BYTES

    def __len__(self) -> int:
        return len(self.images)

    def one(self, index: int) -> tuple[Pixels, Truth]:
        """Return picture `[H, W, C]` of its own size, and its boxes.

        Raises:
            InputError: a file is damaged or missing.
        """
        if index in self._cache:
            return self._cache[index]
        try:
            picture = self.images.pictures[index]
            found = with_channels(picture.pixels(), self.config.channels), picture.truth
        except EdgekitError as error:
            self.failure = error
            raise
        self._room -= found[0].nbytes
        if self._room > 0:
            self._cache[index] = found
        return found

    def frame(self, truth: Truth) -> Frame:
        """Return how a picture lies in the input."""
        size = (self.config.resolution, self.config.resolution)
        return Frame(truth.size, size, stretched=self.config.fit == "stretch")

    def framed(self, index: int) -> tuple[Pixels, Truth]:
        """Return a picture as the network will see it when it answers, its boxes in that."""
        pixels, truth = self.one(index)
        frame, size = self.frame(truth), self.config.resolution
        boxes = frame.to_input(truth.boxes) * size
        found = Truth(boxes, truth.classes, truth.ignore, (size, size))
        return frame.fill(pixels, np.rint(MEAN)), found

    def example(self, index: int, seed: Any = None) -> tuple[Pixels, Any, Any]:
        """Return a picture with what each anchor shall answer; augmented, where a seed is given."""
        size = self.config.resolution
        if seed is None:
            pixels, truth = self.framed(index)
        else:
            rng = np.random.default_rng(seed)
            pixels, truth = augment(*self.one(index), size, rng, np.rint(MEAN))
        targets = match(truth.boxes / size, truth.classes, truth.ignore, self.anchors)
        return pixels, targets.classes, targets.codes

    def batches(self, batch_size: int = 32) -> Iterator[tuple[Any, list[tuple[Truth, Frame]]]]:
        """Yield (inputs `[N, H, W, C]` in [-1, 1], truths and frames) in order, as framed."""
        for first in range(0, len(self), batch_size):
            chosen = range(first, min(first + batch_size, len(self)))
            truths = [self.one(index)[1] for index in chosen]
            inputs = normalize(np.stack([self.framed(index)[0] for index in chosen]))
            yield inputs, [(truth, self.frame(truth)) for truth in truths]

    def glance(self) -> Iterator[npt.NDArray[np.float32]]:
        """Yield inputs of at most GLANCE pictures, evenly spread: enough to tell ranges."""
        chosen = np.unique(np.linspace(0, len(self) - 1, GLANCE).astype(np.int64))
        for first in range(0, len(chosen), _FEW):
            few = chosen[first : first + _FEW]
            yield normalize(np.stack([self.framed(int(index))[0] for index in few]))


@dataclass(frozen=True, eq=False)
class TrainingData:
    """The three parts of a data set; `batches` is what the loop takes."""

    train: Pictures
    validation: Pictures
    test: Pictures
    batch_size: int  # over all workers
    seed: int
    augment: bool

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of the classes."""
        return self.train.images.classes

    @property
    def steps(self) -> int:
        """Full global batches in an epoch; which pictures are left over changes every epoch."""
        return len(self.train) // self.batch_size

    @property
    def failure(self) -> EdgekitError | None:
        """What went wrong inside a tf.data pipeline."""
        return next(
            (p.failure for p in (self.train, self.validation, self.test) if p.failure), None
        )

    def glance(self) -> Iterator[npt.NDArray[np.float32]]:
        """Yield inputs of a few training pictures: enough to tell ranges."""
        return self.train.glance()

    def batches(self, epoch: int, first_step: int, part: Shard) -> Any:
        """Return (inputs `[N, H, W, C]`, (classes `[N, A]`, codes `[N, A, 4]`)), one a replica.

        Raises:
            InputError: the batch does not divide among the replicas.
        """
        replicas = part.count * part.replicas
        if self.batch_size % replicas:
            raise InputError(
                "batch size", got=self.batch_size, expected=f"a multiple of {replicas} replicas"
            )
        order = np.random.default_rng([self.seed, epoch, 0]).permutation(len(self.train))
        order = order[: self.steps * self.batch_size].reshape(self.steps, self.batch_size)
        share = self.batch_size // part.count
        mine = order[first_step:, part.index * share : (part.index + 1) * share]
        chosen = mine.reshape(-1, self.batch_size // replicas)
        dataset = tf.data.Dataset.from_tensor_slices(chosen)
        load = lambda indices: self._load(indices, epoch)  # noqa: E731
        return dataset.map(load, tf.data.AUTOTUNE, deterministic=True).prefetch(2)

    def _load(self, indices: Any, epoch: int) -> tuple[Any, Any]:
        config, count = self.train.config, len(self.train.anchors)

        def read(indices: Any) -> tuple[Any, ...]:
            examples = [
                self.train.example(int(i), [self.seed, epoch, 1, int(i)] if self.augment else None)
                for i in indices
            ]
            pixels, classes, codes = (np.stack(part) for part in zip(*examples, strict=True))
            return pixels, classes, codes

        kinds = (tf.uint8, tf.int32, tf.float32)
        pixels, classes, codes = tf.numpy_function(read, [indices], kinds, stateful=False)
        pixels.set_shape([None, config.resolution, config.resolution, config.channels])
        classes.set_shape([None, count])
        codes.set_shape([None, count, 4])
        return (tf.cast(pixels, tf.float32) - MEAN) / STD, (classes, codes)


def load(source: str, config: Config, options: Options | None = None) -> TrainingData:
    """Return the pictures in `source`, with a part of the training split held out for validation.

    Raises:
        InputError: `source` holds no such pictures, or fewer than one batch.
    """
    options = options or Options()
    images, test = (read_boxed_images(source, split) for split in ("train", "test"))
    if test.classes != images.classes:
        raise InputError(f"{source}: classes of the test split", got=", ".join(test.classes),
                         expected=", ".join(images.classes))  # fmt: skip
    order = np.random.default_rng(options.seed).permutation(len(images))
    cut = max(1, round(options.validation * len(images))) if options.validation else 0
    chosen, rest = (order[:cut], order[cut:]) if cut else (order, order)
    if len(rest) < options.batch_size:
        raise InputError(
            f"{source}: too few pictures to train on", got=len(rest),
            expected=f"at least one batch of {options.batch_size}", do="lower --batch-size",
        )  # fmt: skip
    return TrainingData(
        train=Pictures(images.subset(np.sort(rest)), config),
        validation=Pictures(images.subset(np.sort(chosen)), config),
        test=Pictures(test, config),
        batch_size=options.batch_size,
        seed=options.seed,
        augment=augments(options.augment),
    )


def normalize(pixels: Pixels) -> npt.NDArray[np.float32]:
    """Return pixels as the network's inputs in [-1, 1]."""
    return (pixels.astype(np.float32) - np.float32(MEAN)) / np.float32(STD)
