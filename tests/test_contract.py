"""The contract: every family, at its tiny size, in every format and scheme that it names."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import android_app
import jsonschema
import numpy as np
import pytest
from single_onnx_ops import compare_integers
from single_ops import Answer, compare_ops
from sklearn.datasets import load_sample_images

import edgekit
from edgekit.artifact import MANIFEST, Artifact, ModelFile, open_artifact
from edgekit.device import open_device
from edgekit.export.conversion import Plan, convert
from edgekit.export.files import Wanted
from edgekit.export.source import Source
from edgekit.families import MODULES, Family, family
from edgekit.parity import gate_of
from edgekit.parity.answers import check_file
from edgekit.parity.golden import NAME, make_golden
from edgekit.profile.timing.on_device import DeviceSession
from edgekit.quantize.ptq.techniques import Mixed
from edgekit.quantize.qat import quantize_aware
from edgekit.quantize.scheme import MIXED, parse_scheme
from edgekit.runtime import RUNTIMES, Session
from edgekit.runtime.sandbox import open_isolated
from edgekit.signature import Signature, entry_signatures, main_signature
from edgekit.sources.preset import untrained

ONNX_SCHEMES = ("f32", "f16", "w8", "w8a8", "qat-w8a8")


@dataclass(frozen=True)
class Made:
    """What one family became."""

    family: Family
    source: Source
    artifact: Artifact


@pytest.fixture(scope="module", params=MODULES)
def made(request: Any, tmp_path_factory: pytest.TempPathFactory) -> Made:
    """Every scheme and format of one family."""
    kind = family(request.param)
    source = untrained(kind, kind.tiny, f"{kind.name}-tiny", "tiny")
    schemes = tuple(parse_scheme(name) for name in kind.schemes)
    folder = tmp_path_factory.mktemp("contract")
    if any(scheme.learned for scheme in schemes):
        learned = kind.finish(quantize_aware(kind.build(kind.tiny)), kind.tiny)
        source = replace(source, learned=learned)
    if source.task["name"] == "classify":
        source = replace(source, task={**source.task, "labels": [str(i) for i in range(10)]})
    plan = Plan(
        schemes, ("tflite", "onnx"), calibrate=examples(source, folder), samples=16,
        wanted=Wanted(mixed=Mixed(max_drop=10)),
    )  # fmt: skip
    conversion = convert(source, plan, folder / "artifact")
    return Made(kind, source, conversion.artifact)


def examples(source: Source, folder: Path) -> str:
    """Return what calibrates a network: pictures, or numbers from -1 to 1."""
    tensors = source.model.inputs
    if len(tensors[0].shape) == 4:
        return "digits"
    rng = np.random.default_rng(0)
    noise = {t.name: rng.uniform(-1, 1, (16, *t.shape[1:])).astype(np.float32) for t in tensors}
    np.savez(folder / "examples.npz", **noise)
    return str(folder / "examples.npz")


def files(artifact: Artifact) -> Iterator[tuple[ModelFile, Path]]:
    for file in artifact.manifest.files:
        yield file, artifact.path(file)


def test_every_scheme_and_format_is_there(made: Made) -> None:
    found = {(f.format, f.scheme) for f in made.artifact.manifest.files}
    expected = {("tflite", s) for s in made.family.schemes}
    expected |= {("onnx", s) for s in made.family.schemes if s in ONNX_SCHEMES}
    assert found == expected


def test_the_app_answers_the_same(made: Made, tmp_path: Path) -> None:
    """Its core in Java prepares, reads and judges as Python does, and runs .onnx on the JVM."""
    if reason := android_app.missing():
        pytest.skip(reason)
    pictures = made.source.task["name"] in ("classify", "detect", "segment")
    photographs = load_sample_images().images if pictures else []
    golden = shutil.copytree(made.artifact.folder, tmp_path / made.artifact.manifest.name)
    files = made.artifact.manifest.files
    (golden / NAME).write_bytes(make_golden(made.artifact, files, photographs))
    android_app.tests_run("vectors", f"GOLDEN={tmp_path}")


def test_what_was_written_reads_back(made: Made) -> None:
    artifact = open_artifact(made.artifact.folder)
    artifact.check()
    schema = json.loads((Path(edgekit.__file__).parent / "schema/manifest-1.json").read_text())
    jsonschema.validate(json.loads((artifact.folder / MANIFEST).read_text()), schema)


def test_every_format_counts_the_same(made: Made) -> None:
    """Of each network: integer schemes may be made from one of their own.

    The head that DeepLab's files hold with less work is not that of its fake-quantized network.
    """
    manifest = made.artifact.manifest
    counts: dict[tuple[bool, str], dict[tuple[str, str], int]] = {}
    for f in manifest.files:
        assert f.madds is not None
        integer = bool(made.source.integer) and "a" in f.scheme
        network = f.network if made.source.family == "deeplab_v3" else "any"
        of_network = counts.setdefault((integer, network), {})
        of_network[f.format, f.scheme] = of_network.get((f.format, f.scheme), 0) + f.madds
    for of_one in counts.values():
        assert len(set(of_one.values())) == 1, of_one


def test_sizes_follow_the_weight_bits(made: Made) -> None:
    size = {f.scheme: f.size_bytes for f in made.artifact.manifest.files if f.format == "tflite"}
    if made.source.integer:
        pytest.skip("integer schemes are made from a network of their own")
    assert size["f16"] < 0.55 * size["f32"]
    assert size["w8"] < 0.45 * size["f32"]
    assert size["w8a8"] < 0.45 * size["f32"]


def test_integer_files_are_integer_from_end_to_end(made: Made) -> None:
    for file, _ in files(made.artifact):
        if file.format == "tflite" and "a" in file.scheme.removeprefix("qat-"):
            dtype = "int16" if file.scheme == "w8a16" else "int8"
            for name, signature in entry_signatures(file.signatures).items():
                part = made.source.entries.get(name, made.source)
                ends = (*signature.inputs, *(() if part.tail else signature.outputs))
                assert {spec.dtype for spec in ends} == {"float32" if part.in_float else dtype}
                assert all(spec.scale for spec in ends) is not part.in_float


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_every_file_runs_in_every_runtime(made: Made, runtime: str) -> None:
    pytest.importorskip(runtime.replace("-", "_").replace("litert", "ai_edge_litert"))
    inputs, _ = made.artifact.reference("float")
    for file, path in files(made.artifact):
        if file.format != RUNTIMES[runtime][0]:
            continue
        if runtime == "tflite-runtime" and file.scheme == "w8":
            continue  # refused by name where the target is asked for: see test_targets
        with closing(open_isolated(path, runtime=runtime)) as session:
            for parity in check_file(made.artifact, file, session):
                assert parity.passed, (file.path, parity)
                assert parity.examples == len(next(iter(inputs.values())))


def test_outputs_bear_one_name_in_every_file(made: Made) -> None:
    names: dict[tuple[str, str], list[str]] = {}
    for file, _ in files(made.artifact):
        for signature in entry_signatures(file.signatures).values():
            of_kind = names.setdefault((file.format, file.scheme), [])
            of_kind += [spec.name for spec in signature.outputs]
    assert len(set(map(tuple, names.values()))) == 1


def test_further_signatures_give_some_of_the_outputs(made: Made) -> None:
    inputs, _ = made.artifact.reference("float")
    for file, path in files(made.artifact):
        if file.format != "tflite":
            continue
        with closing(open_isolated(path)) as session:
            if made.source.entries:
                assert list(session.signatures) == list(made.source.entries)
                continue
            assert set(session.signatures) == {"serving_default", *made.family.signatures}
            (spec,) = main_signature(session.signatures)[1].inputs
            raw = {spec.name: spec.quantize(inputs[spec.name][:1])}
            every = session(raw)
            for name, outputs in made.family.signatures.items():
                found = session(raw, name)
                assert set(found) == set(outputs)
                for output, value in found.items():
                    np.testing.assert_array_equal(value, every[output])


def test_pictures_are_declared_where_each_file_wants_them(
    made: Made,
) -> None:
    for file, _ in files(made.artifact):
        for signature in file.signatures.values():
            for spec in signature.inputs:
                if len(spec.shape) == 4:
                    assert spec.layout == ("NCHW" if file.format == "onnx" else "NHWC")
                assert (spec.mean, spec.std) == (made.source.mean, made.source.std)


def test_reference_answers_are_the_networks_own(made: Made) -> None:
    inputs, outputs = made.artifact.reference("float")
    answers = made.source.model(
        inputs if len(inputs) > 1 else next(iter(inputs.values())), training=False
    )
    answers = answers if isinstance(answers, dict) else dict(zip(outputs, [answers], strict=True))
    # As f32 files are compared: here all examples are one batch, which rounds otherwise, the more
    # so through batch norms of random weights.
    tolerance = gate_of("f32", made.artifact.manifest.provenance).tolerance
    assert tolerance is not None
    for name, expected in outputs.items():
        loose = tolerance[1] * float(np.abs(expected).max())
        np.testing.assert_allclose(answers[name], expected, rtol=tolerance[0], atol=loose)


EXAMPLES = 3


@pytest.mark.emulator
@pytest.mark.parametrize("runtime", RUNTIMES)
def test_arm_answers_alike(made: Made, runtime: str, emulator: Path, tmp_path: Path) -> None:
    """Floats to 1e-4 of each value and 1e-5 of the output's scale, integers bit for bit.

    Where a rounding differs by right, what follows it cannot be compared, and each op is, given
    the same inputs (see `check_ops`).
    """
    for file, path in files(made.artifact):
        if file.format != RUNTIMES[runtime][0]:
            continue
        if runtime == "tflite-runtime" and file.scheme == "w8":
            continue
        for name, signature in entry_signatures(file.signatures).items():
            inputs = raw_inputs(made.artifact, file, signature)
            with open_device("qemu:cortex-a72") as device:
                there = DeviceSession(path, device, file.signatures, runtime=runtime)(inputs, name)
                if rounds(file, runtime):
                    assert all(np.isfinite(there[spec.name]).all() for spec in signature.outputs)
                    if runtime == "onnxruntime":
                        answers = compare_integers(path, inputs, device, tmp_path)
                    else:
                        answers = compare_ops(path, inputs, name, device, tmp_path, runtime)
                    check_ops(answers, file, runtime)
                    continue
            with closing(open_isolated(path, runtime=runtime)) as session:
                here = one_by_one(session, inputs, name)
            for spec in signature.outputs:
                expected = here[spec.name]
                loose = {"rtol": 1e-4, "atol": 1e-5 * float(abs(expected).max())}
                exact = {"rtol": 0.0, "atol": 0.0}
                bound = exact if is_integer(file) and spec.dtype != "float32" else loose
                np.testing.assert_allclose(there[spec.name], expected, **bound, err_msg=file.path)


def is_integer(file: ModelFile) -> bool:
    return "a" in file.scheme.removeprefix("qat-") or file.scheme == MIXED


def rounds(file: ModelFile, runtime: str) -> bool:
    """Whether x86 and ARM may round otherwise within a file, so that its ops are to be compared.

    tflite-runtime's integer kernels for ARM are others. w8 rounds activations to 8 bits of their
    own range: floats that differ in the last bit may fall on two steps. So may they in ONNX
    Runtime, where an op between integers is done in floats.
    """
    if runtime == "litert":
        return file.scheme == "w8"
    return is_integer(file)


def check_ops(answers: list[Answer], file: ModelFile, runtime: str) -> None:
    """Floats to 1e-5 of the scale; integers bit for bit, or a step away where kernels differ.

    Those of tflite-runtime do, and what ONNX Runtime resizes as floats between integers.
    """
    assert answers
    for each in answers:
        step = 1 if runtime == "tflite-runtime" or "Resize" in each.kind else 0
        assert each.apart <= (step if each.integer else 1e-5 * each.scale), (file.path, each)


def raw_inputs(artifact: Artifact, file: ModelFile, signature: Signature) -> dict[str, np.ndarray]:
    given, _ = artifact.reference("qat" if file.scheme.startswith("qat-") else "float")
    arrays = {s.name: given[s.name][:EXAMPLES] for s in signature.inputs}
    return {
        s.name: s.quantize(
            arrays[s.name].transpose(0, 3, 1, 2) if s.layout == "NCHW" else arrays[s.name]
        )
        for s in signature.inputs
    }


def one_by_one(
    session: Session, inputs: Mapping[str, np.ndarray], name: str
) -> dict[str, np.ndarray]:
    answers = [session({n: a[i : i + 1] for n, a in inputs.items()}, name) for i in range(EXAMPLES)]
    return {output: np.concatenate([a[output] for a in answers]) for output in answers[0]}
