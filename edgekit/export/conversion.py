"""Conversion: a source in, an artifact out, each file checked against the source on the way."""

from __future__ import annotations

import hashlib
import io
import logging
import re
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from importlib import metadata as packages
from pathlib import Path
from typing import Any

import numpy as np

from edgekit import __version__, parity
from edgekit.artifact import (
    REFERENCE,
    Artifact,
    Manifest,
    ModelFile,
    Signature,
    TensorSpec,
    write_artifact,
)
from edgekit.errors import InputError
from edgekit.export import onnx, tflite
from edgekit.export.lowering import Arrays, Lowered, lower, lower_function
from edgekit.export.metadata import add_metadata
from edgekit.export.source import Source
from edgekit.export.targets import check_target
from edgekit.parity.answers import answer
from edgekit.profile.graph import read_graph
from edgekit.profile.summary import summarize
from edgekit.quantize.calibration import Calibration, open_calibration, random_examples
from edgekit.quantize.scheme import Scheme
from edgekit.runtime import open_model

_log = logging.getLogger("edgekit")

FORMATS = {"tflite": ("f32", "f16", "w8", "w8a8", "w8a16", "qat-w8a8"), "onnx": onnx.SCHEMES}
REFERENCE_EXAMPLES = 16


@dataclass(frozen=True)
class Plan:
    """What to make of a source."""

    schemes: tuple[Scheme, ...]
    formats: tuple[str, ...] = ("tflite",)
    calibrate: str | None = None  # see open_calibration
    samples: int = 100  # calibration examples, at the most
    io_dtype: str | None = None  # of integer files; the scheme's own integer by default
    target: str | None = None  # a runtime whose op versions must not be exceeded
    shapes: Mapping[str, tuple[int, ...]] = field(default_factory=dict)  # of open inputs
    seed: int = 0  # of noise, where there is no data to compare on


@dataclass(frozen=True)
class Conversion:
    """What was made, and the CPU seconds that making and checking took."""

    artifact: Artifact
    converting_cpu_s: float
    checking_cpu_s: float


def convert(source: Source, plan: Plan, folder: str | Path) -> Conversion:
    """Convert `source` to every scheme and format of the plan and write the artifact.

    Raises:
        InputError: a scheme lacks what it needs, or the target refuses an op; nothing is written.
    """
    jobs = _jobs(source, plan)
    started = time.process_time()
    checking = 0.0
    files: list[ModelFile] = []
    contents: dict[str, bytes] = {}
    with tempfile.TemporaryDirectory(prefix="edgekit-") as scratch:
        networks = _lower(source, plan, Path(scratch))
        signature = networks["float"].signature
        examples = _examples(signature, source, plan)
        reference = _reference(networks, examples)
        for format, scheme in jobs:
            network = networks["qat" if scheme.learned else "float"]
            path = Path(scratch) / f"{_file_name(source.name)}.{scheme.name}.{format}"
            _write(path, network, scheme, examples, source, plan)
            check_started = time.process_time()
            gate = parity.gate_of(scheme.name, source.provenance)
            files.append(_checked(path, scheme, gate, signature, reference))
            checking += time.process_time() - check_started
            contents[path.name] = path.read_bytes()
    contents[REFERENCE] = _packed(reference)
    manifest = Manifest(
        name=source.name,
        task=_task(source, signature, reference),
        files=tuple(files),
        family=source.family,
        reference={"path": REFERENCE, "sha256": _sha256(contents[REFERENCE])},
        provenance=_provenance(source, plan, examples),
    )
    artifact = write_artifact(folder, manifest, contents)
    return Conversion(artifact, time.process_time() - started - checking, checking)


def _jobs(source: Source, plan: Plan) -> list[tuple[str, Scheme]]:
    """Return the pairs of format and scheme to make; what is not made is said."""
    jobs = []
    for scheme in plan.schemes:
        if scheme.learned and source.learned is None:
            raise InputError(
                f"scheme {scheme.name}: {source.name} has no learned ranges",
                do="train with --qat, or take w8a8",
            )
        if scheme.calibrated and not (plan.calibrate or source.data):
            raise InputError(
                f"scheme {scheme.name}: no calibration data",
                do="give --calibrate DATA: pictures like those that the model will see",
            )
        made = [format for format in plan.formats if scheme.name in FORMATS[format]]
        if not made:
            raise InputError(f"scheme {scheme.name}: not made as {', '.join(plan.formats)}")
        for format in set(plan.formats) - set(made):
            _log.warning("%s is not made as %s; skipped", scheme.name, format)
        jobs += [(format, scheme) for format in made]
    return jobs


def _lower(source: Source, plan: Plan, scratch: Path) -> dict[str, Lowered]:
    lower_it = lower_function if source.kind == "saved_model" else lower
    network = lower_it(source.model, scratch / "float", plan.shapes)
    signature = network.signature
    pictures = tuple(_picture(spec, source) for spec in signature.inputs)
    networks = {"float": replace(network, signature=replace(signature, inputs=pictures))}
    if any(scheme.learned for scheme in plan.schemes):
        names = [spec.name for spec in signature.outputs]
        networks["qat"] = lower(source.learned, scratch / "qat", plan.shapes, names)
    return networks


def _picture(spec: TensorSpec, source: Source) -> TensorSpec:
    """Return the spec with the normalisation that the source declares for pictures."""
    return spec if spec.layout is None else replace(spec, mean=source.mean, std=source.std)


