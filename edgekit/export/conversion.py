"""Conversion: a source in, an artifact out, each file checked against the source on the way."""

from __future__ import annotations

import hashlib
import io
import logging
import re
import tempfile
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from edgekit.artifact import REFERENCE, Artifact, Manifest, ModelFile, write_artifact
from edgekit.errors import InputError
from edgekit.export import tflite
from edgekit.export.description import describe_file, describe_task, describe_tools
from edgekit.export.files import Wanted, names_axis, write_file
from edgekit.export.lowering import Arrays, Lowered, lower, lower_function, name_outputs
from edgekit.export.source import Source
from edgekit.export.tail import Tails
from edgekit.parity import gate_of
from edgekit.quantize.advice import few_samples
from edgekit.quantize.calibration import Calibration, open_calibration, random_examples
from edgekit.quantize.post_training import Network, doubts, open_network
from edgekit.quantize.scheme import SCHEMES, Scheme, parse_scheme
from edgekit.signature import Signature

_log = logging.getLogger("edgekit")

FORMATS = {"tflite": SCHEMES, "onnx": ("f32", "w8a8", "qat-w8a8")}
REFERENCE_EXAMPLES = 16
_NAME_BYTES = 200  # of a file name, of which 255 are the limit, scheme and format included


@dataclass(frozen=True)
class Plan:
    """What to make of a source."""

    schemes: tuple[Scheme, ...]
    formats: tuple[str, ...] = ("tflite",)
    calibrate: str | None = None  # see open_calibration
    samples: int = 100  # calibration examples, at the most
    shapes: Mapping[str, tuple[int, ...]] = field(default_factory=dict)  # of open inputs
    wanted: Wanted = field(default_factory=Wanted)  # of every file
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
    kept: dict[str, Any] = {}
    contents: dict[str, bytes] = {}
    with tempfile.TemporaryDirectory(prefix="edgekit-") as scratch:
        networks = _lower(source, plan, Path(scratch))
        tails = Tails(source.tail, Path(scratch))
        signature = networks["float"].signature
        _check_labels(source, signature)
        examples = _examples(signature, source, plan)
        check_started = time.process_time()
        reference = _reference(networks, examples, tails)
        checking += time.process_time() - check_started
        calibrated = {id(n): n for s in plan.schemes if s.calibrated
                      for n in [networks[_network_of(s, source)]]}  # fmt: skip
        observed = {key: _observe(n, examples, plan) for key, n in calibrated.items()}
        for format, scheme in jobs:
            network = networks[_network_of(scheme, source)]
            path = Path(scratch) / f"{_file_name(source.name)}.{scheme.name}.{format}"
            made = write_file(
                path, network, scheme, source, examples, observed.get(id(network)), plan.wanted,
                tails,
            )  # fmt: skip
            reference |= {
                f"{change}/{path.name}/{tensor}": values
                for change, by_tensor in vars(made.changes).items()
                for tensor, values in by_tensor.items()
            }
            kept |= {path.name: made.kept} if made.kept else {}
            check_started = time.process_time()
            gate = gate_of(scheme.name, source.provenance)
            files.append(describe_file(path, scheme, gate, made.signature, reference))
            checking += time.process_time() - check_started
            contents[path.name] = path.read_bytes()
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
            if any(scheme.calibrated for scheme in plan.schemes)
            else None,
            "post_training": asdict(plan.wanted.post_training),
            "kept_in_float": kept or None,
            "seed": plan.seed,
            **describe_tools(),
        },
    )
    artifact = write_artifact(folder, manifest, contents)
    return Conversion(artifact, time.process_time() - started - checking, checking)


def _jobs(source: Source, plan: Plan) -> list[tuple[str, Scheme]]:
    """Return the pairs of format and scheme to make; what is not made is said."""
    jobs = []
    for scheme in plan.schemes:
        if plan.wanted.io_dtype and scheme.activation_bits:
            scheme.check_io(plan.wanted.io_dtype)
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
        for format in plan.formats:
            if format not in made:
                _log.warning("%s is not made as %s; skipped", scheme.name, format)
        jobs += [(format, scheme) for format in made]
    return jobs


