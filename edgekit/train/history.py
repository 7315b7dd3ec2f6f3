"""The history of a run: a row an epoch, in history.jsonl and on TensorBoard."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tensorflow as tf

from edgekit.files import write_file

HISTORY = "history.jsonl"
_NO_SCALARS = ("phase", "epoch")


class History:
    """The rows of one phase, behind those of earlier phases; workers beside the chief write none.

    Every row has "phase" and "epoch", counted from 1.
    """

    def __init__(self, folder: Path, phase: str, *, chief: bool = True) -> None:
        self.folder, self.phase, self.chief = folder, phase, chief
        self.rows: list[dict[str, Any]] = []
        self.board = tf.summary.create_noop_writer()

    def begin(self, epoch: int) -> None:
        """Go on behind `epoch` complete epochs: what was written of later ones is dropped.

        Raises:
            InputError: the folder cannot be written.
        """
        self.rows = [
            row
            for row in read_history(self.folder)
            if row["phase"] != self.phase or row["epoch"] <= epoch
        ]
        if self.chief:
            self._write()
            place = self.folder / "tensorboard" / self.phase
            self.board = tf.summary.create_file_writer(str(place))

    def add(self, row: Mapping[str, Any]) -> None:
        """Write the row of a complete epoch."""
        self.rows.append(dict(row))
        if self.chief:
            self._write()
        with self.board.as_default(step=row["epoch"]):
            for name in row.keys() - set(_NO_SCALARS):
                tf.summary.scalar(name, row[name])
        self.board.flush()

    def _write(self) -> None:
        write_file(self.folder / HISTORY, "".join(json.dumps(row) + "\n" for row in self.rows))


def read_history(folder: Path) -> list[dict[str, Any]]:
    """Return the rows of a run's history, oldest first."""
    path = folder / HISTORY
    return [json.loads(line) for line in path.read_text().splitlines()] if path.is_file() else []
