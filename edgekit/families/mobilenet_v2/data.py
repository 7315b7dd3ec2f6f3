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

from edgekit.families.mobilenet_v2 import Config
from edgekit.families.mobilenet_v2.augment import (
    AUGMENTATIONS,
    Augmentation,
    choose_augmentation,
    draw,
)
from edgekit.families.pictures import (
    CACHE_BYTES,
    MEAN,
    STD,
    Part,
    PictureData,
    normalize,
    require_batch,
)
from edgekit.tasks.pictures.images import (
    LabelledImages,
    divide,
    read_labelled_images,
    read_pictures,
    resize,
    with_channels,
)
from edgekit.train import Options, Shard


class Pictures(Part):
    """Pictures at the network's size; those that fit into memory are read once."""

    def __init__(self, images: LabelledImages, config: Config) -> None:
        self.images, self.config = images, config
        shape = (len(images), config.resolution, config.resolution, config.channels)
        fits = math.prod(shape) <= CACHE_BYTES
        self._cache = np.empty(shape, np.uint8) if fits else None
        self._cached = np.zeros(len(images), bool)

    def __len__(self) -> int:
        return len(self.images)

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of the classes."""
        return self.images.classes

    def framed(self, indices: npt.NDArray[np.int64]) -> npt.NDArray[np.uint8]:
        """Return `[N, H, W, C]`.

        Raises:
            InputError: a file is damaged.
        """
        with self.failing():
            return np.stack([self._one(int(index)) for index in indices])

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
            yield normalize(self.framed(indices)), self.images.labels[indices]


@dataclass(frozen=True, eq=False)
class TrainingData(PictureData[Pictures]):
    """Labelled pictures; `batches` is what the loop takes."""

    augmentation: Augmentation

    def batches(self, epoch: int, first_step: int, part: Shard) -> Any:
        """Return (inputs `[N, H, W, C]` in [-1, 1], labels `[N]`), one element a replica and step.

        Raises:
            InputError: the batch does not divide among the replicas.
        """
        chosen = self.chosen(epoch, first_step, part)
        size = self.train.config.resolution
        draws = draw(self.augmentation, len(self.train), size, self.seed, epoch)
        labels = self.train.images.labels
        slices = (chosen, labels[chosen], *(d[chosen] for d in draws))
        dataset = tf.data.Dataset.from_tensor_slices(slices)
        return dataset.map(self._load, tf.data.AUTOTUNE, deterministic=True).prefetch(2)

    def _load(self, indices: Any, labels: Any, transforms: Any, light: Any) -> tuple[Any, Any]:
        config = self.train.config
        pixels = tf.numpy_function(self.train.framed, [indices], tf.uint8, stateful=False)
        pixels.set_shape([None, config.resolution, config.resolution, config.channels])
        inputs = (tf.cast(pixels, tf.float32) - MEAN) / STD
        if self.augmentation == AUGMENTATIONS["none"]:
            return inputs, labels
        moved = tf.raw_ops.ImageProjectiveTransformV3(
            images=inputs,
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
    require_batch(source, len(rest), options.batch_size)
    return TrainingData(
        train=Pictures(images.subset(rest), config),
        validation=Pictures(images.subset(held_out), config),
        test=Pictures(test, config),
        batch_size=options.batch_size,
        seed=options.seed,
        augmentation=choose_augmentation(options.augment, str(source)),
    )
