"""What MODEL may be: a preset, a run, a Keras file, a SavedModel, or a function of the user's.

`parse` says which, `load` reads it; nothing here imports TensorFlow before `load`.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from edgekit.errors import InputError, MissingExtraError
from edgekit.export.source import Source
from edgekit.families import MODULES, family
from edgekit.files import file_sha256

MAY_BE = (
    "a preset as mobilenet_v2:1.0-224, a run folder, a .keras or .h5 file, a SavedModel folder, "
    "or module:function"
)
RUN = "run.json"
SAVED_MODEL = "saved_model.pb"
_KERAS_SUFFIXES = (".keras", ".h5", ".hdf5")
_FUNCTION = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*")


@dataclass(frozen=True)
class Reference:
    """A MODEL that was told apart but not yet read."""

    kind: str  # preset, run, keras_file, saved_model or function
    text: str  # as it was given

    @property
    def foreign(self) -> bool:
        """Whether it may come from somebody else, so that it belongs in a child process."""
        return self.kind in ("keras_file", "saved_model")


def parse(model: str) -> Reference:
    """Say what MODEL is.

    Raises:
        InputError: nothing that we know, or two things at once.
    """
    path, (left, colon, _) = Path(model), model.partition(":")
    preset = bool(colon) and left in MODULES
    if path.exists():
        if preset:
            raise InputError(f"{model}: a preset and a file", do=f"write ./{model} for the file")
        return Reference(_kind_of_path(path), model)
    if preset:
        family(left).preset(model[len(left) + 1 :])
        return Reference("preset", model)
    if model in MODULES:
        some = next(iter(family(model).presets))
        raise InputError(f"{model}: which preset", expected=f"one as {model}:{some}")
    if _FUNCTION.fullmatch(model):
        return Reference("function", model)
    if path.suffix in _KERAS_SUFFIXES or path.is_symlink() or len(path.parts) > 1:
        raise InputError(f"{model}: no such file or folder", expected=MAY_BE)
    raise InputError(f"{model!r}: no model", expected=MAY_BE)


def load(
    model: str | Reference,
    *,
    trust: bool = False,
    seed: int = 0,
    weights: str | None = None,
    sha256: str | None = None,
    dial: Mapping[str, Any] | None = None,
) -> Source:
    """Read MODEL.

    Args:
        model: as `parse` takes it.
        trust: let a file run the code that it holds.
        seed: of the random weights of a preset, or of what a function leaves to chance.
        weights: of a preset: "imagenet", or a file.
        sha256: what the weights must hash to.
        dial: what is asked of a run, as {"max_bytes": 60000}.

    Raises:
        InputError: it cannot be read, holds code without `trust`, or has weights that are no
            numbers.
        MissingExtraError: TensorFlow is not installed.
    """
    reference = parse(model) if isinstance(model, str) else model
    if weights and reference.kind != "preset":
        raise InputError(
            f"--weights {weights}", do="leave it out: only a preset comes without weights"
        )
    asked = [name for name, value in (dial or {}).items() if value is not None]
    if asked and reference.kind != "run":
        raise InputError(f"--{asked[0].replace('_', '-')}", do="leave it out: only a run takes it")
    try:
        module = import_module(f"{__name__}.{reference.kind}")
    except ModuleNotFoundError as error:
        if error.name and error.name.startswith("edgekit"):
            raise
        raise MissingExtraError(error.name or "TensorFlow", "train") from None
    if reference.foreign:
        source: Source = module.load(Path(reference.text), trust=trust)
    elif reference.kind == "preset":
        source = module.load(reference.text, seed=seed, weights=weights, sha256=sha256)
    elif reference.kind == "run":
        source = module.load(reference.text, dial=dial)
    elif reference.kind == "function":
        source = module.load(reference.text, seed=seed)
    else:
        source = module.load(reference.text)
    return source


def tree_sha256(folder: Path) -> str:
    """Return one SHA-256 for the names and contents of all files in `folder`."""
    digest = hashlib.sha256()
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        name = str(path.relative_to(folder)).encode("utf-8", "surrogateescape")
        digest.update(name + b"\0" + file_sha256(path).encode() + b"\n")
    return digest.hexdigest()


def _kind_of_path(path: Path) -> str:
    if path.is_dir():
        for name, kind in ((RUN, "run"), (SAVED_MODEL, "saved_model")):
            if (path / name).is_file():
                return kind
        if (path / "manifest.json").is_file():
            raise InputError(f"{path}: an artifact, converted already", expected=MAY_BE)
        raise InputError(f"{path}: a folder without {RUN} or {SAVED_MODEL}", expected=MAY_BE)
    if path.suffix in _KERAS_SUFFIXES:
        return "keras_file"
    if path.suffix in (".tflite", ".onnx"):
        raise InputError(f"{path}: converted already", expected=MAY_BE)
    if path.name == SAVED_MODEL:
        raise InputError(f"{path}: part of a SavedModel", do=f"give the folder {path.parent}")
    raise InputError(f"{path}: no model", expected=MAY_BE)
