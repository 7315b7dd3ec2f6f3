"""What a run keeps of a trained process, and how it comes back."""

from __future__ import annotations

import io
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edgekit.errors import InputError
from edgekit.families.gp.device.form import Conditioned
from edgekit.families.gp.inference.likelihood import Model, model
from edgekit.families.gp.inference.posterior import condition_on
from edgekit.families.gp.inference.sparse import SparsePosterior
from edgekit.families.gp.prior.kernel import Array
from edgekit.families.gp.units import Units
from edgekit.files import write_file

FILE = "gp.npz"


@dataclass(frozen=True, eq=False)
class Trained:
    """A process with hyper-parameters, and what it knows, in its own units."""

    kernel: str  # of the alternatives the one that was kept
    mean: str
    min_noise: float
    theta: Array
    units: Units
    x: Array  # [N, D]: the data, or a part of them for a sparse process
    y: Array  # [N], bent if the units have a curve
    inducing: Array | None = None  # [M, D]; None if exact
    q_mean: Array | None = None  # [M], of the whitened values there
    q_root: Array | None = None  # [M, M], lower: their covariance is q_root q_root'

    @property
    def gp(self) -> Model:
        """The model."""
        return model(self.kernel, self.mean, self.min_noise)

    def posterior(self, x: Array | None = None) -> Conditioned:
        """Return the posterior; an exact one with its inputs at `x` instead, if given."""
        if self.inducing is None or self.q_mean is None or self.q_root is None:
            return condition_on(self.gp, self.theta, self.x if x is None else x, self.y)
        return SparsePosterior(self.gp, self.theta, self.x, self.inducing, self.q_mean, self.q_root)


def write(folder: Path, trained: Trained) -> None:
    """Write gp.npz whole or not at all."""
    arrays = {
        "kernel": trained.kernel, "mean": trained.mean, "min_noise": trained.min_noise,
        "theta": trained.theta, "x": trained.x, "y": trained.y,
        "shift": trained.units.shift, "scale": trained.units.scale,
        "y_units": np.array([trained.units.y_shift, trained.units.y_scale]),
    }  # fmt: skip
    if trained.units.curve is not None:
        arrays["curve"] = trained.units.curve
    if trained.inducing is not None:
        arrays |= {name: getattr(trained, name) for name in ("inducing", "q_mean", "q_root")}
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **{name: np.asarray(value) for name, value in arrays.items()})
    write_file(folder / FILE, buffer.getvalue())


def read(folder: Path) -> Trained:
    """Read gp.npz.

    Raises:
        InputError: it is missing or damaged, or holds what is no finite number.
    """
    path = folder / FILE
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        shift, scale = (float(value) for value in arrays["y_units"])
        curve = float(arrays["curve"]) if "curve" in arrays else None
        sparse = {name: arrays.get(name) for name in ("inducing", "q_mean", "q_root")}
        trained = Trained(
            str(arrays["kernel"]), str(arrays["mean"]), float(arrays["min_noise"]),
            arrays["theta"], Units(arrays["shift"], arrays["scale"], shift, scale, curve),
            arrays["x"], arrays["y"], **sparse,
        )  # fmt: skip
    except FileNotFoundError:
        raise InputError(f"{path}: missing", do="train again: the run was not finished") from None
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise InputError(f"{path}: damaged", got=error, do="train again") from None
    for name, value in arrays.items():
        if value.dtype.kind == "f" and not np.isfinite(value).all():
            raise InputError(f"{path}: {name}", got="NaN or infinity", do="train again")
    return trained