def _lower(source: Source, plan: Plan, scratch: Path) -> dict[str, Lowered]:
    lower_it = lower_function if source.kind == "saved_model" else lower
    networks = {"float": lower_it(source.model, scratch / "float", plan.shapes)}
    if any(scheme.learned for scheme in plan.schemes):
        names = name_outputs(source.model)
        networks["qat"] = lower(source.learned, scratch / "qat", plan.shapes, names)
    for bits, build in source.integer.items():
        if any(scheme.activation_bits == bits and scheme.calibrated for scheme in plan.schemes):
            networks[f"integer{bits}"] = lower(build(), scratch / f"integer{bits}", plan.shapes)
    return {name: _with_normalisation(network, source) for name, network in networks.items()}


def _network_of(scheme: Scheme, source: Source) -> str:
    if scheme.calibrated and scheme.activation_bits in source.integer:
        return f"integer{scheme.activation_bits}"
    return "qat" if scheme.learned else "float"


def _observe(network: Lowered, examples: Calibration, plan: Plan) -> Network | None:
    """Run the network in float over the examples, and say what is doubtful about them.

    Returns:
        None where a network with control flow can be left to the ordinary converter.
    """
    for remark in few_samples(len(examples)):
        _log.warning("%s", remark)
    content = tflite.convert(network, parse_scheme("f32"))
    try:
        observed = open_network(content, network.signature.inputs, iter(examples))
    except InputError:
        if plan.wanted.post_training.techniques or any(s.mixed for s in plan.schemes):
            raise
        return None
    for remark in doubts(observed):
        _log.warning("%s", remark)
    return observed


def _with_normalisation(network: Lowered, source: Source) -> Lowered:
    """Return the network with what the source declares for its pictures or its columns."""
    columns = len(source.mean or ())
    inputs = tuple(
        replace(spec, mean=source.mean, std=source.std)
        if spec.layout or (len(spec.shape) == 2 and spec.shape[1] == columns)
        else spec
        for spec in network.signature.inputs
    )
    return replace(network, signature=replace(network.signature, inputs=inputs))


def _check_labels(source: Source, signature: Signature) -> None:
    """Compare the labels with the scores before anything is converted."""
    labels = (source.task or {}).get("labels")
    if labels is None or not names_axis(signature, source):
        return
    shapes = [list(spec.shape) for spec in signature.outputs]
    if len(shapes) != 1 or shapes[0][-1:] != [len(labels)]:
        raise InputError(
            "labels",
            got=f"{len(labels)} for {', '.join(f'an output {shape}' for shape in shapes)}",
            expected="one for each score of the only output",
        )


def _examples(signature: Signature, source: Source, plan: Plan) -> Calibration:
    if data := plan.calibrate or source.data:
        return open_calibration(data, signature.inputs, plan.samples)
    _log.info("%s: compared with its source on noise, since no data is given", source.name)
    return random_examples(signature.inputs, REFERENCE_EXAMPLES, plan.seed)


def _reference(networks: Mapping[str, Lowered], examples: Calibration, tails: Tails) -> Arrays:
    """Return inputs and each network's own answers, `[N, ...]` under "input/", "float/", "qat/".

    Raises:
        InputError: an answer is no number, so that nothing can be compared with it.
    """
    kept: dict[str, list[Any]] = {}
    for example in examples.take(REFERENCE_EXAMPLES):
        for name, value in example.items():
            kept.setdefault(f"input/{name}", []).append(value)
        for network, lowered in networks.items():
            for name, value in tails.answer(lowered(example)).items():
                if value.dtype.kind == "f" and not np.isfinite(value).all():
                    raise InputError(
                        f"output {name} of the model itself",
                        got=f"NaN or infinity on {examples.origin}",
                        do="give --calibrate DATA that the model can answer, or mend the model",
                    )
                kept.setdefault(f"{network}/{name}", []).append(value)
    declared = {
        f"{part}/{spec.name}": np.asarray(values)
        for spec in networks["float"].signature.inputs
        for part, values in (("mean", spec.mean), ("std", spec.std))
        if values is not None
    }
    return {**{name: np.concatenate(values) for name, values in kept.items()}, **declared}


def _packed(arrays: Arrays) -> bytes:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    return buffer.getvalue()


def _file_name(name: str) -> str:
    """Return `name` with what no file system likes replaced, and short enough for any."""
    plain = re.sub(r"[^\w.+-]+", "-", name).encode()[:_NAME_BYTES].decode(errors="ignore")
    return plain.strip("-.") or "model"
