"""The Android app: its core on the JVM, the package, and how artifacts come into it."""

from __future__ import annotations

import copy
import io
import itertools
import json
import random
import re
import shutil
import struct
import subprocess
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import android_app
import jsonschema
import numpy as np
import pytest
from fake_clients import HERE, put_on_path

import edgekit
from edgekit.artifact import MANIFEST, open_artifact
from edgekit.cli import run
from edgekit.device import adb, app
from edgekit.device.android_project import MARK, MODELS, REGISTER, usable_files
from edgekit.device.app import RESULT
from edgekit.errors import InputError
from edgekit.export.conversion import Plan, convert
from edgekit.families import family
from edgekit.parity.golden import NAME, make_golden, only_input
from edgekit.profile.timing.app_bench import bench_in_app
from edgekit.profile.timing.measurement import Options
from edgekit.profile.timing.result_file import to_json
from edgekit.profile.timing.statistics import summarize
from edgekit.profile.timing.targets import find_targets
from edgekit.quantize.scheme import parse_scheme
from edgekit.report.results import read_results
from edgekit.sources.preset import untrained
from edgekit.tasks.matrices.elimination import eliminate

MUTANTS = 400
SCHEMA = Path(edgekit.__file__).parent / "schema" / "manifest-1.json"
INTERFACES = ("arm64-v8a", "armeabi-v7a", "x86_64")


@pytest.fixture(scope="module")
def artifact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The exact three-gametes graph, which nothing need teach, in both formats."""
    kind = family("phylogeny")
    source = untrained(kind, kind.preset("noise-exact").config, "noise-exact", "noise-exact")
    folder = tmp_path_factory.mktemp("app") / "artifact"
    convert(source, Plan((parse_scheme("f32"),), ("tflite", "onnx")), folder)
    return folder


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A copy of the app's source without models."""
    left_out = shutil.ignore_patterns("build", "models")
    return shutil.copytree(android_app.PROJECT, tmp_path / "android_demo", ignore=left_out)


def deploy(*arguments: object) -> int:
    return run(["deploy", *map(str, arguments)])


