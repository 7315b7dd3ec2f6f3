"""A foreign Keras file, read with zipfile, h5py and json alone before any Keras sees it.

Nothing is imported, called or unpacked on disk. A damaged file, a bomb or one that reaches outside
itself is refused here in one line; what is inside is judged by keras_config.
"""

from __future__ import annotations

import io
import json
import stat
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py

from edgekit.errors import InputError
from edgekit.sources.keras_config import check_config, class_names

SUFFIXES = {".keras": "zip", ".h5": "hdf5", ".hdf5": "hdf5"}
_MEMBERS = ("metadata.json", "config.json", "model.weights.h5")
_CONFIG_LIMIT_BYTES = 64 << 20
_TOTAL_LIMIT_BYTES = 8 << 30
_ENTRIES_LIMIT = 100_000  # files of an archive, or objects of an HDF5 file
_RATIO_LIMIT = 200  # of unpacked to stored; Keras stores weights as they are
_DAMAGE = (OSError, KeyError, RuntimeError, ValueError, TypeError, IndexError, AttributeError,
           OverflowError, EOFError, RecursionError, NotImplementedError, SystemError,
           zipfile.BadZipFile, zlib.error)  # fmt: skip


@dataclass(frozen=True)
class KerasFile:
    """What a screened file is."""

    path: Path
    container: str  # "zip" or "hdf5"
    keras_version: str  # that wrote it
    classes: frozenset[str]  # that its configuration names

    @property
    def writer(self) -> str:
        """Return "tf_keras" for Keras 2 and "keras3" from then on."""
        return "tf_keras" if self.keras_version.startswith("2.") else "keras3"


def screen(path: str | Path, *, trust: bool = False) -> KerasFile:
    """Return what a .keras, .h5 or .hdf5 file is, without running any of it.

    Args:
        path: the file.
        trust: let code in the configuration pass; limits and damage are checked all the same.

    Raises:
        InputError: not a Keras model, weights only, damaged, too large, reaching for other files,
            or holding code.
    """
    path = Path(path)
    with _one_line(path):
        with path.open("rb") as file:
            start = file.read(8)
        container = _container(path, start)
        config, version = (_read_zip if container == "zip" else _read_hdf5)(path)
    if not version.partition(".")[0].isdecimal() or int(version.partition(".")[0]) < 2:
        raise InputError(f"{path}: written by Keras {version[:20]!r}", expected="Keras 2 or 3")
    if not trust:
        check_config(config, path)
    return KerasFile(path, container, version, frozenset(class_names(config)))


@contextmanager
def _one_line(path: Path) -> Iterator[None]:
    try:
        yield
    except InputError:
        raise
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except _DAMAGE as error:
        raise InputError(f"{path}: damaged or not a Keras file", got=_brief(error)) from None


def _brief(error: BaseException) -> str:
    return f"{type(error).__name__} {error}"[:200]


def _container(path: Path, start: bytes) -> str:
    """Return how the file is packed, and insist that its suffix says the same: Keras goes by it."""
    packed = {b"PK\x03\x04": "zip", b"\x89HDF": "hdf5"}.get(start[:4])
    named = SUFFIXES.get(path.suffix)
    if packed is None or named is None:
        raise InputError(f"{path}: not a Keras file", expected="a .keras archive or an .h5 file")
    if packed != named:
        suffix = {"zip": ".keras", "hdf5": ".h5"}[packed]
        raise InputError(
            f"{path}: not what its suffix says", got=packed, do=f"rename it to end in {suffix}"
        )
    return packed


