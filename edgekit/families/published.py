"""Published weights of any family: what a file holds, and the run that it becomes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgekit.errors import InputError
from edgekit.families import Family
from edgekit.families.mobilenet_v2.pretrained import assign
from edgekit.families.run import Run, claim, write_run
from edgekit.files import file_sha256
from edgekit.quantize.published import Weights
from edgekit.train import Options
from edgekit.train.checkpoint import save_weights

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Published:
    """What a file holds."""

    config: Any  # the family's own dataclass
    arrays: Mapping[str, Sequence[Array]]  # by layer, in Keras's order
    mean: tuple[float, ...]  # of pixels: (pixel - mean) / std goes in
    std: tuple[float, ...]


def bias_alone(found: Weights, epsilon: float) -> list[Array]:
    """Return a batch norm that adds the bias of the convolution that another was folded into.

    They are gamma, beta, mean and variance such that gamma / sqrt(variance + epsilon) is 1.
    """
    ones = np.ones_like(found.bias)
    return [ones, found.bias, 0 * ones, np.float32(1 - epsilon) * ones]


def write_published(
    found: Published, kind: Family, path: Path, folder: Path, classes: Sequence[str]
) -> Run:
    """Write a run whose network has the weights that were found in `path`.

    Raises:
        InputError: weights do not fit, or something is in the folder already.
    """
    claim(folder)
    network = kind.build(found.config)
    assign(network, found.arrays, path)
    run = Run(
        folder=folder,
        family=kind.name,
        config=found.config,
        options=Options(),
        data="",
        classes=tuple(classes),
        weights=f"derived from {path.name}, SHA-256 {file_sha256(path)}",
        input={"mean": list(found.mean), "std": list(found.std), "layout": "NHWC"},
    )
    save_weights(network, run.weights_path("float"))
    write_run(run)
    return run


def read_classes(path: Path | None, count: int) -> list[str]:
    """Return the lines of a label file, else the numbers of the outputs.

    Raises:
        InputError: as many lines as outputs are needed.
    """
    if path is None:
        return [str(index) for index in range(count)]
    names = path.read_text(encoding="utf-8").splitlines()
    if len(names) != count:
        raise InputError(f"{path}: labels", got=len(names), expected=str(count))
    return names
