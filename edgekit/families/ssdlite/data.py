"""Pictures with boxes as the network takes them: in its frame, augmented, scaled to [-1, 1]."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from edgekit.errors import InputError
from edgekit.families.pictures import (
    CACHE_BYTES,
    MEAN,
    STD,
    Part,
    PictureData,
    held_out,
    normalize,
    require_batch,
)
from edgekit.families.ssdlite import Config
from edgekit.families.ssdlite.augment import Augmentation, augment, choose_augmentation
from edgekit.families.ssdlite.matching import match
from edgekit.tasks.anchors import make_anchors
from edgekit.tasks.pictures.boxed_images import BoxedImages, Truth, read_boxed_images
from edgekit.tasks.pictures.framing import Frame
from edgekit.tasks.pictures.images import Pixels, with_channels
from edgekit.train import Options, Shard


class Pictures(Part):
    """Pictures in the network's frame; those that fit into memory are read once."""

    def __init__(self, images: BoxedImages, config: Config) -> None:
        self.images, self.config = images, config
        self.anchors = make_anchors(config.anchors)
        self._cache: dict[int, tuple[Pixels, Truth]] = {}
        self._room = CACHE_BYTES

    def __len__(self) -> int:
        return len(self.images)

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of the classes."""
        return self.images.classes

    def one(self, index: int) -> tuple[Pixels, Truth]:
        """Return picture `[H, W, C]` of its own size, and its boxes.

        Raises:
            InputError: a file is damaged or missing.
        """
        if index in self._cache:
            return self._cache[index]
        with self.failing():
            picture = self.images.pictures[index]
            found = with_channels(picture.pixels(), self.config.channels), picture.truth
        self._room -= found[0].nbytes
        if self._room > 0:
            self._cache[index] = found
        return found

    def frame(self, truth: Truth) -> Frame:
        """Return how a picture lies in the input."""
        size = (self.config.resolution, self.config.resolution)
        return Frame(truth.size, size, stretched=self.config.fit == "stretch")

    def framed(self, indices: npt.NDArray[np.int64]) -> Pixels:
        """Return pictures as the network will see them when it answers."""
        return np.stack([self.framed_pair(int(index))[0] for index in indices])

    def framed_pair(self, index: int) -> tuple[Pixels, Truth]:
        """Return a picture as the network will see it when it answers, its boxes in that."""
        pixels, truth = self.one(index)
        frame, size = self.frame(truth), self.config.resolution
        boxes = np.asarray(frame.to_input(truth.boxes) * size, np.float64)
        found = Truth(boxes, truth.classes, truth.ignore, (size, size))
        return frame.fill(pixels, np.rint(MEAN)), found

    def example(self, index: int, how: Augmentation | None, seed: Any) -> tuple[Pixels, Any, Any]:
        """Return a picture, augmented if it is said how, with what each anchor shall answer."""
        size = self.config.resolution
        if how is None:
            pixels, truth = self.framed_pair(index)
        else:
            rng = np.random.default_rng(seed)
            pixels, truth = augment(*self.one(index), size, how, rng, np.rint(MEAN))
        targets = match(truth.boxes / size, truth.classes, truth.ignore, self.anchors)
        return pixels, targets.classes, targets.codes

    def batches(self, batch_size: int = 32) -> Iterator[tuple[Any, list[tuple[Truth, Frame]]]]:
        """Yield (inputs `[N, H, W, C]` in [-1, 1], truths and frames) in order, as framed."""
        for first in range(0, len(self), batch_size):
            chosen = range(first, min(first + batch_size, len(self)))
            truths = [self.one(index)[1] for index in chosen]
            inputs = normalize(self.framed(np.array(chosen)))
            yield inputs, [(truth, self.frame(truth)) for truth in truths]


@dataclass(frozen=True, eq=False)
class TrainingData(PictureData[Pictures]):
    """Pictures with boxes; `batches` is what the loop takes."""

    augmentation: Augmentation | None

    def batches(self, epoch: int, first_step: int, part: Shard) -> Any:
        """Return (inputs `[N, H, W, C]`, (classes `[N, A]`, codes `[N, A, 4]`)), one a replica.

        Raises:
            InputError: the batch does not divide among the replicas.
        """
        chosen = self.chosen(epoch, first_step, part)
        dataset = tf.data.Dataset.from_tensor_slices(chosen)
        load = lambda indices: self._load(indices, epoch)  # noqa: E731
        return dataset.map(load, tf.data.AUTOTUNE, deterministic=True).prefetch(2)

    def _load(self, indices: Any, epoch: int) -> tuple[Any, Any]:
        config, count = self.train.config, len(self.train.anchors)

        def read(indices: Any) -> tuple[Any, ...]:
            examples = [
                self.train.example(int(i), self.augmentation, [self.seed, epoch, 1, int(i)])
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
    rest, chosen = held_out(len(images), options.validation, options.seed)
    require_batch(source, len(rest), options.batch_size)
    return TrainingData(
        train=Pictures(images.subset(rest), config),
        validation=Pictures(images.subset(chosen), config),
        test=Pictures(test, config),
        batch_size=options.batch_size,
        seed=options.seed,
        augmentation=choose_augmentation(options.augment, source),
    )
