"""Conversion: a source in, an artifact out, each file checked against the source on the way."""

from __future__ import annotations

import hashlib
import io
import logging
import re
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from edgekit.artifact import REFERENCE, Artifact, Manifest, ModelFile, write_artifact
from edgekit.errors import InputError
from edgekit.export.description import check_task, describe_file, describe_task, describe_tools
from edgekit.export.entries import merge_signatures, merge_tflite, name_signature
from edgekit.export.files import Made, Wanted, complete, in_one_channel, names_axis
from edgekit.export.part import REFERENCE_EXAMPLES, Part
from edgekit.export.source import Source
from edgekit.export.tracing.lowering import Arrays
from edgekit.parity import gate_of
from edgekit.quantize.calibration import Calibration, Data, open_calibration, random_examples
from edgekit.quantize.scheme import SCHEMES, Scheme
from edgekit.signature import DEFAULT_SIGNATURE, Signature

_log = logging.getLogger("edgekit")

FORMATS = {"tflite": SCHEMES, "onnx": ("f32", "f16", "w8", "w8a8", "qat-w8a8")}
_NAME_BYTES = 200  # of a file name, of which 255 are the limit, scheme and format included


@dataclass(frozen=True)
class Plan:
    """What to make of a source."""

    schemes: tuple[Scheme, ...]
    formats: tuple[str, ...] = ("tflite",)
    calibrate: Data | None = None  # see open_calibration
    samples: int = 100  # calibration examples, at the most
    shapes: Mapping[str, tuple[int, ...]] = field(default_factory=dict)  # of open inputs
    wanted: Wanted = field(default_factory=Wanted)  # of every file
    seed: int = 0  # of noise, where there is no data to compare on
    whole: bool = True  # a file that cannot be made stops all; else the others are made


@dataclass(frozen=True)
class Conversion:
    """What was made, and the CPU seconds that making and checking took."""

    artifact: Artifact
    converting_cpu_s: float
    checking_cpu_s: float
    not_made: Mapping[str, InputError] = field(default_factory=dict)  # by scheme and format


@dataclass(frozen=True, eq=False)
class _Finished:
    """One file, described and checked."""

    file: ModelFile
    content: bytes
    made: Made
    changes: Arrays  # that the file differs in from its network, as the reference holds them
    checking_cpu_s: float


def convert(source: Source, plan: Plan, folder: str | Path) -> Conversion:
    """Convert `source` to every scheme and format of the plan and write the artifact.

    Raises:
        InputError: a scheme lacks what it needs, or the target refuses an op; nothing is written.
            Of a plan that need not be whole: no file can be made.
    """
    jobs = _jobs(source, plan)
    started = time.process_time()
    checking = 0.0
    files: list[ModelFile] = []
    kept: dict[str, Any] = {}
    contents: dict[str, bytes] = {}
    not_made: dict[str, InputError] = {}
    left_out: dict[str, tuple[str, ...]] = {}
    with tempfile.TemporaryDirectory(prefix="edgekit-") as scratch:
        parts = _open_parts(source, plan, Path(scratch))
        signature = merge_signatures({name: part.signature for name, part in parts.items()})
        check_task(source.task, signature)
        _check_labels(source, signature)
        examples = _examples(signature, source, plan)
        check_started = time.process_time()
        reference: Arrays = {}
        for part in parts.values():
            reference |= part.answers(examples)
        checking += time.process_time() - check_started
        for part in parts.values():
            part.observe(examples, plan.wanted)
        for format, scheme in jobs:
            try:
                done = [*_finish(source, parts, format, scheme, Path(scratch), reference)]
            except InputError as error:
                if plan.whole:
                    raise
                not_made[f"{scheme.name} {format}"] = error
                continue
            for one in done:
                reference |= one.changes
                kept |= {one.file.path: one.made.kept} if one.made.kept else {}
                left_out[scheme.name] = one.made.left_out
                files.append(one.file)
                contents[one.file.path] = one.content
                checking += one.checking_cpu_s
    if not files:
        raise next(iter(not_made.values()))
    made = {file.scheme for file in files}
    contents[REFERENCE] = _packed(reference)
    manifest = Manifest(
        name=source.name,
        task=describe_task(source, signature, reference),
        files=tuple(files),
        family=source.family,
        reference={"path": REFERENCE, "sha256": hashlib.sha256(contents[REFERENCE]).hexdigest()},
        provenance={
            **source.provenance,
            "compared_on": {
                "data": examples.origin,
                "examples": min(len(examples), REFERENCE_EXAMPLES),
            },
            "calibration": {"data": examples.origin, "examples": len(examples)}
            if any(scheme.calibrated for scheme in plan.schemes if scheme.name in made)
            else None,
            "post_training": {
                scheme.name: {
                    **asdict(plan.wanted.post_training.beside(scheme.activation_bits)),
                    "left_out": left_out.get(scheme.name, ()),
                }
                for scheme in plan.schemes
                if scheme.calibrated and scheme.name in made
            },
            "stem": plan.wanted.stem,
            "kept_in_float": kept or None,
            "seed": plan.seed,
            **describe_tools(),
        },
    )
    artifact = write_artifact(folder, manifest, contents)
    return Conversion(artifact, time.process_time() - started - checking, checking, not_made)


