"""What a model is worth: a task's metrics over a data set, for each file."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from edgekit.artifact import Artifact, ModelFile
from edgekit.errors import InputError
from edgekit.runtime import RUNTIMES, Session
from edgekit.runtime.sandbox import open_isolated
from edgekit.signature import DEFAULT_SIGNATURE, Signature, TensorSpec
from edgekit.tasks import Params, Score, Task, task
from edgekit.tasks.arrays import Arrays, holds_inputs

SCHEMA = 1
_FLOAT = "f32"
_AT_ONCE = 64  # examples that go to a device together

Tensors = dict[str, npt.NDArray[Any]]


@dataclass(frozen=True)
class Evaluation:
    """One metric of one file."""

    file: str
    format: str
    scheme: str
    sha256: str
    runtime: str
    score: Score
    device: str = "local"

    def row(self) -> dict[str, Any]:
        """Return it as one flat row of JSON types."""
        flat = {k: v for k, v in asdict(self).items() if k != "score"}
        return flat | asdict(self.score)


def evaluate(
    artifact: Artifact,
    source: str,
    *,
    scheme: str | None = None,
    runtime: str | None = None,
    threads: int = 1,
    on_example: Callable[[str, int, int], None] | None = None,
    opened: Callable[[ModelFile], Session] | None = None,
) -> list[Evaluation]:
    """Return the task's metrics on the test split of `source` for each file of `artifact`.

    Args:
        artifact: its files are compared with their SHA-256 first, and opened in the sandbox.
        source: the data, as the task reads it.
        scheme: only the files of this scheme.
        runtime: only the files that it opens; by default each in that of its format.
        threads: of the runtime.
        on_example: called with the file's path, how many examples are done and how many there are.
        opened: opens a file elsewhere, as on a device; `runtime` and `threads` are then its own.

    Raises:
        InputError: a damaged artifact, data that does not fit it, or no file to evaluate.
    """
    artifact.check()
    params = _asked(artifact, source)
    the_task = task(params)
    examples = the_task.read(source, params)
    found = []
    for file in _chosen(artifact, scheme, runtime):
        session = (
            opened(file)
            if opened
            else open_isolated(artifact.path(file), runtime=runtime, threads=threads)
        )
        try:
            specs = described(session.signatures, file.signatures, str(artifact.path(file)))
            on_done = partial(on_example, file.path) if on_example else None
            scores = _score(the_task, session, specs, params, examples, on_done)
        finally:
            session.close()
        name, device = str(session.facts["runtime"]), str(session.facts.get("device", "local"))
        found += [
            Evaluation(file.path, file.format, file.scheme, file.sha256, name, score, device)
            for score in scores
        ]
    return found


def answer(
    the_task: Task, session: Session, signature: Signature, thing: Any, params: Params
) -> Any:
    """Return the task's answer to one thing: encode, run, decode.

    Raises:
        InputError: the model takes more than one input and the thing is not arrays by name, or the
            task cannot read what the model gives.
    """
    raw = _run(session, signature.inputs, _encode(the_task, signature, thing, params))
    return _decode(the_task, signature, raw, thing, params)


def _encode(the_task: Task, signature: Signature, thing: Any, params: Params) -> Tensors:
    given = _by_input(thing, signature.inputs, params)
    return {spec.name: the_task.encode(given[spec.name], spec, params) for spec in signature.inputs}


def _decode(the_task: Task, signature: Signature, raw: Tensors, thing: Any, params: Params) -> Any:
    outputs = {spec.name: spec.dequantize(raw[spec.name]) for spec in signature.outputs}
    return the_task.decode(outputs, params, thing)


def _by_input(thing: Any, inputs: Sequence[TensorSpec], params: Params) -> Mapping[str, Any]:
    """Return what goes into each input."""
    if isinstance(thing, Arrays):
        return thing.of(inputs)
    if len(inputs) != 1:
        names = ", ".join(spec.name for spec in inputs)
        raise InputError(f"task {params['name']}", got=f"inputs {names}", expected="one input",
                         do="give an .npz with an array for each")  # fmt: skip
    return {inputs[0].name: thing}


def _run(session: Session, inputs: Sequence[TensorSpec], tensors: Tensors) -> dict[str, Any]:
    """Run one inference, or several where the file's batch is fixed and there are more rows.

    Raises:
        InputError: the rows of the inputs are not as many, or do not fill the last batch.
    """
    if all(_agree(spec.shape, tensors[spec.name].shape) for spec in inputs):
        return session(tensors)
    rows = {spec.name: len(tensors[spec.name]) for spec in inputs if spec.shape}
    batch = max(spec.shape[0] for spec in inputs if spec.shape)
    count = max(rows.values())
    if batch == 1 and session.takes_rows and len(set(rows.values())) == 1:
        return session(tensors)
    if len(set(rows.values())) > 1 or count % batch:
        told = ", ".join(f"{size} of {name}" for name, size in rows.items())
        raise InputError("rows of the inputs", got=told,
                         expected=f"as many in each, and whole batches of {batch}")  # fmt: skip
    parts = [
        session({name: tensor[i : i + batch] for name, tensor in tensors.items()})
        for i in range(0, count, batch)
    ]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def described(
    opened: Mapping[str, Signature], manifest: Mapping[str, Signature], where: str,
    name: str = DEFAULT_SIGNATURE,
) -> Signature:  # fmt: skip
    """Return the signature that the file has, with what only the manifest knows of its tensors.

    Raises:
        InputError: there is none called `name`, or the manifest describes other tensors than the
            file has.
    """
    if name not in opened or name not in manifest:
        raise InputError(f"{where}: signatures", got=", ".join(opened), expected=name,
                         do="play it with --env, if it is a policy that adapts")  # fmt: skip
    own, told = opened[name], manifest[name]
    return Signature(
        _merged(own.inputs, told.inputs, where), _merged(own.outputs, told.outputs, where)
    )


def to_json(evaluations: Sequence[Evaluation], data: str) -> dict[str, Any]:
    """Return an evaluation result, schema 1, as `edgekit gate` reads it."""
    rows = [e.row() for e in evaluations]
    for row in rows:
        row["delta_points"] = delta_points(row, rows)
        row["change"] = change(row, rows)
    return {"schema": SCHEMA, "kind": "evaluation", "data": data, "rows": rows}


def delta_points(row: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> float | None:
    """Return the difference from the float file in points of 100; None where there is none.

    The float file of the same format is the one to compare with, else that of the other.
    """
    same = _float_row(row, rows)
    if row["unit"] != "1" or same is None:
        return None
    # Shares of n examples: 1e-9 is rounding, never a difference.
    return round(100 * float(row["value"] - same["value"]), 9)


def change(row: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> float | None:
    """Return how an error in its own unit differs from the float file's: nats, else new / old - 1.

    None for shares, which `delta_points` tells, and where there is no float file or no error in it.
    """
    same = _float_row(row, rows)
    if row["unit"] == "1" or same is None:
        return None
    more = float(row["value"] - same["value"])
    if row["unit"] == "nats":
        return more
    return more / float(same["value"]) if same["value"] else None


def _float_row(
    row: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]
) -> Mapping[str, Any] | None:
    floats = [r for r in rows if r["scheme"] == _FLOAT and r["metric"] == row["metric"]]
    same = [r for r in floats if r["format"] == row["format"]] or floats
    return same[0] if same else None


def _asked(artifact: Artifact, source: str) -> Params:
    """Return the artifact's task, or `tensors` where the data holds its inputs by their names."""
    params = artifact.manifest.task
    signatures = artifact.manifest.files[0].signatures if artifact.manifest.files else {}
    entry = signatures.get(DEFAULT_SIGNATURE)
    if entry is None or not holds_inputs(source, entry.inputs):
        return params
    return {**params, "name": "tensors"}


