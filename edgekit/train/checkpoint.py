"""Checkpoints: all that a run needs to go on as if nothing had happened, written whole or not."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any

import tensorflow as tf

from edgekit.errors import InputError
from edgekit.files import replace_folder, write_file

KEEP = 2


class State(tf.train.Checkpoint):  # type: ignore[misc]
    """Model, optimizer, random generators, position, loss so far and the best metric."""

    def __init__(self, model: Any, optimizer: Any) -> None:
        super().__init__(
            model=model,
            optimizer=optimizer,
            generators=_generators(model),
            epoch=tf.Variable(0, dtype=tf.int64),  # complete ones
            step=tf.Variable(0, dtype=tf.int64),  # complete ones of this epoch
            loss_sum=tf.Variable(0.0, dtype=tf.float64),  # over those steps
            best=tf.Variable(-float("inf"), dtype=tf.float64),
            saved_best=tf.Variable(False),
        )


class Checkpoints:
    """The newest checkpoints of one phase, one folder each.

    Every worker must call `save`, since reading a distributed variable is a collective; only the
    chief's copy is kept. Workers on other machines need `folder` on a shared file system.
    """

    def __init__(self, folder: Path, state: State, *, chief: bool = True) -> None:
        self.folder, self.state, self.chief = folder, state, chief

    def save(self) -> None:
        """Write the state, then drop all but the newest checkpoints.

        Raises:
            InputError: the place cannot be written; the older checkpoints stay.
        """

        def fill(into: Path) -> None:
            try:
                self.state.write(str(into / "state"))
            except tf.errors.OpError as error:
                # TensorFlow's own words begin with the names of its ops and of the temporary file.
                reason = error.message.splitlines()[0].rpartition("; ")[2].partition(" [Op:")[0]
                raise OSError(reason) from None

        if not self.chief:
            with tempfile.TemporaryDirectory() as place:
                fill(Path(place))
            return
        name = f"{int(self.state.epoch):05d}-{int(self.state.step):08d}"
        replace_folder(self.folder / name, fill)
        for old in self._paths()[:-KEEP]:
            shutil.rmtree(old, ignore_errors=True)

    def restore(self) -> bool:
        """Load the newest checkpoint; return whether there was one.

        Raises:
            InputError: it is damaged or of another network.
        """
        paths = self._paths()
        if not paths:
            return False
        try:
            # By way of a plain path: TensorFlow reads brackets and stars in a path as a pattern.
            with tempfile.TemporaryDirectory() as place:
                shutil.copytree(paths[-1], place, dirs_exist_ok=True)
                self.state.read(str(Path(place) / "state")).assert_consumed()
        except (tf.errors.OpError, AssertionError, ValueError, OSError) as error:
            raise InputError(
                f"{paths[-1]}: cannot be restored",
                got=str(error).splitlines()[0][:200],
                do="remove it to go on from the checkpoint before",
            ) from None
        return True

    def sweep(self) -> None:
        """Remove what a kill in the middle of a write has left."""
        if self.chief and self.folder.is_dir():
            for path in self.folder.glob(".*"):
                shutil.rmtree(path, ignore_errors=True)

    def _paths(self) -> list[Path]:
        if not self.folder.is_dir():
            return []
        return sorted(p for p in self.folder.iterdir() if p.is_dir() and p.name[0] != ".")


def save_weights(model: Any, path: Path | None) -> None:
    """Write the weights alone as HDF5, whole or not at all; None writes nothing.

    Every worker must call it, as `Checkpoints.save`.
    """
    with tempfile.TemporaryDirectory() as place:
        draft = Path(place) / "weights.h5"
        model.save_weights(str(draft), save_format="h5")
        if path:
            write_file(path, draft.read_bytes())


def load_weights(model: Any, path: Path) -> None:
    """Load what `save_weights` wrote.

    Raises:
        InputError: missing, damaged, or of another network.
    """
    if not path.is_file():
        raise InputError(f"{path}: not found", expected="weights that a training run wrote")
    try:
        model.load_weights(str(path))
    except (OSError, ValueError, KeyError) as error:
        raise InputError(
            f"{path}: does not fit the network", got=str(error).splitlines()[0][:200]
        ) from None


def _generators(model: Any) -> list[Any]:
    """Return the generators of dropout and its like: Keras keeps them out of checkpoints."""
    random = (getattr(layer, "_random_generator", None) for layer in model.submodules)
    generators = (getattr(r, "_generator", None) for r in random)
    return [g for g in generators if isinstance(g, tf.random.Generator)]
