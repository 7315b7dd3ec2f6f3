"""A photograph to a coloured mask by the command line, in three runtimes; what is refused."""

from __future__ import annotations

import importlib.util
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("tensorflow_model_optimization")

from edgekit import cli
from edgekit.families import family
from edgekit.families.deeplab_v3 import FAMILY, Config
from edgekit.families.deeplab_v3.data import load
from edgekit.families.deeplab_v3.fit import evaluate
from edgekit.families.rebuild import rebuild
from edgekit.families.run import Run, open_run, write_run
from edgekit.profile.cost.precision import islands
from edgekit.profile.graph import read_graph
from edgekit.runtime import RUNTIMES
from edgekit.tasks.pictures.scenes import CLASSES, Scenes
from edgekit.train import Options
from edgekit.train.history import read_history

SCHEMES = "f32,w8a8"


def call(*arguments: Any) -> int:
    return cli.run([str(a) for a in arguments])


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data set of drawn scenes, a run on it, its artifact, and a photograph of another shape."""
    here = tmp_path_factory.mktemp("segment")
    for name in ("images", "masks"):
        (here / "data" / name).mkdir(parents=True)
    for number, (pixels, mask) in enumerate(Scenes(20, seed=9)):
        Image.fromarray(pixels).save(here / f"data/images/{number}.png")
        Image.fromarray(mask).save(here / f"data/masks/{number}.png")
    (here / "data/labels.txt").write_text("\n".join(CLASSES))
    pixels, _ = Scenes(1, seed=10)[0]
    Image.fromarray(pixels[:90]).save(here / "photo.png")
    options = Options(epochs=2, batch_size=8, learning_rate=3e-3, schedule="poly")
    config = Config(0.35, 49, bn_momentum=0.5)
    FAMILY.fit(Run(here / "run", FAMILY.name, config, options, str(here / "data")))
    assert call("convert", here / "run", "--to", "tflite,onnx", "--scheme", SCHEMES,
                "-o", here / "artifact", "-q") in (0, 1)  # fmt: skip
    return here


def test_the_run_is_what_it_says(place: Path) -> None:
    """The weights that were kept score what the run says."""
    run = open_run(place / "run")
    assert run.config.classes == 6
    assert run.classes == CLASSES
    assert set(run.test) == {"float"}
    assert [row["epoch"] for row in read_history(run.folder)] == [1, 2]
    loaded = load(str(place / "data"), run.config, run.options)
    network = rebuild(run)
    assert evaluate(network.predict_on_batch, loaded.test) == pytest.approx(run.test["float"])


def test_a_run_at_several_scales(place: Path, capfd) -> None:
    """At one scale and unmirrored it scores what its float file does; the rows say how."""
    data = str(place / "data")
    assert call("evaluate", place / "artifact", "--data", data, "--file", "f32", "--json") == 0
    files = json.loads(capfd.readouterr().out)["rows"]
    assert call("evaluate", place / "run", "--data", data, "--scales", "1", "--json") == 0
    once = json.loads(capfd.readouterr().out)["rows"]
    assert [row["metric"] for row in once] == ["mIOU", "pixel accuracy"]
    for mine, theirs in zip(once, files[:2], strict=True):
        assert mine["metric"] == theirs["metric"]
        assert mine["value"] == pytest.approx(theirs["value"], abs=2e-3)
        assert (mine["n"], mine["runtime"]) == (theirs["n"], "tf_keras at 1")
    assert call("evaluate", place / "run", "--data", data, "--scales", "0.75,1", "--mirror") == 0
    table = capfd.readouterr().out
    assert "weights.h5" in table
    assert "tf_keras at 0.75, 1 and mirrored" in " ".join(table.split())


def test_scales_that_are_none(place: Path, tmp_path: Path, capfd) -> None:
    def refused(*arguments: Any) -> str:
        assert call("evaluate", *arguments, "--data", place / "data") == 2
        return capfd.readouterr().err

    run, artifact = place / "run", place / "artifact"
    assert "--scales: got a,1, expected numbers, as 0.5,1,1.5" in refused(run, "--scales", "a,1")
    assert "--scales: expected numbers" in refused(run, "--scales", "")
    assert "scale 0.1 of 49 pixels: mobilenet_v2: resolution: got 5" in refused(
        run, "--scales", "0.1"
    )
    assert "scale 1: got 49 pixels, as another" in refused(run, "--scales", "1,1")
    assert "threads" in refused(artifact, "--threads", "0")
    assert "--scales: got 0, 1, expected numbers above 0" in refused(run, "--scales", "0,1")
    assert "--file: got --scales or" in refused(run, "--mirror", "--file", "f32")
    assert "not a training run: expected a folder with run.json" in refused(artifact, "--mirror")
    other = Run(tmp_path / "run", "mobilenet_v2", family("mobilenet_v2").tiny, Options(), "digits")
    other.folder.mkdir()
    write_run(other)
    said = refused(other.folder, "--mirror")
    assert "not options of mobilenet_v2: expected a segmenter's run" in said


@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize("scheme", ["f32", "w8a8"])
def test_mask_and_overlay_in_every_runtime(place, tmp_path, capfd, runtime, scheme) -> None:
    pytest.importorskip(runtime.replace("-", "_").replace("litert", "ai_edge_litert"))
    assert call("run", place / "artifact", place / "photo.png", "--runtime", runtime, "--file",
                scheme, "--save", tmp_path, "--json") == 0  # fmt: skip
    (answer,) = json.loads(capfd.readouterr().out)["answers"]
    mask = Image.open(tmp_path / "photo-mask.png")
    assert (mask.mode, mask.size) == ("P", (128, 90))
    indices = np.asarray(mask)
    shares = {row["index"]: row["share"] for row in answer["answer"]}
    assert shares == pytest.approx({i: (indices == i).mean() for i in np.unique(indices)})
    assert answer["copies"] == [str(tmp_path / f"photo-{n}.png") for n in ("overlay", "mask")]
    overlay = np.asarray(Image.open(tmp_path / "photo-overlay.png"))
    assert overlay.shape[2] == 3


def test_runtimes_find_the_same_mask(place, tmp_path) -> None:
    found = []
    for runtime in ("litert", "onnxruntime"):
        assert call("run", place / "artifact", place / "photo.png", "--runtime", runtime, "--file",
                    "f32", "--save", tmp_path / runtime, "-q") == 0  # fmt: skip
        found.append(np.asarray(Image.open(tmp_path / runtime / "photo-mask.png")))
    assert (found[0] == found[1]).mean() > 0.999


def test_evaluate_tells_miou_of_every_file(place, capfd) -> None:
    assert call("evaluate", place / "artifact", "--data", place / "data", "--json") == 0
    rows = json.loads(capfd.readouterr().out)["rows"]
    assert {row["metric"] for row in rows} == {"mIOU", "pixel accuracy"}
    by = {(r["format"], r["scheme"]): r["value"] for r in rows if r["metric"] == "mIOU"}
    assert by["tflite", "f32"] == pytest.approx(by["onnx", "f32"], abs=1e-3)
    assert len(by) == 4


def test_the_integer_file_holds_no_float_island_and_no_space_to_batch(place) -> None:
    (path,) = (place / "artifact").glob("*.w8a8.tflite")
    graph = read_graph(path)
    assert islands(graph) == []
    natives = [op.native for op in graph.ops]
    assert not {"SPACE_TO_BATCH_ND", "BATCH_TO_SPACE_ND", "PAD"} & set(natives)
    assert natives.count("DEPTHWISE_CONV_2D") == 17
    assert natives[-1] == "ARG_MAX"
    assert natives.count("RESIZE_BILINEAR") == 1  # of the logits


def test_the_answer_is_as_asked(place, tmp_path, capfd) -> None:
    assert call("convert", place / "run", "--answer", "logits", "--answer-stride", "16",
                "-o", tmp_path / "logits", "-q") == 0  # fmt: skip
    manifest = json.loads((tmp_path / "logits/manifest.json").read_text())
    (output,) = manifest["files"][0]["signatures"]["serving_default"]["outputs"]
    assert (output["name"], output["shape"]) == ("logits", [1, 4, 4, 6])
    assert manifest["task"]["answer"] == "logits"
    assert manifest["task"]["labels"] == list(CLASSES)
    assert call("run", tmp_path / "logits", place / "photo.png", "--save", tmp_path, "-q") == 0
    assert Image.open(tmp_path / "photo-mask.png").size == (128, 90)
    assert call("convert", "deeplab_v3:scenes", "--answer", "logits", "-o", tmp_path / "x") == 2
    assert "only a run takes it" in capfd.readouterr().err


def test_labels_found_at_fewer_places_in_every_runtime(place, tmp_path) -> None:
    assert call("convert", place / "run", "--argmax-stride", "4", "--scheme", "f32,w8a8",
                "--to", "tflite,onnx", "-o", tmp_path / "few", "-q") in (0, 1)  # fmt: skip
    (path,) = (tmp_path / "few").glob("*.w8a8.tflite")
    assert islands(read_graph(path)) == []
    masks = []
    for runtime in RUNTIMES:
        if importlib.util.find_spec(runtime.replace("-", "_").replace("litert", "ai_edge_litert")):
            assert call("run", tmp_path / "few", place / "photo.png", "--runtime", runtime,
                        "--file", "f32", "--save", tmp_path / runtime, "-q") == 0  # fmt: skip
            masks.append(np.asarray(Image.open(tmp_path / runtime / "photo-mask.png")))
    assert len(masks) > 1
    assert all((mask == masks[0]).mean() > 0.999 for mask in masks)


@pytest.mark.parametrize(("mask", "says"), [
    (np.zeros((128, 127), np.uint8), "0.png: not of its picture's size: got 127 x 128"),
    (np.full((128, 128), 9, np.uint8), "0.png: unknown palette index: got 9"),
    (np.full((128, 128), 255, np.uint8), "0.png: void alone"),
])  # fmt: skip
def test_bad_masks_exit_2_and_name_the_file(place, tmp_path, capfd, mask, says) -> None:
    data = tmp_path / "data"
    shutil.copytree(place / "data", data)
    for number in range(20):
        Image.fromarray(mask).save(data / f"masks/{number}.png")
    (data / "labels.txt").write_text("\n".join(CLASSES))
    commands = (
        ("train", "deeplab_v3:scenes", "--data", data, "--batch-size", "4", "-o", tmp_path / "r"),
        ("evaluate", place / "artifact", "--data", data),
    )
    for command in commands:
        assert call(*command) == 2
        err = capfd.readouterr().err
        assert says.split(": ", 1)[1] in err
        assert ".png" in err
        assert err.count("\n") == 1 or "\n" not in err.strip()
    assert not (tmp_path / "r").exists()
