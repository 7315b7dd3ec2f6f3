"""Files written whole or not at all, and their hashes."""

from __future__ import annotations

import hashlib
import mmap
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from edgekit.errors import InputError


def replace_folder(folder: Path, fill: Callable[[Path], None]) -> None:
    """Let `fill` write a new folder beside `folder`, then swap it in.

    Raises:
        InputError: the place cannot be written, or the disk is full; the old folder stays.
    """
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        fresh = Path(tempfile.mkdtemp(prefix=f".{folder.name[:40]}-", dir=folder.parent))
        try:
            fresh.chmod(0o755)
            fill(fresh)
            for path in [*fresh.rglob("*"), fresh]:
                _sync(path)
            old = fresh.with_name(fresh.name + "-old")
            try:
                if folder.exists():
                    folder.rename(old)
                fresh.rename(folder)
            except BaseException:  # an interrupt too: the old folder comes back
                if old.exists() and not folder.exists():
                    old.rename(folder)
                raise
            shutil.rmtree(old, ignore_errors=True)
            _sync(folder.parent)
        finally:
            shutil.rmtree(fresh, ignore_errors=True)
    except OSError as error:
        raise _cannot_be_written(folder, error) from None


def map_file(path: Path) -> mmap.mmap:
    """Return the bytes of a file, each page read when it is first looked at.

    Raises:
        InputError: it cannot be read, or holds nothing.
    """
    try:
        with path.open("rb") as file:
            if not os.fstat(file.fileno()).st_size:
                raise InputError(f"{path}: an empty file", expected="a model")
            return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except OSError as error:
        raise InputError(f"{path}: cannot be read", got=error.strerror or error) from None


def write_file(path: str | Path, content: bytes | str) -> None:
    """Write one file whole or not at all: a temporary file beside it, synced, then renamed.

    Raises:
        InputError: the place cannot be written, or the disk is full.
    """
    path = Path(path)
    data = content.encode("utf-8", "backslashreplace") if isinstance(content, str) else content
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.name[:40]}-", dir=path.parent)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            Path(name).chmod(0o644)
            Path(name).replace(path)
            _sync(path.parent)
        finally:
            Path(name).unlink(missing_ok=True)
    except OSError as error:
        raise _cannot_be_written(path, error) from None


def check_place(path: str | Path) -> None:
    """Try to write beside `path`: what cannot be kept is better known before the work than after.

    Raises:
        InputError: nothing can be written there.
    """
    path = Path(path)
    try:
        place = next((p for p in path.absolute().parents if p.exists()), path)
        with tempfile.TemporaryDirectory(prefix=".edgekit-", dir=place):
            pass
    except OSError as error:
        raise _cannot_be_written(path, error) from None


def check_file_place(path: str | Path) -> None:
    """Do the same for a file, which may not be where a folder is.

    Raises:
        InputError: nothing can be written there, or a folder is there.
    """
    check_place(path)
    if Path(path).is_dir():
        raise InputError(f"{path}: cannot be written", got="a folder", expected="a file")


def file_sha256(path: str | Path) -> str:
    """Return the SHA-256 of a file as hex, read in blocks."""
    digest = hashlib.sha256()
    with Path(path).open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def _cannot_be_written(path: Path, error: OSError) -> InputError:
    return InputError(f"{path}: cannot be written", got=error.strerror or error)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