def test_an_artifact_comes_into_the_app(
    artifact: Path, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for _ in range(2):  # the second time replaces the first
        capsys.readouterr()
        assert deploy(artifact, "--android", project, "--json") == 0
    assert json.loads(capsys.readouterr().out)["files"] == ["noise-exact.f32.tflite"]
    there = open_artifact(project / MODELS / "noise-exact")
    there.check()
    assert [file.format for file in there.manifest.files] == ["tflite"]
    assert there.manifest.task == open_artifact(artifact).manifest.task
    assert json.loads((project / MODELS / REGISTER).read_text())["models"] == ["noise-exact"]
    with zipfile.ZipFile(there.folder / NAME) as golden:
        answer = json.loads(golden.read("0/noise-exact.f32.tflite/answer.json"))
    assert set(answer[0]) == {"conflict", "probability", "pairs"}


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (["--android", "{empty}"], "no Android project: expected a folder with app/src"),
        (["--android", "{project}", "--on", "adb:"], "where to: got both, expected --on DEVICE or"),
        ([], "where to: got neither"),
        (["--android", "{project}", "--file", "w8a8"], "not for the app: got f32 tflite, f32 onnx"),
        (["--android", "{project}", "--setup"], "--setup: not with --android: leave it out"),
        (["--android", "{damaged}"], "register.json: cannot be read: got"),
    ],
)
def test_what_cannot_be_deployed_is_said(
    artifact: Path, project: Path, tmp_path: Path, options: list[str], line: str,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    damaged = tmp_path / "damaged"
    for path, text in ((MARK, "<manifest/>"), (MODELS / REGISTER, '{"schema": 2}')):
        (damaged / path).parent.mkdir(parents=True, exist_ok=True)
        (damaged / path).write_text(text)
    places = {"{empty}": tmp_path / "empty", "{project}": project, "{damaged}": damaged}
    assert deploy(artifact, *(places.get(option, option) for option in options)) == 2
    assert line in capsys.readouterr().err


def test_an_unknown_task_is_refused(artifact: Path) -> None:
    opened = open_artifact(artifact)
    other = replace(opened, manifest=replace(opened.manifest, task={"name": "sing"}))
    with pytest.raises(InputError, match="got task sing, expected one of classify"):
        usable_files(other)


@pytest.mark.parametrize(
    ("entries", "environment", "line"),
    [
        (
            "act encode",
            "point-robot",
            "got entry points act, encode, expected one, or act, encode,",
        ),
        ("act encode fuse", "ant-goal", "got tasks ant-goal, expected point-robot"),
        ("act encode fuse", "point-robot", None),
    ],
)
def test_of_several_entry_points_those_of_an_agent_are_taken(
    artifact: Path, entries: str, environment: str, line: str | None
) -> None:
    opened = open_artifact(artifact)
    signature = opened.manifest.files[0].signatures["serving_default"]
    file = replace(opened.manifest.files[0], signatures=dict.fromkeys(entries.split(), signature))
    task = {"name": "control", "environment": environment}
    other = replace(opened, manifest=replace(opened.manifest, files=(file,), task=task))
    if line is None:
        assert usable_files(other) == [file]
        return
    with pytest.raises(InputError, match=line):
        usable_files(other)


def test_a_file_of_several_inputs_is_refused(artifact: Path) -> None:
    (file, _) = open_artifact(artifact).manifest.files
    signature = file.signatures["serving_default"]
    twice = replace(
        signature, inputs=(*signature.inputs, replace(signature.inputs[0], name="noise"))
    )
    with pytest.raises(InputError, match="inputs: got matrix, noise, expected one"):
        only_input(replace(file, signatures={"serving_default": twice}))


def test_the_core_on_the_jvm(
    artifact: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its own tests, manifests that jsonschema judged, and a benchmark that `gate` reads."""
    golden = shutil.copytree(artifact, tmp_path / "golden")
    make_onnx_golden(golden)
    manifests, bench = tmp_path / "manifests.json", tmp_path / "bench.json"
    manifests.write_text(json.dumps(list(mutants(artifact))))
    np.savez(tmp_path / "searches.npz", **searches())
    places = {"manifests": manifests, "artifact": golden, "bench": bench,
              "elimination": tmp_path / "searches.npz"}  # fmt: skip
    properties = " ".join(f"-D{name}={place}" for name, place in places.items())
    android_app.tests_run("unit", f"PROPERTIES={properties}")
    reads_as_bench_does(bench, golden, tmp_path, monkeypatch)
    row = json.loads(bench.read_text())["rows"][0]
    expected = summarize([row["rounds"][0]["samples_ms"]])
    assert row["latency_ms"]["p50"] == pytest.approx(expected.p50)
    assert row["latency_ms"]["p99"] == pytest.approx(expected.p99)
    assert row["latency_ms"]["interval"] == pytest.approx(expected.interval)
    (timing,) = read_results([bench]).timings
    assert timing.conditions.runtime == "onnxruntime"
    # How noisy the machine is does not matter here: the result is read and compared.
    assert run(["gate", str(bench), str(bench), "--max-slowdown", "1000%"]) == 0


def reads_as_bench_does(
    written: Path, artifact: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the core writes comes over adb as `edgekit bench --app` takes it."""
    phone = tmp_path / "phone"
    phone.mkdir()
    am = f"#!/bin/sh\n[ $1 = force-stop ] || cp {written} {phone}/{RESULT}\n"
    scripts = {"adb": HERE, "pidof": "#!/bin/sh\n", "am": am}
    put_on_path(monkeypatch, tmp_path / "bin", scripts)
    monkeypatch.setattr(adb, "PLACE", str(tmp_path))
    monkeypatch.setattr(app, "FOLDER", str(phone))
    targets = find_targets([artifact], runtime="onnxruntime")
    report = bench_in_app(targets, adb.open_url("adb:R58"), Options())
    (row,) = report.rows
    assert (row.target, row.device) == (targets[0], "adb:R58")
    assert row.latency.p50 == json.loads(written.read_text())["rows"][0]["latency_ms"]["p50"]
    assert report.failures == {"noise-exact.f32.onnx": 'adb:R58: a "line"'}
    assert to_json([report])["rows"][0]["profile"]["ops"] is None


def searches() -> dict[str, Any]:
    """Return matrices that Python corrected, with weights whose sums are exact in any order."""
    rng = np.random.default_rng(7)
    made: dict[str, Any] = {}
    for number in range(24):
        shape = tuple(rng.integers(2, (30, 24)))
        one, zero = ((3.5, -2.25), (6.5, -1.75), (1.0, -1.0))[number % 3]
        seen = np.where(rng.random(shape) < 0.4, one, zero)
        weights = np.where(rng.random(shape) < 0.1, 0, seen).astype(np.float32)
        scores = weights + (np.round(rng.normal(size=shape) * 8) / 8).astype(np.float32)
        kicks = 40 * (number % 2)
        found = eliminate(weights[None], scores[None], kicks=kicks)[0]
        one_search = {
            "weights": weights,
            "scores": scores,
            "kicks": np.array([kicks]),
            "found": found,
        }
        made |= {f"{number}/{name}": array for name, array in one_search.items()}
    return made


def test_golden_vectors_are_what_the_matrix_says(artifact: Path) -> None:
    """Signs in the corner, zeros beyond; a conflict where some two columns show 11, 10 and 01."""
    opened = open_artifact(artifact)
    (file, _) = opened.manifest.files
    with zipfile.ZipFile(io.BytesIO(make_golden(opened, [file]))) as golden:
        lines = golden.read("0/thing.csv").decode().splitlines()
        tensor = np.load(io.BytesIO(golden.read(f"0/{file.path}/input.npy")))
        (answer,) = json.loads(golden.read(f"0/{file.path}/answer.json"))
    entries = np.array([line.split(",")[1:] for line in lines[1:]], int)
    signs = np.select([entries == 1, entries == 0], [1, -1], 0)
    assert (tensor[0, : len(signs), : signs.shape[1]] == signs).all()
    assert np.abs(tensor).sum() == np.abs(signs).sum()
    columns = itertools.combinations(signs.T, 2)
    shown = [{*zip(one, other, strict=True)} for one, other in columns]
    conflict = any({(1, 1), (1, -1), (-1, 1)} <= pairs for pairs in shown)
    assert answer["conflict"] == conflict


def make_onnx_golden(folder: Path) -> None:
    opened = open_artifact(folder)
    (folder / NAME).write_bytes(make_golden(opened, opened.manifest.files))


def mutants(artifact: Path) -> Iterator[dict[str, Any]]:
    """Yield a manifest with one thing changed at a time, and whether its schema allows that.

    What the app's reader refuses beyond the schema is not changed here: types of numbers that it
    does not know, signatures without a default.
    """
    rng = random.Random(0)
    good = json.loads((artifact / MANIFEST).read_text())
    spec = good["files"][0]["signatures"]["serving_default"]["inputs"][0]
    spec |= {"scale": 0.5, "zero_point": 3, "layout": "NHWC", "mean": [1.0], "std": [2.0]}
    validator = jsonschema.Draft202012Validator(json.loads(SCHEMA.read_text("utf-8")))
    for _ in range(MUTANTS):
        changed = copy.deepcopy(good)
        change = mutate(changed, rng)
        valid = validator.is_valid(changed)
        yield {"change": change, "text": json.dumps(changed), "valid": valid}


def mutate(manifest: dict[str, Any], rng: random.Random) -> str:
    """Change one thing, and return what."""
    owner, key = rng.choice([(o, k) for o, k in places(manifest) if k not in ("dtype", "files")])
    values = [None, -2, 0, 1, 2.5, "", "x", "a/b", [], [1], {}, True, "0" * 64]
    if rng.random() < 0.2 and isinstance(owner, dict):
        owner["other"] = 1
        return "an unknown field"
    if rng.random() < 0.3 and isinstance(owner, dict):
        del owner[key]
        return f"no {key}"
    owner[key] = rng.choice(values)
    return f"{key} = {owner[key]!r}"


def places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Yield every field of what the schema describes, with its owner."""
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, inner in items:
        if key in ("provenance", "parity", "serving_default"):
            continue
        yield value, key
        if isinstance(inner, dict | list):
            yield from places(inner)


def test_the_package(artifact: Path, project: Path) -> None:
    if reason := android_app.missing():
        pytest.skip(reason)
    (project / "build").mkdir()
    for fetched in ("lib", "tools"):  # not a second time
        (project / "build" / fetched).symlink_to(android_app.PROJECT / "build" / fetched)
    assert deploy(artifact, "--android", project) == 0
    done = android_app.make("apk", project=project)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    package = project / "build" / "edgekit.apk"
    signed = said("apksigner", "verify", "--verbose", package)
    assert all(f"(APK Signature Scheme {v}): true" in signed for v in ("v2", "v3"))
    assert "v1 scheme (JAR signing): true" in signed
    badging = said("aapt", "dump", "badging", package)
    assert re.search(r"sdkVersion:'23'\s+targetSdkVersion:'34'", badging)
    assert re.findall(r"uses-permission: name='(.*?)'", badging) == ["android.permission.CAMERA"]
    assert "launchable-activity: name='edgekit.demo.MainActivity'" in badging
    look_inside(package, artifact, project)
    checked = android_app.make("check", project=project)
    assert checked.returncode == 0, checked.stdout[-3000:] + checked.stderr[-3000:]
    for interface in INTERFACES:  # what TensorFlow Lite's libraries of Maven Central are known for
        assert f"warning: build/apk/lib/{interface}/libtensorflowlite_jni.so" in checked.stdout


def look_inside(package: Path, artifact: Path, project: Path) -> None:
    model = "assets/models/noise-exact/noise-exact.f32.tflite"
    with zipfile.ZipFile(package) as file:
        names = set(file.namelist())
        assert file.read(model) == (artifact / "noise-exact.f32.tflite").read_bytes()
        assert file.getinfo(model).compress_type == zipfile.ZIP_STORED  # so that it can be mapped
        assert {f"assets/models/noise-exact/{name}" for name in (MANIFEST, NAME)} <= names
        for interface in INTERFACES:
            library = file.read(f"lib/{interface}/libtensorflowlite_jni.so")
            assert load_alignments(library), interface
        file.extract("classes.dex", project / "build")
    said("zipalign", "-c", "-p", "4", package)
    classes = said("dexdump", "-d", project / "build" / "classes.dex")
    for name in (
        "edgekit/demo/MainActivity",
        "edgekit/core/task/Detect",
        "org/tensorflow/lite/Interpreter",
    ):
        assert f"'L{name};'" in classes
    assert "DEX version '035'" in classes
    assert "invoke-custom" not in classes  # lambdas, which no phone of API 23 runs


def load_alignments(library: bytes) -> list[int]:
    """Return the alignment of each part of an ELF file that is loaded: of 4 KiB at least.

    Every part must lie in the file as it lies in memory, to within that.
    """
    wide = library[4] == 2
    word, header, sizes = ("<Q", 32, 54) if wide else ("<I", 28, 42)
    fields = (8, 16, 48) if wide else (4, 8, 28)  # offset, address, alignment
    (start,) = struct.unpack_from(word, library, header)
    size, count = struct.unpack_from("<HH", library, sizes)
    found = []
    for at in range(start, start + size * count, size):
        if struct.unpack_from("<I", library, at)[0] == 1:  # PT_LOAD
            offset, address, align = (struct.unpack_from(word, library, at + n)[0] for n in fields)
            assert align >= 4096
            assert align & (align - 1) == 0
            assert (address - offset) % align == 0
            found.append(align)
    return found


def said(*argv: object) -> str:
    done = subprocess.run(list(map(str, argv)), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
