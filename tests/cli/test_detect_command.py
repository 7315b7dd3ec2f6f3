"""A picture to drawn boxes by the command line, in three runtimes; what is refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("tensorflow_model_optimization")
pytest.importorskip("pycocotools")

from edgekit import cli
from edgekit.artifact import open_artifact
from edgekit.families.rebuild import rebuild
from edgekit.families.run import Run, open_run
from edgekit.families.ssdlite import FAMILY, Config
from edgekit.families.ssdlite.data import load
from edgekit.profile.graph import read_graph
from edgekit.sources.preset import spread_activations
from edgekit.train import Options
from edgekit.train.checkpoint import save_weights
from edgekit.train.history import read_history

ANSWERS = ("raw", "boxes", "postprocess")
CLASSES = ("bright", "dark")
EDGES = ("top", "left", "bottom", "right")


def call(*arguments: Any) -> int:
    return cli.run([str(a) for a in arguments])


def write_pictures(here: Path) -> None:
    """Write grey noise with one bright or dark rectangle each, as COCO has them."""
    (here / "images").mkdir(parents=True)
    rng = np.random.default_rng(0)
    images, annotations = [], []
    for number in range(24):
        pixels = rng.integers(90, 160, (72, 96, 3)).astype(np.uint8)
        height, width = (int(n) for n in rng.integers(24, 48, 2))
        top, left = int(rng.integers(0, 72 - height)), int(rng.integers(0, 96 - width))
        index = number % 2
        pixels[top : top + height, left : left + width] = (250, 5)[index]
        Image.fromarray(pixels).save(here / f"images/{number}.png")
        images.append({"id": number, "height": 72, "width": 96, "file_name": f"{number}.png"})
        bbox = [left, top, width, height]
        annotations.append({"id": number, "image_id": number, "category_id": index, "bbox": bbox})
    categories = [{"id": i, "name": n} for i, n in enumerate(CLASSES)]
    for split, part in (("train", slice(0, 16)), ("test", slice(16, 24))):
        body = {"images": images[part], "annotations": annotations[part], "categories": categories}
        (here / f"{split}.json").write_text(json.dumps(body))


def be_sure(folder: Path) -> None:
    """Give the run weights whose answers are no guesses: one epoch teaches too little to compare.

    Predictors are random and large, so that scores lie between 0 and 1.
    """
    run = open_run(folder)
    network, rng = rebuild(run), np.random.default_rng(1)
    spread_activations(network, seed=0)
    for layer in network.layers:
        if layer.name.startswith(("class_", "box_")) and len(layer.weights) == 2:
            kernel, bias = layer.get_weights()
            deviation, level = (0.2, -3) if layer.name.startswith("class_") else (0.1, 0)
            layer.set_weights([rng.normal(0, deviation, kernel.shape), 0 * bias + level])
    save_weights(network, run.weights_path("float"))


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data set, a run on it, an artifact for each kind of answer, and a picture."""
    here = tmp_path_factory.mktemp("detect")
    write_pictures(here / "data")
    shutil.copy(here / "data/images/20.png", here / "photo.png")
    options = Options(epochs=1, batch_size=8, validation=0)
    config = Config(0.35, 64, bn_momentum=0.8)
    FAMILY.fit(Run(here / "run", FAMILY.name, config, options, str(here / "data")))
    be_sure(here / "run")
    for answer in ANSWERS:
        formats = "tflite,onnx" if answer == "boxes" else "tflite"
        assert call("convert", here / "run", "--to", formats, "--scheme", "f32,w8a8",
                    "--answer", answer, "-o", here / answer, "-q") in (0, 1)  # fmt: skip
    return here


def boxes_of(place: Path, answer: str, capfd: Any, runtime: str, scheme: str) -> Any:
    """Return classes, boxes and scores of what is shown, in an order of their own."""
    assert call("run", place / answer, place / "photo.png", "--runtime", runtime, "--file", scheme,
                "--json") == 0  # fmt: skip
    (found,) = json.loads(capfd.readouterr().out)["answers"]
    rows = [[row["index"], *(row["box"][e] for e in EDGES), row["score"]]
            for row in found["answer"]]  # fmt: skip
    assert {CLASSES[row["index"]] == row["label"] for row in found["answer"]} == {True}
    return np.array(sorted(rows))


def test_the_run_is_what_it_says(place: Path) -> None:
    run = open_run(place / "run")
    assert run.classes == CLASSES
    assert [row["epoch"] for row in read_history(run.folder)] == [1]
    assert 0 <= run.test["float"]["AP50"] <= 1
    loaded = load(str(place / "data"), run.config, run.options)
    assert (len(loaded.train), len(loaded.test)) == (16, 8)


@pytest.mark.parametrize(("answer", "runtime"), [
    ("raw", "tflite-runtime"), ("boxes", "litert"), ("boxes", "tflite-runtime"),
    ("boxes", "onnxruntime"), ("postprocess", "litert"), ("postprocess", "tflite-runtime"),
])  # fmt: skip
def test_every_runtime_and_answer_finds_the_same_boxes(place, capfd, answer, runtime) -> None:
    """As LiteRT with the raw answer, whose boxes the task chooses: in the picture's pixels."""
    pytest.importorskip(runtime.replace("-", "_").replace("litert", "ai_edge_litert"))
    expected = boxes_of(place, "raw", capfd, "litert", "f32")
    found = boxes_of(place, answer, capfd, runtime, "f32")
    assert 3 < len(expected) < 100
    assert expected[:, [2, 4]].max() > 72  # across a picture that is wider than high
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=0.02)


