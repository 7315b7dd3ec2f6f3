"""Pictures with masks as the network takes them: in its frame, augmented, scaled to [-1, 1]."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from edgekit.families.deeplab_v3 import Config
from edgekit.families.deeplab_v3.augment import augments, draw, transform
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
from edgekit.tasks.pictures.framing import Frame
from edgekit.tasks.pictures.images import Pixels, with_channels
from edgekit.tasks.pictures.masks import VOID, MaskedImages, read_masked_images
from edgekit.train import Options, Shard


class Pictures(Part):
    """Pictures and masks in the network's frame; those that fit into memory are read once."""

    def __init__(self, images: MaskedImages, config: Config) -> None:
        self.images, self.config = images, config
        self._cache: dict[int, tuple[Pixels, Pixels]] = {}
        self._room = CACHE_BYTES

    def __len__(self) -> int:
        return len(self.images)

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of the classes."""
        return self.images.classes

    def one(self, index: int) -> tuple[Pixels, Pixels]:
        """Return picture `[H, W, C]` and mask `[H, W]` of their own size.

        Raises:
            InputError: a file is damaged, or the two do not fit.
        """
        if index in self._cache:
            return self._cache[index]
        pixels, mask = self.images.examples[index]
        found = with_channels(pixels, self.config.channels), mask
        self._room -= found[0].nbytes + found[1].nbytes
        if self._room > 0:
            self._cache[index] = found
        return found

    def count(self) -> npt.NDArray[np.int64]:
        """Return the pixels of each class, `[classes]`; every example is read, and kept if it fits.

        Raises:
            InputError: one cannot be read or learned from; the line names its file.
        """
        counts = np.zeros(VOID + 1, np.int64)
        for index in range(len(self)):
            counts += np.bincount(self.one(index)[1].reshape(-1), minlength=VOID + 1)
        return counts[: len(self.images.classes)]

    def augmented(
        self, indices: npt.NDArray[np.int64], drawn: npt.NDArray[np.float32]
    ) -> tuple[Pixels, Pixels]:
        """Return pictures `[N, size, size, C]` and masks `[N, size, size]` as they were drawn."""
        size, fill = self.config.resolution, np.rint(MEAN)
        with self.failing():
            pairs = [
                transform(*self.one(int(index)), size, numbers, fill)
                for index, numbers in zip(indices, drawn, strict=True)
            ]
        return np.stack([p for p, _ in pairs]), np.stack([m for _, m in pairs])

    def framed(self, indices: npt.NDArray[np.int64]) -> Pixels:
        """Return pictures as the network will see them when it answers."""
        return self.framed_pairs(indices)[0]

    def framed_pairs(self, indices: npt.NDArray[np.int64]) -> tuple[Pixels, Pixels]:
        """Return pictures and masks `[N, H, W]`, void where the frame is larger."""
        size = (self.config.resolution, self.config.resolution)
        pictures, masks = [], []
        for index in indices:
            with self.failing():
                pixels, mask = self.one(int(index))
            frame = Frame(mask.shape[:2], size)
            pictures.append(frame.fill(pixels, np.rint(MEAN)))
            masks.append(frame.fill(mask, VOID, nearest=True))
        return np.stack(pictures), np.stack(masks)

    def batches(self, batch_size: int = 32) -> Iterator[tuple[Any, Pixels]]:
        """Yield (inputs `[N, H, W, C]` in [-1, 1], masks `[N, H, W]`) in order, as framed."""
        for first in range(0, len(self), batch_size):
            indices = np.arange(first, min(first + batch_size, len(self)))
            pictures, masks = self.framed_pairs(indices)
            yield normalize(pictures), masks


@dataclass(frozen=True, eq=False)
class TrainingData(PictureData[Pictures]):
    """Pictures with masks; `batches` is what the loop takes."""

    augment: bool
    shares: npt.NDArray[np.float64]  # of the training pixels, by class

    def batches(self, epoch: int, first_step: int, part: Shard) -> Any:
        """Return (inputs `[N, H, W, C]`, masks `[N, H, W]`), one element a replica and step.

        Raises:
            InputError: the batch does not divide among the replicas.
        """
        chosen = self.chosen(epoch, first_step, part)
        drawn = draw(len(self.train), self.seed, epoch)[chosen]
        dataset = tf.data.Dataset.from_tensor_slices((chosen, drawn))
        return dataset.map(self._load, tf.data.AUTOTUNE, deterministic=True).prefetch(2)

    def _load(self, indices: Any, drawn: Any) -> tuple[Any, Any]:
        config = self.train.config
        size = config.resolution

        def read(indices: Any, drawn: Any) -> tuple[Pixels, Pixels]:
            if self.augment:
                return self.train.augmented(indices, drawn)
            return self.train.framed_pairs(indices)

        pixels, masks = tf.numpy_function(
            read, [indices, drawn], (tf.uint8, tf.uint8), stateful=False
        )
        pixels.set_shape([None, size, size, config.channels])
        masks.set_shape([None, size, size])
        return (tf.cast(pixels, tf.float32) - MEAN) / STD, masks


def load(source: str, config: Config, options: Options | None = None) -> TrainingData:
    """Return the pictures in `source`, with a part of the training split held out for validation.

    Raises:
        InputError: `source` holds no pictures with masks, one of them cannot be learned from, or
            they are fewer than one batch.
    """
    options = options or Options()
    images, test = (read_masked_images(source, split) for split in ("train", "test"))
    rest, chosen = held_out(len(images), options.validation, options.seed)
    require_batch(source, len(rest), options.batch_size)
    chosen_parts = images.subset(rest), images.subset(chosen), test
    parts = [Pictures(part, config) for part in chosen_parts]
    train, validation, tested = parts
    counts, *_ = [part.count() for part in parts]  # a bad file fails now, not hours later
    return TrainingData(
        train=train,
        validation=validation,
        test=tested,
        batch_size=options.batch_size,
        seed=options.seed,
        augment=augments(options.augment),
        shares=counts / max(counts.sum(), 1),
    )
