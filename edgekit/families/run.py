"""A run: the folder that training fills, and what run.json says about it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from edgekit.errors import InputError
from edgekit.families import family
from edgekit.files import write_file
from edgekit.train import Options

SCHEMA = 1
RUN = "run.json"
CALIBRATION = "calibration.npz"  # inputs that tell ranges, of families whose data are no pictures
PACKAGES = ("edgekit", "tensorflow", "tf_keras", "tensorflow-model-optimization", "numpy")
_NEWER = ("task", "teacher")  # fields that older runs have not


@dataclass(frozen=True)
class Run:
    """A network that is being trained, or has been."""

    folder: Path
    family: str
    config: Any  # the family's own dataclass
    options: Options
    data: str  # where the training data came from
    classes: tuple[str, ...] = ()
    weights: str | None = None  # what training started from
    input: Mapping[str, Any] = field(default_factory=dict)  # {"mean", "std", "layout"}
    best: Mapping[str, float] = field(default_factory=dict)  # on validation, by phase
    test: Mapping[str, Mapping[str, float]] = field(default_factory=dict)  # by phase
    task: Mapping[str, Any] = field(default_factory=dict)  # its parameters beside labels
    teacher: str | None = None  # the run whose float network taught this one's quantized copy
    packages: Mapping[str, str] = field(default_factory=dict)

    @property
    def qat(self) -> bool:
        """Whether a quantization-aware phase belongs to the run."""
        return self.options.qat_epochs > 0

    @property
    def done(self) -> bool:
        """Whether every phase is complete."""
        return "qat" in self.test if self.qat else "float" in self.test

    def weights_path(self, phase: str) -> Path:
        """Return where the best weights of "float" or "qat" lie."""
        # Not qat.weights.h5: by that ending Keras 2 takes a format that loses tfmot's variables.
        return self.folder / {"float": "weights.h5", "qat": "qat_weights.h5"}[phase]


def open_run(folder: str | Path) -> Run:
    """Read `folder`'s run.json.

    Raises:
        InputError: there is none, or it is malformed or of another schema.
    """
    path = Path(folder) / RUN
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        raise InputError(f"{folder}: not a training run", expected=f"a folder with {RUN}") from None
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read", got=error) from None
    if not isinstance(raw, dict) or raw.get("schema") != SCHEMA:
        got = raw.get("schema") if isinstance(raw, dict) else type(raw).__name__
        raise InputError(f"{path}: unknown schema", got=got, expected=str(SCHEMA))
    try:
        kept = {
            f.name: raw[f.name]
            for f in fields(Run)
            if f.name not in ("folder", "options") and (f.name in raw or f.name not in _NEWER)
        }
        return Run(
            folder=Path(folder),
            options=Options(**raw["training"]),
            **kept
            | {"config": family(raw["family"]).config(raw["config"])}
            | {"classes": tuple(raw["classes"])},
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{path}: malformed", got=repr(error)) from None


def task_parameters(run: Run) -> dict[str, Any]:
    """Return what a manifest says of the run's task: its name, the config's part, labels."""
    kind = family(run.family)
    labels = {"labels": list(run.classes)} if run.classes else {}
    return {"name": kind.task_of(run.config), **kind.describe(run.config), **labels}


def claim(folder: Path) -> None:
    """Make sure that a new run overwrites nothing.

    Raises:
        InputError: something is there already.
    """
    if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
        raise InputError(
            f"{folder}: already there", do="go on with --resume, or give another folder with -o"
        )


def write_run(run: Run) -> None:
    """Write run.json whole or not at all.

    Raises:
        InputError: the folder cannot be written.
    """
    kept = {f.name: getattr(run, f.name) for f in fields(Run)}
    raw = {
        "schema": SCHEMA,
        **{k: v for k, v in kept.items() if k not in ("folder", "config", "options")},
        "config": asdict(run.config),
        "training": asdict(run.options),
        "seed": run.options.seed,
        "qat": run.qat,
        "packages": _versions(),
    }
    write_file(run.folder / RUN, json.dumps(raw, indent=2, ensure_ascii=False) + "\n")


def _versions() -> dict[str, str]:
    found = {}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    return found
