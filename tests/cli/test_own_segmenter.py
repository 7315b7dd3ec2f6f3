"""A user's own segmenter: one whose weights say which colour is which class, on drawn pictures."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from PIL import Image

from edgekit.cli import run

LAYERS = keras.layers
LABELS = ["red", "green", "blue"]
SIZE = 40, 56  # height and width of a picture; no network's


def picture(number: int) -> tuple[Any, Any]:
    """Return a picture of coloured blocks and the class of each pixel."""
    rng = np.random.default_rng(number)
    classes = np.kron(rng.integers(0, 3, (2, 2)), np.ones((SIZE[0] // 2, SIZE[1] // 2), int))
    pixels = np.where(np.arange(3) == classes[..., None], 230, 20)
    return pixels.astype(np.uint8), classes.astype(np.uint8)


def network(channels: int, stride: int) -> Any:
    """Return a network of [24, 32, 3], pixels / 255 - a half, to a map of a softmax or sigmoid."""
    image = keras.Input((24, 32, 3), name="image")
    sure = LAYERS.Conv2D(channels, 1, strides=stride, name="colours")
    scores = LAYERS.Activation("softmax" if channels == 3 else "sigmoid", name="map")(sure(image))
    model = keras.Model(image, scores)
    weights = 20 * np.eye(3) if channels == 3 else np.array([[30.0], [0.0], [0.0]])
    sure.set_weights([weights.reshape(1, 1, 3, channels), np.zeros(channels)])
    return model


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("segmenters")
    for name, labels in (("three", LABELS), ("two", ["other", "red"])):
        (folder / f"{name}.txt").write_text("\n".join(labels))
        for part in ("images", "masks"):
            (folder / name / part).mkdir(parents=True)
        (folder / name / "labels.txt").write_text("\n".join(labels))
        for number in range(20):
            pixels, classes = picture(number)
            Image.fromarray(pixels).save(folder / name / "images" / f"{number}.png")
            mask = classes if name == "three" else (classes == 0).astype(np.uint8)
            Image.fromarray(mask).save(folder / name / "masks" / f"{number}.png")
    for name, channels, stride in (("three", 3, 2), ("two", 1, 1)):
        network(channels, stride).save(folder / f"{name}.keras")
        assert run(["convert", str(folder / f"{name}.keras"), "-o", str(folder / f"{name}-files"),
                    "--to", "tflite,onnx", "--scheme", "f32,w8a8", "--task", "segment",
                    "--labels", str(folder / f"{name}.txt"), "--mean", "127.5", "--std", "255",
                    "--calibrate", str(folder / name / "images"), "-q"]) == 0  # fmt: skip
    return folder


@pytest.mark.parametrize("name", ["three", "two"])
def test_masks_lie_over_the_picture(folder: Path, name: str, tmp_path: Path, capsys: Any) -> None:
    """Of 24 by 32 places stretched over 40 by 56 pixels only blocks' edges can be in doubt."""
    _, classes = picture(3)
    truth = classes if name == "three" else classes == 0
    for scheme in ("f32", "w8a8"):
        for runtime in ("litert", "onnxruntime"):
            capsys.readouterr()
            assert run(["run", str(folder / f"{name}-files"), str(folder / name / "images/3.png"),
                        "--file", scheme, "--runtime", runtime, "--save", str(tmp_path),
                        "--json"]) == 0  # fmt: skip
            (answer,) = json.loads(capsys.readouterr().out)["answers"]
            found = np.asarray(Image.open(tmp_path / "3-mask.png"))
            assert found.shape == SIZE
            assert (found == truth).mean() > 0.9
            inner = np.zeros(SIZE, bool)
            for rows in (slice(3, 17), slice(23, 37)):
                for columns in (slice(3, 25), slice(31, 53)):
                    inner[rows, columns] = True
            assert (found == truth)[inner].all()
            shares = {row["label"]: row["share"] for row in answer["answer"]}
            labels = (folder / f"{name}.txt").read_text().split()
            assert shares == {
                labels[index]: pytest.approx((found == index).mean()) for index in np.unique(found)
            }


@pytest.mark.parametrize("name", ["three", "two"])
def test_evaluation_on_masks(folder: Path, name: str, capsys: Any) -> None:
    capsys.readouterr()
    assert run(["evaluate", str(folder / f"{name}-files"), "--data", str(folder / name),
                "--json"]) == 0  # fmt: skip
    rows = json.loads(capsys.readouterr().out)["rows"]
    assert {row["metric"] for row in rows} == {"mIOU", "pixel accuracy"}
    assert len(rows) == 8
    for row in rows:
        assert row["value"] > 0.85


def test_the_manifest_says_what_the_maps_hold(folder: Path) -> None:
    for name in ("three", "two"):
        task = json.loads((folder / f"{name}-files" / "manifest.json").read_text())["task"]
        assert task == {
            "name": "segment", "fit": "stretch", "align_corners": False,
            "answer": "probabilities", "labels": (folder / f"{name}.txt").read_text().split(),
        }  # fmt: skip


@pytest.mark.parametrize(
    ("model", "options", "line"),
    [
        (
            "dense.keras",
            ["--task", "segment"],
            "task segment: got x [1, 6] to y [1, 3]",
        ),
        ("three.keras", ["--task", "classify"], "task classify: got image [1, 24, 32, 3] to map"),
        ("three.keras", ["--task", "segment", "--labels", "two.txt"], "labels: got 2"),
        ("two.keras", ["--task", "segment", "--labels", "three.txt"], "labels: got 3"),
        ("mobilenet_v2:digits", ["--task", "segment"], "--task: got segment, expected a model of"),
    ],
)
def test_another_task_is_refused(
    folder: Path, model: str, options: list[str], line: str, tmp_path: Path, capsys: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.chdir(folder)
    if model == "dense.keras":
        keras.Sequential([keras.Input((6,), name="x"), LAYERS.Dense(3, name="y")]).save(model)
    capsys.readouterr()
    assert run(["convert", model, "-o", str(tmp_path / "out"), *options]) == 2
    captured = capsys.readouterr()
    assert line in captured.err
    assert captured.err.count("\n") == 1
    assert not (tmp_path / "out").exists()