def _read_zip(path: Path) -> tuple[Any, str]:
    with zipfile.ZipFile(path) as archive:
        entries = archive.infolist()
        _check_entries(entries, path)
        for name in _MEMBERS:
            if name not in archive.namelist():
                raise InputError(f"{path}: not a whole model", expected=f"{name} inside")
        metadata = json.loads(archive.read("metadata.json"))
        config = json.loads(archive.read("config.json"))
        weights = archive.read("model.weights.h5")
    if not isinstance(config, dict) or not isinstance(metadata, dict):
        raise InputError(f"{path}: config.json and metadata.json", expected="objects")
    # We never compile: a loss or a metric of the author's own is not loaded and does not matter.
    config.pop("compile_config", None)
    with h5py.File(io.BytesIO(weights), "r") as file:
        _check_hdf5(file, len(weights), path)
    return config, str(metadata.get("keras_version", "nothing"))


def _check_entries(entries: list[zipfile.ZipInfo], path: Path) -> None:
    if len(entries) > _ENTRIES_LIMIT or len({e.filename for e in entries}) < len(entries):
        raise InputError(f"{path}: too many files or one name twice", got=len(entries))
    if sum(entry.file_size for entry in entries) > _TOTAL_LIMIT_BYTES:
        raise InputError(f"{path}: too large", expected="at most 8 GiB unpacked")
    for entry in entries:
        if problem := _problem(entry):
            raise InputError(f"{path}: {entry.filename}", got=problem, do="save the model again")


def _problem(entry: zipfile.ZipInfo) -> str:
    """Say what is wrong with one file of an archive, or nothing."""
    name, mode = entry.filename, entry.external_attr >> 16
    asset = name.startswith("assets/") and ".." not in name.split("/") and "\\" not in name
    if name not in _MEMBERS and not asset:
        return "a file that Keras does not write"
    if stat.S_IFMT(mode) not in (0, stat.S_IFREG, stat.S_IFDIR):
        return "a link or a device"
    if entry.flag_bits & 1 or entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        return "an encrypted file, or one packed in an unusual way"
    if entry.file_size > _RATIO_LIMIT * max(entry.compress_size, 1024):
        return "a file that unpacks to much more than it is"
    if name.endswith(".json") and entry.file_size > _CONFIG_LIMIT_BYTES:
        return f"{entry.file_size} bytes of JSON"
    return ""


def _read_hdf5(path: Path) -> tuple[Any, str]:
    with h5py.File(path, "r") as file:
        if "model_config" not in file.attrs:
            raise InputError(
                f"{path}: no model in it, weights at most",
                expected="a whole model",
                do="save it by model.save(), or build it in module:function and load them there",
            )
        _check_hdf5(file, path.stat().st_size, path)
        config = json.loads(_text(file.attrs["model_config"]))
        version = _text(file.attrs.get("keras_version", "nothing"))
    if not isinstance(config, dict):
        raise InputError(f"{path}: model_config", expected="an object")
    return config, version


def _text(value: Any) -> str:
    return value.decode("utf-8") if isinstance(value, bytes) else str(value)


def _check_hdf5(file: Any, size_bytes: int, path: Path) -> None:
    """Refuse links and datasets whose content lies elsewhere, loops and bombs."""
    groups, declared_bytes = [file], 0
    seen: set[int] = set()
    while groups:
        group = groups.pop()
        for name in group:
            if not isinstance(group.get(name, getlink=True), h5py.HardLink):
                raise InputError(f"{path}: {name}", got="a link", expected="the data themselves")
            item = group[name]
            address = h5py.h5o.get_info(item.id).addr
            if address in seen or len(seen) > _ENTRIES_LIMIT:
                raise InputError(f"{path}: {name}", got="a loop or too many objects")
            seen.add(address)
            if isinstance(item, h5py.Group):
                groups.append(item)
            elif not isinstance(item, h5py.Dataset) or item.external or item.is_virtual:
                raise InputError(f"{path}: {name}", got="data that lie in another file")
            else:
                declared_bytes += item.size * item.dtype.itemsize
    if declared_bytes > min(_RATIO_LIMIT * size_bytes, _TOTAL_LIMIT_BYTES):
        raise InputError(f"{path}: unpacks to much more than it is", got=f"{declared_bytes} bytes")
