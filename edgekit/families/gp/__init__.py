"""Gaussian process regression (Rasmussen, "Gaussian Processes in Machine Learning", 2004)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from edgekit.errors import InputError
from edgekit.families import Family, Preset

METHODS = ("auto", "exact", "sgpr", "fitc", "svgp")
WARPS = ("none", "log")
MEANS = ("zero", "constant", "linear", "quadratic")
EXACT_ROWS = 3000  # up to which "auto" is exact


@dataclass(frozen=True)
class Config:
    """What makes one Gaussian process."""

    kernel: str = "se + white"  # see prior/expression.py; of "a | b" the likelier is kept
    mean: str = "constant"  # zero, constant, linear or quadratic
    warp: str = "none"  # "log": the target as a logarithm, as far as that is likelier; "none | log"
    target: str = ""  # the column to predict; the last if empty
    unit: str = ""  # of the target
    method: str = "auto"  # exact up to 3,000 rows, else svgp
    restarts: int = 1  # of the search for hyper-parameters, beside the first start
    min_noise: float = 1e-6  # variance of the noise at the least, in units of the target's
    inducing: int = 512  # points of sgpr, fitc and svgp
    test: float = 0.2  # share of the rows that is held out
    duplicates: str = "refuse"  # or "keep": rows that are equal in every column
    columns: int = 2  # of a process that is drawn, not trained
    rows: int = 64  # likewise

    def __post_init__(self) -> None:
        """Check what can be checked without the data.

        Raises:
            InputError: a name is unknown, or a number makes no process.
        """
        for name, got, known in (("method", self.method, METHODS), ("mean", self.mean, MEANS),
                                 *(("warp", warp, WARPS) for warp in self.warps),
                                 ("duplicates", self.duplicates, ("refuse", "keep"))):  # fmt: skip
            if got not in known:
                raise InputError(f"gp: {name}", got=got, expected="one of " + ", ".join(known))
        wrong: list[tuple[bool, str, object, str]] = [
            (self.restarts < 0, "restarts", self.restarts, "0 or more"),
            (not 0 < self.min_noise < 1, "min_noise", self.min_noise, "between 0 and 1"),
            (self.inducing < 2, "inducing", self.inducing, "at least 2"),
            (not 0 <= self.test < 1, "test", self.test, "from 0 to below 1"),
            (self.columns < 1, "columns", self.columns, "at least 1"),
            (self.rows < 2, "rows", self.rows, "at least 2"),
        ]
        for failed, name, value, expected in wrong:
            if failed:
                raise InputError(f"gp: {name}", got=value, expected=expected)

    @property
    def kernels(self) -> tuple[str, ...]:
        """The kernels of which the likeliest is kept."""
        return _alternatives(self.kernel)

    @property
    def warps(self) -> tuple[str, ...]:
        """The warps that each is tried with."""
        return _alternatives(self.warp)


def _alternatives(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split("|"))


def _describe(config: Config) -> Mapping[str, Any]:
    return {"inputs": [f"x{i}" for i in range(config.columns)], "target": "y"}


# What the device form of each preset's drawn posterior takes: constants, and MAdds of one row.
_DRAWN = (("se", 286, 141), ("matern52", 288, 141), ("rq", 287, 141))
_TRAINING = {"epochs": 30, "batch_size": 1024, "learning_rate": 1e-2}  # of svgp

FAMILY = Family(
    name="gp",
    task="regress",
    source="Rasmussen 2004, Gaussian Processes in Machine Learning",
    schemes=("f32", "w8a8", "w8a16"),
    presets={
        name: Preset(Config(kernel=f"{name} + white"), params, madds, _TRAINING)
        for name, params, madds in _DRAWN
    },
    tiny=Config(rows=24, inducing=8),
    mean=None,
    std=None,
    max_drop=5.0,
    module=__name__,
    heeds=("epochs", "batch_size", "learning_rate", "seed"),
    refuses=dict.fromkeys(
        ("weights", "sha256", "qat", "resume", "distributed"), "a process is trained in one go"
    ),
    source_module=f"{__name__}.source",
    dial=("max_bytes", "max_nlpd_loss", "form"),
    integer=True,
    signatures={"predict": ("mean",), "predict_std": ("mean", "std_f", "std_y")},
    describe=_describe,
)
