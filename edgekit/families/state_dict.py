"""PyTorch's state dicts in formats that hold arrays and nothing that runs."""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgekit.errors import InputError, MissingExtraError

SUFFIXES = (".npz", ".safetensors")
_DAMAGE = (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile, zlib.error)


def read_state_dict(path: Path) -> dict[str, npt.NDArray[Any]]:
    """Return the arrays of an .npz or a .safetensors by PyTorch's names.

    Raises:
        InputError: another format, as PyTorch's own pickles, which run code; or damaged.
        MissingExtraError: safetensors is not installed.
    """
    if path.suffix not in SUFFIXES:
        raise InputError(
            f"{path}: no state dict",
            got=path.suffix or "no suffix",
            expected=" or ".join(SUFFIXES),
            do="save it by safetensors.torch.save_file(model.state_dict(), FILE)",
        )
    try:
        return _read_npz(path) if path.suffix == ".npz" else _read_safetensors(path)
    except _DAMAGE as error:
        reason = getattr(error, "strerror", None) or error or type(error).__name__
        raise InputError(f"{path}: cannot be read as {path.suffix}", got=reason) from None


def _read_npz(path: Path) -> dict[str, npt.NDArray[Any]]:
    with np.load(path, allow_pickle=False) as file:
        return {name: file[name] for name in file.files}


def _read_safetensors(path: Path) -> dict[str, npt.NDArray[Any]]:
    try:
        from safetensors import SafetensorError
        from safetensors.numpy import load_file
    except ModuleNotFoundError as error:
        raise MissingExtraError(error.name or "safetensors", "train") from None
    try:
        arrays: dict[str, npt.NDArray[Any]] = load_file(path)
    except SafetensorError as error:
        raise ValueError(str(error)) from None
    return arrays
