"""Artifacts in an Android app's project: its assets and the register that lists them."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from edgekit.artifact import Artifact, ModelFile, write_artifact
from edgekit.errors import InputError
from edgekit.files import write_file
from edgekit.signature import entry_signatures

MARK = Path("app/src/main/AndroidManifest.xml")  # without it a folder is no project of the app
MODELS = Path("app/src/main/assets/models")
REGISTER = "register.json"
SCHEMA = 1
AGENT = ("act", "encode", "fuse")  # entry points of a policy that adapts
TASK_FAMILIES = ("point-robot",)  # to which the app lets it adapt
TASKS = ("classify", "detect", "segment", "regress", "control", "phylogeny")


def check_project(project: Path) -> None:
    """Find out whether `project` is the app's.

    Raises:
        InputError: it is not, or its register cannot be read.
    """
    if not (project / MARK).is_file():
        raise InputError(
            f"{project}: no Android project", expected=f"a folder with {MARK}",
            do="give the folder android_demo of edgekit's source",
        )  # fmt: skip
    registered(project)


def registered(project: Path) -> list[str]:
    """Return the folders of the models that the app shows, in its order.

    Raises:
        InputError: the register cannot be read.
    """
    path = project / MODELS / REGISTER
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
        if raw["schema"] != SCHEMA or not all(isinstance(name, str) for name in raw["models"]):
            raise ValueError(f"schema {raw['schema']}")
    except FileNotFoundError:
        return []
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path}: cannot be read", got=repr(error), do="remove it") from None
    return list(raw["models"])


def usable_files(artifact: Artifact, schemes: Sequence[str] = ()) -> list[ModelFile]:
    """Return the files that the app can run: TFLite's, of a task that it knows.

    Raises:
        InputError: there is none; why.
    """
    params = artifact.manifest.task
    what = f"{artifact.folder}: not for the app"
    if params["name"] not in TASKS:
        raise InputError(what, got=f"task {params['name']}", expected="one of " + ", ".join(TASKS))
    found = [
        file
        for file in artifact.manifest.files
        if file.format == "tflite" and (not schemes or file.scheme in schemes)
    ]
    entries = sorted({name for file in found for name in entry_signatures(file.signatures)})
    if len(entries) > 1:
        _check_agent(what, entries, str(params.get("environment")))
    if not found:
        raise InputError(
            what, got=", ".join(f"{f.scheme} {f.format}" for f in artifact.manifest.files),
            expected=f"a .tflite file {'of ' + ', '.join(schemes) if schemes else ''}".strip(),
            do="convert with --to tflite",
        )  # fmt: skip
    return found


def _check_agent(what: str, entries: Sequence[str], environment: str) -> None:
    """Insist on a policy that adapts, to tasks that the app has."""
    if entries != list(AGENT):
        raise InputError(what, got=f"entry points {', '.join(entries)}",
                         expected=f"one, or {', '.join(AGENT)}")  # fmt: skip
    if environment not in TASK_FAMILIES:
        raise InputError(what, got=f"tasks {environment}", expected=", ".join(TASK_FAMILIES))


def folder_name(name: str) -> str:
    """Return what the app calls an artifact of that name."""
    return re.sub(r"[^A-Za-z0-9._-]", "-", name)


def install(
    artifact: Artifact, files: Sequence[ModelFile], project: Path, extra: dict[str, bytes]
) -> Path:
    """Put files of an artifact into the app's assets, and register them; return the folder.

    The manifest there names these files alone and no reference: `extra` is what takes its place.

    Raises:
        InputError: the project cannot be written.
    """
    names = registered(project)
    name = folder_name(artifact.manifest.name)
    folder = project / MODELS / name
    manifest = replace(artifact.manifest, files=tuple(files), reference=None)
    contents = {file.path: artifact.path(file).read_bytes() for file in files}
    folder.parent.mkdir(parents=True, exist_ok=True)
    write_artifact(folder, manifest, {**contents, **extra})
    raw: dict[str, Any] = {"schema": SCHEMA, "models": list(dict.fromkeys([*names, name]))}
    write_file(project / MODELS / REGISTER, json.dumps(raw, indent=2) + "\n")
    return folder