@pytest.mark.parametrize("answer", ["boxes", "postprocess"])
def test_eight_bits_are_left_before_the_boxes(place, capfd, answer) -> None:
    """The file's own boxes are those that the task makes of the same integers.

    Integers tie, and which of equal scores comes first is nobody's promise.
    """
    expected = boxes_of(place, "raw", capfd, "litert", "w8a8")
    found = boxes_of(place, answer, capfd, "litert", "w8a8")
    pairs = np.abs(found[:, np.newaxis] - expected).max(axis=2) < 0.1
    assert pairs.any(axis=0).mean() > 0.9
    assert pairs.any(axis=1).mean() > 0.9


def test_files_compute_boxes_in_float_by_the_ops_that_were_asked(place: Path) -> None:
    kinds = {}
    for answer in ANSWERS:
        artifact = open_artifact(place / answer)
        for file in artifact.manifest.files:
            names = [spec.name for spec in file.signatures["serving_default"].outputs]
            expected = {"codes", "logits"} if answer == "raw" else {"boxes", "classes", "scores",
                                                                    "count"}  # fmt: skip
            assert set(names) == expected
            if answer != "raw":
                outputs = file.signatures["serving_default"].outputs
                assert {spec.dtype for spec in outputs} == {"float32"}
        path = artifact.path(artifact.file(scheme="w8a8", format="tflite"))
        kinds[answer] = [op.native for op in read_graph(path).ops]
    assert kinds["boxes"].count("NON_MAX_SUPPRESSION_V4") == 1
    assert kinds["postprocess"][-1] == "TFLite_Detection_PostProcess"
    assert kinds["postprocess"].count("DEQUANTIZE") == 2
    assert set(kinds["raw"]) <= {"CONV_2D", "DEPTHWISE_CONV_2D", "ADD", "RESHAPE", "QUANTIZE",
                                 "CONCATENATION"}  # fmt: skip


def test_boxes_are_drawn(place, tmp_path, capfd) -> None:
    assert call("run", place / "raw", place / "photo.png", "--file", "f32", "--save", tmp_path,
                "--json") == 0  # fmt: skip
    (found,) = json.loads(capfd.readouterr().out)["answers"]
    assert found["copies"] == [str(tmp_path / "photo-boxes.png")]
    drawn = np.asarray(Image.open(tmp_path / "photo-boxes.png"))
    scale = drawn.shape[0] / 72
    assert drawn.shape == (72 * scale, 96 * scale, 3)
    box = found["answer"][0]["box"]  # the best lies over all others
    row, column = round(box["bottom"] * scale) - 1, round((box["left"] + box["right"]) / 2 * scale)
    colours = ([128, 0, 0], [0, 128, 0])  # Pascal's first two
    assert drawn[row, column].tolist() == colours[found["answer"][0]["index"]]


def test_evaluate_tells_every_file_its_map(place, capfd) -> None:
    assert call("evaluate", place / "boxes", "--data", place / "data", "--json") == 0
    rows = json.loads(capfd.readouterr().out)["rows"]
    assert {"COCO mAP", "VOC AP50", "recall at 30%"} <= {row["metric"] for row in rows}
    for metric in ("COCO mAP", "VOC AP50"):
        by = {(r["format"], r["scheme"]): r["value"] for r in rows if r["metric"] == metric}
        assert len(by) == 4
        assert by["tflite", "f32"] == pytest.approx(by["onnx", "f32"], abs=1e-3)


def test_verify_compares_what_is_found(place, capfd) -> None:
    assert call("verify", place / "postprocess", "--json") in (0, 1)
    rows = json.loads(capfd.readouterr().out)
    assert {o["output"] for row in rows for o in row["outputs"]} == {"detections"}
    assert all(row["passed"] for row in rows if "f32" in row["file"])


def test_layers_are_compared_up_to_the_tail(place, capfd) -> None:
    """What stands behind codes and logits has no layer in the source, and is left alone."""
    assert call("verify", place / "postprocess", "--per-layer", "--json") in (0, 1)
    found = json.loads(capfd.readouterr().out)
    (layers,) = (row["layers"] for row in found if row["file"] == "ssdlite-run.f32.tflite")
    names = {row["layer"] for row in layers}
    # Random weights turn a float's last digit into 80 dB, more or less by the CPU's instructions.
    assert "diverges" not in {row["verdict"] for row in layers}
    assert {"block_13_expand_relu", "extra_5_relu", "box_0"} <= names


def test_the_answer_is_refused_where_it_is_no_detectors(place, tmp_path, capfd) -> None:
    assert call("convert", place / "run", "--answer", "labels", "-o", tmp_path / "x") == 2
    assert "answer: got labels, expected boxes, postprocess, raw" in capfd.readouterr().err


def test_bad_boxes_exit_2_and_name_file_and_entry(place, tmp_path, capfd) -> None:
    data = tmp_path / "data"
    shutil.copytree(place / "data", data)
    body = json.loads((data / "test.json").read_text())
    body["annotations"][0]["bbox"][2] = 0
    (data / "test.json").write_text(json.dumps(body))
    for command in (
        ("train", "ssdlite:scattered", "--data", data, "-o", tmp_path / "r"),
        ("evaluate", place / "raw", "--data", data),
    ):
        assert call(*command) == 2
        err = capfd.readouterr().err
        assert "test.json: annotation 16: a box without area" in err
        assert err.strip().count("\n") == 0
    assert not (tmp_path / "r").exists()