def _task(source: Source, signature: Signature, reference: Arrays) -> dict[str, Any]:
    """Return the source's task, or what its shapes suggest, and what a classifier's scores are."""
    task = dict(source.task or {"name": "classify" if _scores_pictures(signature) else "tensors"})
    if task["name"] == "classify":
        (scores,) = (v for name, v in reference.items() if name.startswith("float/"))
        sums = scores.reshape(len(scores), -1).sum(axis=1)
        probable = scores.min() >= 0 and np.allclose(sums, 1, atol=1e-3)
        task["scores"] = "probabilities" if probable else "logits"
    return task


def _scores_pictures(signature: Signature) -> bool:
    """Whether one picture goes in and one vector of several scores comes out."""
    pictures = [spec.layout is not None for spec in signature.inputs]
    vectors = [len(spec.shape) == 2 and spec.shape[1] > 1 for spec in signature.outputs]
    return pictures == [True] and vectors == [True]


def _examples(signature: Signature, source: Source, plan: Plan) -> Calibration:
    if data := plan.calibrate or source.data:
        return open_calibration(data, signature.inputs, plan.samples)
    _log.info("%s: compared with its source on noise, since no data is given", source.name)
    return random_examples(signature.inputs, REFERENCE_EXAMPLES, plan.seed)


def _reference(networks: Mapping[str, Lowered], examples: Calibration) -> Arrays:
    """Return inputs and each network's own answers, `[N, ...]` under "input/", "float/", "qat/"."""
    kept: dict[str, list[Any]] = {}
    for example in examples.take(REFERENCE_EXAMPLES):
        for name, value in example.items():
            kept.setdefault(f"input/{name}", []).append(value)
        for network, lowered in networks.items():
            for name, value in lowered(example).items():
                kept.setdefault(f"{network}/{name}", []).append(value)
    return {name: np.concatenate(values) for name, values in kept.items()}


def _write(
    path: Path, network: Lowered, scheme: Scheme, examples: Calibration, source: Source, plan: Plan
) -> None:
    """Make one file at `path`, whose ending says the format."""

    def samples() -> Iterator[dict[str, Any]]:
        return iter(examples)

    if path.suffix == ".onnx":
        learned = tflite.convert(network, scheme, io_dtype="float32") if scheme.learned else None
        path.write_bytes(onnx.convert(network, scheme, samples=samples, tflite=learned))
        return
    io_dtype = plan.io_dtype if scheme.activation_bits else None
    path.write_bytes(tflite.convert(network, scheme, samples=samples, io_dtype=io_dtype))
    if plan.target and (refused := check_target(path, plan.target)):
        path.write_bytes(
            tflite.convert(
                network, scheme, samples=samples, io_dtype=io_dtype, per_channel_dense=False
            )
        )
        if remaining := check_target(path, plan.target):
            raise InputError(
                f"scheme {scheme.name}: {plan.target} cannot run it",
                got="; ".join(map(str, remaining)),
                do="take another scheme or a newer runtime",
            )
        _log.warning("%s: one scale a dense layer, since %s", scheme.name, refused[0])
    content = add_metadata(
        path.read_bytes(),
        name=source.name,
        description=f"{source.name} in {scheme.name}, made by edgekit {__version__}",
        inputs=network.signature.inputs,
        labels=(source.task or {}).get("labels"),
    )
    path.write_bytes(content)


def _checked(
    path: Path, scheme: Scheme, gate: parity.Gate, source: Signature, reference: Arrays
) -> ModelFile:
    """Describe one file: hash, signatures, costs, and its answers against the source's."""
    session = open_model(path)
    signatures = {
        name: _described(signature, source) for name, signature in session.signatures.items()
    }
    inputs, expected = (
        {k.removeprefix(part): v for k, v in reference.items() if k.startswith(part)}
        for part in ("input/", "qat/" if scheme.learned else "float/")
    )
    answers = answer(session, signatures, inputs)
    figures = [parity.compare(name, expected[name], answers[name], gate) for name in expected]
    costs = summarize(read_graph(path), allow_unknown=True)
    content = path.read_bytes()
    return ModelFile(
        path=path.name,
        format=path.suffix[1:],
        scheme=scheme.name,
        sha256=_sha256(content),
        size_bytes=len(content),
        signatures=signatures,
        madds=costs.madds if not costs.unknown else None,
        params=costs.params,
        arena_bytes=costs.arena_bytes,
        parity=parity.figures(figures),
    )


def _described(signature: Signature, source: Signature) -> Signature:
    """Return the file's own signature with the source's layout and normalisation of pictures."""
    known = {spec.name: spec for spec in source.inputs}

    def describe(spec: TensorSpec) -> TensorSpec:
        origin = known.get(spec.name)
        if origin is None or origin.layout is None:
            return spec
        layout = origin.layout if spec.shape == origin.shape else "NCHW"
        return replace(spec, layout=layout, mean=origin.mean, std=origin.std)

    return replace(signature, inputs=tuple(describe(spec) for spec in signature.inputs))


def _provenance(source: Source, plan: Plan, examples: Calibration) -> dict[str, Any]:
    names = ("tensorflow", "tf_keras", "keras", "tf2onnx", "onnxruntime", "ai-edge-litert", "numpy")
    return {
        **source.provenance,
        "edgekit": __version__,
        "created": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "compared_on": {"data": examples.origin, "examples": REFERENCE_EXAMPLES},
        "calibration": {"data": examples.origin, "examples": len(examples)}
        if any(scheme.calibrated for scheme in plan.schemes)
        else None,
        "seed": plan.seed,
        "packages": {name: packages.version(name) for name in names},
    }


def _packed(arrays: Arrays) -> bytes:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    return buffer.getvalue()


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _file_name(name: str) -> str:
    """Return `name` with what no file system likes replaced."""
    return re.sub(r"[^\w.+-]+", "-", name).strip("-.") or "model"
