"""Evaluation against NumPy's own arithmetic on a linear classifier."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tiny_tflite

from edgekit import cli
from edgekit.artifact import Artifact, Manifest, ModelFile, write_artifact
from edgekit.errors import InputError
from edgekit.evaluate import evaluate, to_json
from edgekit.runtime import open_model
from edgekit.signature import Signature, TensorSpec

LABELS = ("dark", "middle", "bright")
GENERATOR = np.random.default_rng(5)
WEIGHTS = GENERATOR.normal(size=(3, 16)).astype(np.float32)
PIXELS = GENERATOR.integers(0, 256, (60, 4, 4, 1), dtype=np.uint8)
TRUTHS = GENERATOR.integers(0, 3, 60)


def accuracy(weights: np.ndarray) -> float:
    real = (PIXELS.reshape(60, 16).astype(np.float64) - 127.5) / 127.5
    return float(np.mean((real @ weights.T.astype(np.float64)).argmax(1) == TRUTHS))


def describe(path: Path, content: bytes) -> Mapping[str, Signature]:
    path.write_bytes(content)
    (found,) = open_model(path).signatures.values()
    inputs = tuple(replace(s, layout="NHWC", mean=(127.5,), std=(127.5,)) for s in found.inputs)
    return {"serving_default": Signature(inputs, found.outputs)}


def build(folder: Path, contents: Mapping[str, bytes], **task: object) -> Artifact:
    from hashlib import sha256

    files = tuple(
        ModelFile(
            f"m.{scheme}.tflite",
            "tflite",
            scheme,
            sha256(content).hexdigest(),
            len(content),
            describe(folder.parent / "scratch.tflite", content),
        )
        for scheme, content in contents.items()
    )
    params = {"name": "classify", "labels": LABELS, **task}
    written = {f.path: contents[f.scheme] for f in files}
    return write_artifact(folder, Manifest("m", params, files), written)


@pytest.fixture
def artifact(tmp_path: Path) -> Artifact:
    """A float file, and one in int8 whose weights are rounded to steps of 0.5."""
    rounded = np.clip(np.rint(WEIGHTS / 0.5), -127, 127)
    return build(
        tmp_path / "model",
        {
            "f32": tiny_tflite.dense(WEIGHTS, [1, 4, 4, 1]),
            "w8a8": tiny_tflite.dense_int8(rounded, [1, 4, 4, 1], (1 / 127, 0.5, 0.1)),
        },
    )


@pytest.fixture
def data(tmp_path: Path) -> str:
    """The classes come in another order than the labels."""
    order = ["bright", "dark", "middle"]
    y = np.array([order.index(LABELS[t]) for t in TRUTHS])
    path = tmp_path / "data.npz"
    np.savez(path, x_train=PIXELS, y_train=y, x_test=PIXELS, y_test=y, classes=order)
    return str(path)


def test_accuracy_of_each_file(artifact: Artifact, data: str) -> None:
    seen = []
    found = evaluate(
        artifact, data, on_example=lambda file, done, total: seen.append((file, done, total))
    )
    assert [(e.scheme, e.score.metric, e.score.n, e.runtime) for e in found] == [
        ("f32", "top-1 accuracy", 60, "litert"),
        ("w8a8", "top-1 accuracy", 60, "litert"),
    ]
    assert found[0].score.value == accuracy(WEIGHTS)
    rounded = accuracy(np.rint(WEIGHTS / 0.5) * 0.5)
    assert found[1].score.value == pytest.approx(rounded, abs=2.1 / 60)  # activations round too
    assert found[0].score.value != found[1].score.value
    hits = [e.score.hits or "" for e in found]
    assert [h.count("1") / 60 for h in hits] == [e.score.value for e in found]
    assert [s for s in seen if s[1] == 60] == [(e.file, 60, 60) for e in found]

    rows = to_json(found, data)["rows"]
    assert rows[0]["delta_points"] == 0
    assert rows[1]["delta_points"] == pytest.approx(
        100 * (found[1].score.value - found[0].score.value)
    )
    low, high = rows[0]["interval"]
    assert 0 < low < rows[0]["value"] < high < 1
    assert {"file", "scheme", "metric", "value", "interval", "n"} <= set(rows[0])


def test_both_interpreters_agree_on_the_float_file(artifact: Artifact, data: str) -> None:
    found = evaluate(artifact, data, scheme="f32", runtime="tflite-runtime")
    assert [(e.runtime, e.score.value) for e in found] == [("tflite-runtime", accuracy(WEIGHTS))]


def test_without_a_float_file_there_is_no_difference(artifact: Artifact, data: str) -> None:
    rows = to_json(evaluate(artifact, data, scheme="w8a8"), data)["rows"]
    assert [row["delta_points"] for row in rows] == [None]


def test_a_changed_file_is_refused_before_it_is_opened(artifact: Artifact, data: str) -> None:
    path = artifact.folder / "m.w8a8.tflite"
    path.write_bytes(path.read_bytes()[:-1] + b"\x01")
    with pytest.raises(InputError, match="changed since it was written"):
        evaluate(artifact, data, scheme="f32")


def test_a_manifest_that_describes_another_file_is_refused(artifact: Artifact, data: str) -> None:
    (file, *_) = artifact.manifest.files
    for told in (TensorSpec("image", (1, 8, 8, 1), "float32"), TensorSpec("x", (1, 4, 4, 1), "f4")):
        old = file.signatures["serving_default"]
        wrong = replace(file, signatures={"serving_default": Signature((told,), old.outputs)})
        changed = Artifact(artifact.folder, replace(artifact.manifest, files=(wrong,)))
        with pytest.raises(InputError, match="tensor image is not as the manifest says: got float"):
            evaluate(changed, data)


@pytest.mark.parametrize(
    ("options", "line"),
    [
        ({"scheme": "w4"}, "no such file: got w4 any format, expected one of f32 tflite, w8a8"),
        ({"runtime": "onnxruntime"}, "no such file: got any scheme onnx"),
        ({"runtime": "abacus"}, "runtime abacus: unknown"),
    ],
)
def test_what_is_not_there_is_named(artifact: Artifact, data: str, options, line: str) -> None:
    with pytest.raises(InputError, match=line):
        evaluate(artifact, data, **options)


def test_labels_that_do_not_fit_the_scores(tmp_path: Path, data: str) -> None:
    content = tiny_tflite.dense(WEIGHTS, [1, 4, 4, 1])
    artifact = build(tmp_path / "model", {"f32": content}, labels=(*LABELS, "more"))
    with pytest.raises(InputError, match="got 4 labels, expected 3"):
        evaluate(artifact, data)


def test_command(
    artifact: Artifact, data: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "evaluation.json"
    assert cli.run(["evaluate", str(artifact.folder), "--data", data, "-o", str(output)]) == 0
    text = capsys.readouterr().out
    assert f"{100 * accuracy(WEIGHTS):.2f}" in text
    assert all(len(line) <= 80 for line in text.splitlines())
    result = json.loads(output.read_text())
    assert (result["schema"], result["kind"]) == (1, "evaluation")
    assert cli.run(["evaluate", str(artifact.folder), "--data", data, "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == result
    assert cli.run(["evaluate", str(artifact.folder), "--data", "nowhere"]) == 2
    assert capsys.readouterr().err.count("\n") == 1