def _chosen(artifact: Artifact, scheme: str | None, runtime: str | None) -> list[ModelFile]:
    if runtime is not None and runtime not in RUNTIMES:
        raise InputError(f"runtime {runtime}: unknown", expected="one of " + ", ".join(RUNTIMES))
    format = RUNTIMES[runtime][0] if runtime else None
    artifact.file(scheme=scheme, format=format)  # or the line that lists what there is
    return [
        f
        for f in artifact.manifest.files
        if scheme in (None, f.scheme) and format in (None, f.format)
    ]


def _score(
    the_task: Task,
    session: Session,
    signature: Signature,
    params: Params,
    examples: Sequence[tuple[Any, Any]],
    on_done: Callable[[int, int], None] | None,
) -> list[Score]:
    answers, truths = [], []
    at_once = _AT_ONCE if session.takes_rows else 1
    for first in range(0, len(examples), at_once):
        chosen = [examples[i] for i in range(first, min(first + at_once, len(examples)))]
        things = [thing for thing, _ in chosen]
        answers += _answers(the_task, session, signature, things, params)
        truths += [truth for _, truth in chosen]
        if on_done:
            on_done(len(answers), len(examples))
    return the_task.score(answers, truths)


def _answers(
    the_task: Task, session: Session, signature: Signature, things: Sequence[Any], params: Params
) -> list[Any]:
    """Return an answer for each thing, in one call where each is a row of its own."""
    if len(things) == 1:
        return [answer(the_task, session, signature, things[0], params)]
    encoded = [_encode(the_task, signature, thing, params) for thing in things]
    if any(tensor.shape[:1] != (1,) for tensors in encoded for tensor in tensors.values()):
        return [answer(the_task, session, signature, thing, params) for thing in things]
    raw = session(
        {name: np.concatenate([tensors[name] for tensors in encoded]) for name in encoded[0]}
    )
    return [
        _decode(the_task, signature, {n: v[i : i + 1] for n, v in raw.items()}, thing, params)
        for i, thing in enumerate(things)
    ]


def _merged(
    own: Sequence[TensorSpec], told: Sequence[TensorSpec], where: str
) -> tuple[TensorSpec, ...]:
    by_name = {spec.name: spec for spec in told}
    merged = []
    for spec in own:
        known = by_name.get(spec.name)
        if known is None or known.dtype != spec.dtype or not _agree(known.shape, spec.shape):
            raise InputError(
                f"{where}: tensor {spec.name} is not as the manifest says",
                got=f"{spec.dtype} {list(spec.shape)}",
                expected=f"{known.dtype} {list(known.shape)}" if known else ", ".join(by_name),
                do="convert the model again",
            )
        merged.append(replace(spec, layout=known.layout, mean=known.mean, std=known.std))
    return tuple(merged)


def _agree(one: Sequence[int], other: Sequence[int]) -> bool:
    """Whether two shapes can be the same; -1 is any size."""
    return len(one) == len(other) and all(
        a == b or -1 in (a, b) for a, b in zip(one, other, strict=True)
    )
