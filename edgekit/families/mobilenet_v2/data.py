"""Pictures as the network takes them: decoded, resized, augmented and scaled to [-1, 1]."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from edgekit.errors import EdgekitError, InputError
from edgekit.families.mobilenet_v2 import Config
from edgekit.families.mobilenet_v2.augment import (
    AUGMENTATIONS,
    Augmentation,
    choose_augmentation,
    draw,
)
from edgekit.tasks.images import (
    LabelledImages,
    divide,
    read_labelled_images,
    read_pictures,
    resize,
    with_channels,
)
from edgekit.train import Options, Shard

MEAN = STD = 127.5
GLANCE = 128  # pictures that tell the ranges of activations
_FEW = 8  # of them at a time: every layer's answers are held at once
CACHE_BYTES = 1 << 30  # resized pictures that may stay in memory


class Pictures:
    """Pictures at the network's size; those that fit into memory are read once."""

    def __init__(self, images: LabelledImages, config: Config) -> None:
        self.images, self.config = images, config
        self.failure: EdgekitError | None = None  # TensorFlow keeps only the text of an error
        shape = (len(images), config.resolution, config.resolution, config.channels)
        fits = math.prod(shape) <= CACHE_BYTES
        self._cache = np.empty(shape, np.uint8) if fits else None
        self._cached = np.zeros(len(images), bool)

    def __len__(self) -> int:
        return len(self.images)

    def read(self, indices: npt.NDArray[np.int64]) -> npt.NDArray[np.uint8]:
        """Return `[N, H, W, C]`.

        Raises:
            InputError: a file is damaged.
        """
        try:
            return np.stack([self._one(int(index)) for index in indices])
        except EdgekitError as error:
            self.failure = error
            raise

    def _one(self, index: int) -> npt.NDArray[np.uint8]:
        if self._cache is not None and self._cached[index]:
            cached: npt.NDArray[np.uint8] = self._cache[index]
            return cached
        size = (self.config.resolution, self.config.resolution)
        pixels = resize(with_channels(self.images.pixels(index), self.config.channels), size)
        if self._cache is not None:
            self._cache[index] = pixels
            self._cached[index] = True
        return pixels

    def batches(self, batch_size: int = 256) -> Iterator[tuple[Any, npt.NDArray[np.int64]]]:
        """Yield (inputs `[N, H, W, C]` in [-1, 1], labels `[N]`) in order, without augmentation."""
        for first in range(0, len(self), batch_size):
            indices = np.arange(first, min(first + batch_size, len(self)))
            yield normalize(self.read(indices)), self.images.labels[indices]

    def glance(self) -> Iterator[npt.NDArray[np.float32]]:
        """Yield inputs of at most GLANCE pictures, evenly spread: enough to tell ranges."""
        chosen = np.unique(np.linspace(0, len(self) - 1, GLANCE).astype(np.int64))
        for first in range(0, len(chosen), _FEW):
            yield normalize(self.read(chosen[first : first + _FEW]))


@dataclass(frozen=True, eq=False)
class TrainingData:
    """The three parts of a data set; `batches` is what the loop takes."""

    train: Pictures
    validation: Pictures
    test: Pictures
    batch_size: int  # over all workers
    seed: int
    augmentation: Augmentation

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

    def order(self, epoch: int) -> npt.NDArray[np.int64]:
        """Return the indices of an epoch as `[steps, batch]`."""
        order = np.random.default_rng([self.seed, epoch, 0]).permutation(len(self.train))
        return order[: self.steps * self.batch_size].reshape(self.steps, self.batch_size)

    def batches(self, epoch: int, first_step: int, part: Shard) -> Any:
        """Return (inputs `[N, H, W, C]` in [-1, 1], labels `[N]`), one element a replica and step.

        Raises:
            InputError: the batch does not divide among the replicas.
        """
        replicas = part.count * part.replicas
        if self.batch_size % replicas:
            raise InputError(
                "batch size", got=self.batch_size, expected=f"a multiple of {replicas} replicas"
            )
        share = self.batch_size // part.count
        mine = self.order(epoch)[first_step:, part.index * share : (part.index + 1) * share]
        chosen = mine.reshape(-1, self.batch_size // replicas)
        size = self.train.config.resolution
        draws = draw(self.augmentation, len(self.train), size, self.seed, epoch)
        labels = self.train.images.labels
        slices = (chosen, labels[chosen], *(d[chosen] for d in draws))
        dataset = tf.data.Dataset.from_tensor_slices(slices)
        return dataset.map(self._load, tf.data.AUTOTUNE, deterministic=True).prefetch(2)

    def _load(self, indices: Any, labels: Any, transforms: Any, light: Any) -> tuple[Any, Any]:
        config = self.train.config
        pixels = tf.numpy_function(self.train.read, [indices], tf.uint8, stateful=False)
        pixels.set_shape([None, config.resolution, config.resolution, config.channels])
        pictures = (tf.cast(pixels, tf.float32) - MEAN) / STD
        if self.augmentation == AUGMENTATIONS["none"]:
            return pictures, labels
        moved = tf.raw_ops.ImageProjectiveTransformV3(
            images=pictures,
            transforms=transforms,
            output_shape=[config.resolution, config.resolution],
            interpolation="BILINEAR",
            fill_mode="NEAREST",
            fill_value=0.0,
        )
        gain, offset = light[:, 0, None, None, None], light[:, 1, None, None, None]
        return tf.clip_by_value(moved * gain + offset, -1.0, 1.0), labels


def load(source: str, config: Config, options: Options | None = None) -> TrainingData:
    """Return the pictures in `source`, with a part of the training split held out for validation.

    Raises:
        InputError: `source` holds no such pictures, or fewer than one batch.
    """
    train, test = (read_labelled_images(source, split) for split in ("train", "test"))
    return _parts(source, train, test, config, options or Options())


def load_unlabelled(source: str, config: Config, options: Options) -> TrainingData:
    """Return the pictures in `source`, a folder of them, or whatever `load` takes.

    Of a folder all are trained on but the part for validation, which then is the test split too.

    Raises:
        InputError: `source` holds no pictures, or fewer than one batch.
    """
    path = Path(source)
    if not path.is_dir() or not (images := read_pictures(path)):
        return load(source, config, options)
    parts = _parts(source, images, images, config, options)
    return replace(parts, test=parts.validation)


def _parts(
    source: str, images: LabelledImages, test: LabelledImages, config: Config, options: Options
) -> TrainingData:
    rest, held_out = divide(images.labels, options.validation, options.seed)
    if options.validation == 0:
        rest = held_out = np.arange(len(images))
    if len(rest) < options.batch_size:
        raise InputError(
            f"{source}: too few pictures to train on",
            got=len(rest),
            expected=f"at least one batch of {options.batch_size}",
            do="lower --batch-size",
        )
    return TrainingData(
        train=Pictures(images.subset(rest), config),
        validation=Pictures(images.subset(held_out), config),
        test=Pictures(test, config),
        batch_size=options.batch_size,
        seed=options.seed,
        augmentation=choose_augmentation(options.augment, str(source)),
    )


def normalize(pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """Return pixels as the network's inputs in [-1, 1]."""
    return (pixels.astype(np.float32) - np.float32(MEAN)) / np.float32(STD)