def _jobs(source: Source, plan: Plan) -> list[tuple[str, Scheme]]:
    """Return the pairs of format and scheme to make; what is not made is said."""
    jobs = []
    for scheme in plan.schemes:
        if plan.wanted.io_dtype and scheme.activation_bits:
            scheme.check_io(plan.wanted.io_dtype)
        if scheme.mixed and source.entries:
            raise InputError(f"scheme {scheme.name}: not made of several entry points",
                             got=", ".join(source.entries), do="take w8a8")  # fmt: skip
        if scheme.calibrated and _data(source, plan) is None:
            raise InputError(
                f"scheme {scheme.name}: no calibration data",
                do="give --calibrate DATA: pictures like those that the model will see",
            )
        made = [format for format in plan.formats if scheme.name in FORMATS[format]]
        if not made:
            raise InputError(f"scheme {scheme.name}: not made as {', '.join(plan.formats)}")
        for format in plan.formats:
            if format not in made:
                _log.warning("%s is not made as %s; skipped", scheme.name, format)
        if plan.wanted.stem != "plain":
            for format in made:
                if not plan.wanted.pairs(scheme, format):
                    _log.warning("%s %s: its stem is left plain", scheme.name, format)
        jobs += [(format, scheme) for format in made]
    return jobs


def _open_parts(source: Source, plan: Plan, scratch: Path) -> dict[str, Part]:
    """Return what is answered under each signature, lowered."""
    if not source.entries:
        return {DEFAULT_SIGNATURE: Part(source, plan.schemes, plan.shapes, scratch)}
    known = [tensor.name for tensor in source.model.inputs]
    if unknown := sorted(set(plan.shapes) - set(known)):
        raise InputError(f"shape for {unknown[0]}: no such input",
                         expected="one of " + ", ".join(known))  # fmt: skip
    parts = {}
    for name, entry in source.entries.items():
        (scratch / name).mkdir()
        own = {tensor.name for tensor in entry.model.inputs}
        shapes = {k: shape for k, shape in plan.shapes.items() if k in own}
        parts[name] = Part(entry, plan.schemes, shapes, scratch / name)
    return parts


def _finish(
    source: Source,
    parts: Mapping[str, Part],
    format: str,
    scheme: Scheme,
    scratch: Path,
    reference: Arrays,
) -> Iterator[_Finished]:
    """Write the files of a scheme and a format, and describe each."""
    for path, made in _write(source, parts, format, scheme, scratch):
        started = time.process_time()
        changes = {
            f"{change}/{path.name}/{tensor}": values
            for change, by_tensor in vars(made.changes).items()
            for tensor, values in by_tensor.items()
        }
        gate = gate_of(scheme.name, source.provenance)
        file = describe_file(path, scheme, gate, made.signature, {**reference, **changes})
        yield _Finished(file, path.read_bytes(), made, changes, time.process_time() - started)


def _write(
    source: Source, parts: Mapping[str, Part], format: str, scheme: Scheme, scratch: Path
) -> Iterator[tuple[Path, Made]]:
    """Write the files of a scheme and a format: one, or an .onnx for each entry point."""
    stem, ending = _file_name(source.name), f"{scheme.name}.{format}"
    if not source.entries:
        ((_, part),) = parts.items()
        path = scratch / f"{stem}.{ending}"
        made = part.write(path, scheme)
        if format == "tflite":
            complete(path, part.network(scheme).signature, made, scheme, source)
        yield path, made
        return
    written = {name: scratch / f"{stem}.{name}.{ending}" for name in parts}
    made_parts = {name: parts[name].write(path, scheme) for name, path in written.items()}
    if format == "onnx":
        for name, path in written.items():
            name_signature(path, name)
            yield path, made_parts[name]
        return
    path = scratch / f"{stem}.{ending}"
    path.write_bytes(merge_tflite({name: part.read_bytes() for name, part in written.items()}))
    yield path, Made(merge_signatures({n: made.signature for n, made in made_parts.items()}))


def _check_labels(source: Source, signature: Signature) -> None:
    """Compare the labels with the scores before anything is converted."""
    labels = (source.task or {}).get("labels")
    if labels is None:
        return
    if in_one_channel(signature, source) and len(labels) != 2:
        raise InputError("labels", got=len(labels), expected="2: of one channel both classes")
    if not names_axis(signature, source):
        return
    shapes = [list(spec.shape) for spec in signature.outputs]
    if len(shapes) != 1 or shapes[0][-1:] != [len(labels)]:
        raise InputError(
            "labels",
            got=f"{len(labels)} for {', '.join(f'an output {shape}' for shape in shapes)}",
            expected="one for each score of the only output",
        )


def _examples(signature: Signature, source: Source, plan: Plan) -> Calibration:
    if (data := _data(source, plan)) is not None:
        return open_calibration(data, signature.inputs, plan.samples)
    _log.info("%s: compared with its source on noise, since no data is given", source.name)
    return random_examples(signature.inputs, REFERENCE_EXAMPLES, plan.seed)


def _data(source: Source, plan: Plan) -> Data | None:
    return source.data if plan.calibrate is None else plan.calibrate


def _packed(arrays: Arrays) -> bytes:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    return buffer.getvalue()


def _file_name(name: str) -> str:
    """Return `name` with what no file system likes replaced, and short enough for any."""
    plain = re.sub(r"[^\w.+-]+", "-", name).encode()[:_NAME_BYTES].decode(errors="ignore")
    return plain.strip("-.") or "model"
