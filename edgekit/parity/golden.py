"""Golden vectors: what an app's reader of an artifact must get, made by the reader in Python.

A golden file is an .npz beside the manifest. For each example number i and model file it holds

    i/thing             a picture `[H, W, C]` uint8, or a row of numbers `[D]`; i/thing.csv a matrix
    i/FILE/input        the raw tensor that the task makes of it
    i/FILE/output/NAME  the raw tensors that the file answers here
    i/FILE/mask         of segmentation, the class of each pixel of the thing
    i/FILE/answer.json  what `edgekit run --json` says
    FILE/gate.json      how far the outputs may lie apart on another machine

Of a policy that adapts it holds whole adaptations: see `edgekit.parity.golden_adaptation`.
`android_demo/core` reads it, in its tests and for the parity badge.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict
from typing import Any

import numpy as np
import numpy.typing as npt

from edgekit.artifact import Artifact, ModelFile
from edgekit.errors import InputError
from edgekit.evaluate import described
from edgekit.parity import gate_of
from edgekit.parity.golden_adaptation import adapts, play_golden
from edgekit.runtime.sandbox import open_isolated
from edgekit.signature import TensorSpec, main_signature
from edgekit.tasks import Task, task
from edgekit.tasks.matrices.genotypes import Genotypes
from edgekit.tasks.matrices.perfect import UNKNOWN
from edgekit.tasks.pictures.images import resize
from edgekit.tasks.pictures.scenes import draw_scene
from edgekit.tasks.segment import Mask
from edgekit.tasks.tables import Table

NAME = "golden.npz"
EXAMPLES = 2  # taken from the artifact's reference
_DRAWN = (150, 201)  # height and width of a picture that is no network's size
_DATE = (1980, 1, 1, 0, 0, 0)  # so that the same vectors are the same file

Array = npt.NDArray[Any]


def make_golden(artifact: Artifact, files: Sequence[ModelFile], more: Sequence[Any] = ()) -> bytes:
    """Return the golden file for some model files of an artifact.

    Its things are a few of the artifact's reference examples, and for pictures a drawn scene that
    must be resized.

    Args:
        artifact: that was checked.
        files: of it; each must take one input.
        more: things besides, as the task's `load` returns them; a policy that adapts has none.

    Raises:
        InputError: a file takes several inputs, or the artifact keeps no examples.
    """
    entries: dict[str, bytes] = {}
    for file in files:
        gate = gate_of(file.scheme, artifact.manifest.provenance)
        entries[f"{file.path}/gate.json"] = _text({k: v for k, v in asdict(gate).items() if v})
    return _zip(entries | (_adaptations if adapts(files) else _examples)(artifact, files, more))


def _adaptations(
    artifact: Artifact, files: Sequence[ModelFile], more: Sequence[Any]
) -> dict[str, bytes]:
    arrays, answers = play_golden(artifact, files)
    return {f"{name}.npy": _npy(array) for name, array in arrays.items()} | {
        f"{name}.json": _text(answer) for name, answer in answers.items()
    }


def _examples(
    artifact: Artifact, files: Sequence[ModelFile], more: Sequence[Any]
) -> dict[str, bytes]:
    the_task = task(artifact.manifest.task)
    chosen = [*_things(artifact, files[0]), *more]
    entries: dict[str, bytes] = {}
    for number, thing in enumerate(chosen):
        entries |= _thing_entries(f"{number}/thing", thing)
    for file in files:
        for number, made in enumerate(_answers(artifact, file, the_task, chosen)):
            entries |= {f"{number}/{file.path}/{name}": content for name, content in made.items()}
    return entries


def only_input(file: ModelFile) -> TensorSpec:
    """Return the one input of a file.

    Raises:
        InputError: there are several.
    """
    inputs = main_signature(file.signatures)[1].inputs
    if len(inputs) != 1:
        names = ", ".join(spec.name for spec in inputs)
        raise InputError(f"{file.path}: inputs", got=names, expected="one")
    return inputs[0]


def _answers(
    artifact: Artifact, file: ModelFile, the_task: Task, things: Sequence[Any]
) -> Iterator[dict[str, bytes]]:
    """Yield the entries of each thing's way through one file."""
    only_input(file)
    path, params = artifact.path(file), artifact.manifest.task
    with closing(open_isolated(path)) as session:
        signature = described(session.signatures, file.signatures, str(path))
        (spec,) = signature.inputs
        for thing in things:
            tensor = the_task.encode(thing, spec, params)
            raw = session({spec.name: tensor})
            real = {s.name: s.dequantize(raw[s.name]) for s in signature.outputs}
            answer = the_task.decode(real, params, thing)
            made = {"input.npy": _npy(tensor), "answer.json": _text(the_task.describe(answer))}
            made |= {f"output/{name}.npy": _npy(value) for name, value in raw.items()}
            if isinstance(answer, Mask):
                made["mask.npy"] = _npy(answer.classes)
            yield made


def _things(artifact: Artifact, file: ModelFile) -> Iterator[Any]:
    """Yield what the reference's first examples were before they became tensors."""
    spec = only_input(file)
    values = artifact.reference_of(file)[0][spec.name][:EXAMPLES]
    if spec.mean is not None and spec.std is not None:
        values = values * np.asarray(spec.std) + np.asarray(spec.mean)
    params = artifact.manifest.task
    for value in values:
        if params["name"] == "phylogeny":
            yield _matrix(value)
        elif value.ndim == 3:
            yield np.clip(np.rint(value), 0, 255).astype(np.uint8)
        else:
            names = params.get("inputs") or [str(i) for i in range(value.size)]
            yield Table("reference", tuple(map(str, names)), value.astype(np.float64)[np.newaxis])
    if values.ndim == 4:
        yield resize(draw_scene(np.random.default_rng(0))[0], _DRAWN)


def _matrix(signed: Array) -> Genotypes:
    rows, columns = (tuple(str(i + 1) for i in range(size)) for size in signed.shape)
    values = np.where(signed == 0, UNKNOWN, signed > 0).astype(np.uint8)
    return Genotypes("reference", rows, columns, values)


def _thing_entries(name: str, thing: Any) -> dict[str, bytes]:
    if isinstance(thing, Genotypes):
        lines = [["cell", *thing.columns]]
        lines += [[row, *map(str, v)] for row, v in zip(thing.rows, thing.values, strict=True)]
        return {f"{name}.csv": "\n".join(map(",".join, lines)).encode()}
    return {f"{name}.npy": _npy(thing.values[0] if isinstance(thing, Table) else thing)}


def _npy(array: Array) -> bytes:
    content = io.BytesIO()
    contiguous = np.ascontiguousarray(array)
    np.lib.format.write_array(content, contiguous, version=(1, 0))  # type: ignore[no-untyped-call]
    return content.getvalue()


def _text(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, allow_nan=False).encode()


def _zip(entries: Mapping[str, bytes]) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as file:
        for name, value in entries.items():
            file.writestr(zipfile.ZipInfo(name, _DATE), value, zipfile.ZIP_DEFLATED)
    return content.getvalue()
