"""What files answer: to their artifact's reference inputs, or two files to the same examples."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

import numpy as np

from edgekit.artifact import Artifact, ModelFile
from edgekit.errors import InputError
from edgekit.parity import Array, Arrays, Gate, Parity, compare, gate_of
from edgekit.parity.detections import are_detections, compare_detections
from edgekit.runtime import Session
from edgekit.signature import (
    DEFAULT_SIGNATURE,
    Signature,
    TensorSpec,
    entry_signatures,
    main_signature,
)


def check_file(artifact: Artifact, file: ModelFile, session: Session) -> list[Parity]:
    """Run the artifact's reference inputs through `file` and compare every output.

    Raises:
        InputError: the artifact keeps no reference, or the file lacks an output.
    """
    inputs, expected = artifact.reference_of(file)
    answers = answer(session, file.signatures, inputs)
    gate = gate_of(file.scheme, artifact.manifest.provenance)
    return compare_all(expected_of(file.signatures, expected), answers, gate)


def expected_of(signatures: Mapping[str, Signature], reference: Arrays) -> Arrays:
    """Return what of the source's answers a file must give: all, unless it is a part by name."""
    if DEFAULT_SIGNATURE in signatures:
        return reference
    names = [spec.name for signature in signatures.values() for spec in signature.outputs]
    return {name: reference[name] for name in names}


def compare_all(reference: Arrays, answers: Arrays, gate: Gate) -> list[Parity]:
    """Compare answers `[N, ...]` output by output, or boxes as the things that they find."""
    if are_detections(reference):
        return [compare_detections(reference, answers, gate)]
    return [compare(name, reference[name], answers[name], gate) for name in reference]


def answer(
    session: Session, signatures: Mapping[str, Signature], inputs: Arrays
) -> dict[str, Array]:
    """Return a session's real-valued answers to real-valued examples `[N, ...]`, one by one.

    Of a file with several entry points and no default one, each is run and all answers returned.

    Pictures are given channels last and arranged as the file wants them.
    """
    collected: dict[str, list[Array]] = {}
    for name, signature in entry_signatures(signatures).items():
        specs = {spec.name: spec for spec in session.signatures[name].outputs}
        for index in range(len(next(iter(inputs.values())))):
            raw = {
                spec.name: spec.quantize(_arrange(inputs[spec.name][index : index + 1], spec))
                for spec in signature.inputs
            }
            for output, value in session(raw, name).items():
                real = np.atleast_1d(specs[output].dequantize(value))
                collected.setdefault(output, []).append(real)
    return {name: np.concatenate(values) for name, values in collected.items()}


def compare_sessions(one: Session, other: Session, inputs: Arrays, gate: Gate) -> list[Parity]:
    """Compare two files on the same real-valued examples, output by output.

    Args:
        one: the reference.
        other: the file in question; its names may differ where each has but one input or output.
        inputs: `[N, ...]` by the name of the reference's inputs, pictures channels last.
        gate: what may be lost.

    Raises:
        InputError: inputs or outputs cannot be paired.
    """
    (name, reference), (other_name, candidate) = (
        main_signature(session.signatures) for session in (one, other)
    )
    renamed = _paired(reference.inputs, candidate.inputs, "inputs")
    given = {renamed[name]: value for name, value in inputs.items()}
    for spec in candidate.inputs:
        _check_same(f"input {spec.name}", spec.shape[1:], given[spec.name].shape[1:])
    first = answer(one, {name: _arranged(reference, inputs)}, inputs)
    second = answer(other, {other_name: _arranged(candidate, given)}, given)
    outputs = _paired(reference.outputs, candidate.outputs, "outputs")
    paired = {name: _like(second[outputs[name]], first[name], name) for name in first}
    return compare_all(first, paired, gate)


def _like(answer: Array, reference: Array, name: str) -> Array:
    if answer.size != reference.size:
        raise InputError(
            f"output {name}: the files differ in shape",
            got=list(answer.shape),
            expected=str(list(reference.shape)),
        )
    return answer.reshape(reference.shape)


def channels_last(one: Session, other: Session) -> Iterator[tuple[TensorSpec, tuple[int, ...]]]:
    """Yield each input of `one` with its shape, pictures channels last.

    What is a picture channels first is told by the other file, if that has it the other way round,
    else by a second dimension that can only be channels.

    Raises:
        InputError: the inputs of the two cannot be paired.
    """
    reference, candidate = (main_signature(session.signatures)[1] for session in (one, other))
    names = _paired(reference.inputs, candidate.inputs, "inputs")
    theirs = {spec.name: spec.shape for spec in candidate.inputs}
    for spec in reference.inputs:
        shape, there = spec.shape, theirs[names[spec.name]]
        turned = (shape[0], *shape[2:], shape[1]) if len(shape) == 4 else shape
        alone = len(shape) == 4 and shape[1] in (1, 3) and shape[3] not in (1, 3)
        first = (there != shape and there == turned) or (there == shape and alone)
        yield spec, turned if first else shape


def _check_same(what: str, theirs: tuple[int, ...], ours: tuple[int, ...]) -> None:
    """Insist on the same sizes, in any order: one file may have its channels first."""
    sizes = sorted(size for size in theirs if size > 1), sorted(size for size in ours if size > 1)
    if sizes[0] != sizes[1] and -1 not in theirs:
        raise InputError(
            f"the files cannot be compared: {what}", got=list(theirs), expected=str(list(ours))
        )


def _paired(
    ours: tuple[TensorSpec, ...], theirs: tuple[TensorSpec, ...], side: str
) -> dict[str, str]:
    """Return the other file's name for each of ours."""
    names, others = [s.name for s in ours], [s.name for s in theirs]
    if len(names) == len(others) == 1:
        return {names[0]: others[0]}
    if set(names) != set(others):
        raise InputError(
            f"the files have other {side}", got=", ".join(others), expected=", ".join(names)
        )
    return {name: name for name in names}


def _arranged(signature: Signature, inputs: Arrays) -> Signature:
    """Return the signature with the layout of pictures that come channels last."""

    def arranged(spec: TensorSpec) -> TensorSpec:
        shape = inputs[spec.name].shape
        first = (
            len(spec.shape) == len(shape) == 4
            and spec.shape[1] == shape[3]
            and spec.shape[3] == shape[2]
        )
        return replace(spec, layout="NCHW") if first and spec.shape[1:] != shape[1:] else spec

    return replace(signature, inputs=tuple(arranged(spec) for spec in signature.inputs))


def _arrange(value: Array, spec: TensorSpec) -> Array:
    return value.transpose(0, 3, 1, 2) if spec.layout == "NCHW" else value
