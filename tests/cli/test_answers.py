"""edgekit run: labels for pictures, from artifacts and from bare files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny_tflite
from PIL import Image

from edgekit import cli

# One pixel of each: the score of a class is its weight times (pixel - 100) / 50.
WEIGHTS = [[1.0], [-1.0]]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A bare float model of one grey pixel, labels, and a white and a black picture."""
    (tmp_path / "m.tflite").write_bytes(tiny_tflite.dense(WEIGHTS, [1, 1, 1, 1]))
    (tmp_path / "wide.tflite").write_bytes(tiny_tflite.dense(np.ones((2, 12)), [1, 2, 2, 3]))
    (tmp_path / "labels.txt").write_text("light\nda[r]k\n\n")
    for name, value in (("white", 200), ("black", 0), ("a 'b\" 🙂", 200)):
        Image.fromarray(np.full((6, 5), value, np.uint8)).save(tmp_path / f"{name}.png")
    (tmp_path / "text.jpg").write_text("not a picture")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*arguments: object) -> int:
    return cli.run(["run", *map(str, arguments)])


HINTS = ("--mean", "100", "--std", "50", "--labels", "labels.txt")


def test_a_bare_float_file_needs_its_preprocessing(folder: Path, capsys: Any) -> None:
    assert run("wide.tflite", "white.png") == 2
    captured = capsys.readouterr()
    assert "how pixels become float32 is not known" in captured.err
    assert "--mean and --std" in captured.err
    assert (captured.out, captured.err.count("\n")) == ("", 1)


def test_answers_as_json(folder: Path, capsys: Any) -> None:
    assert run("wide.tflite", "white.png", "black.png", *HINTS, "--json") == 0
    captured = capsys.readouterr()
    data = json.loads(captured.out)
    assert [a["input"] for a in data["answers"]] == ["white.png", "black.png"]
    # 12 equal weights: both classes score alike, which the softmax makes a half.
    assert data["answers"][0]["answer"] == [
        {"index": 0, "label": "light", "score": 0.5},
        {"index": 1, "label": "da[r]k", "score": 0.5},
    ]


def test_copies_are_saved_with_the_answer_on_them(folder: Path, capsys: Any) -> None:
    assert run("wide.tflite", "a 'b\" 🙂.png", *HINTS, "--save", "out dir") == 0
    copy = folder / "out dir" / "a 'b\" 🙂-labelled.png"
    with Image.open(copy) as drawn, Image.open(folder / "a 'b\" 🙂.png") as original:
        assert min(drawn.size) >= 320
        assert original.size == (5, 6)
    text = capsys.readouterr().out
    assert " 50.0%  da[r]k" in text
    assert "saved out dir/" in text


def test_without_labels_indices_say_so(folder: Path, capsys: Any) -> None:
    assert run("wide.tflite", "white.png", "--mean", "0", "--std", "1", "--top", "1") == 0
    captured = capsys.readouterr()
    assert "index 0" in captured.out
    assert "the numbers are the indices of its outputs" in captured.err


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (("none.tflite", "white.png"), "none.tflite: cannot be read"),
        (("white.png", "white.png"), "white.png: not a model file"),
        (("wide.tflite", "none.png", *HINTS), "none.png: not found"),
        (("wide.tflite", "text.jpg", *HINTS), "text.jpg: cannot be read as a picture"),
        (("wide.tflite", "white.png", "--mean", "1"), "--mean and --std: got one of them"),
        (("wide.tflite", "white.png", "--mean", "a", "--std", "1"), "--mean: got a"),
        (("wide.tflite", "white.png", "--mean", "nan", "--std", "1"), "--mean: got nan"),
        (("wide.tflite", "white.png", "--labels", "none"), "none: cannot be read"),
        (("wide.tflite", "white.png", "--file", "f32"), "--file: got f32"),
        (("wide.tflite", "white.png", "--runtime", "abacus"), "runtime abacus: unknown"),
        (("m.tflite", "white.png", *HINTS), "not one picture"),
        (("wide.tflite", "white.png", *HINTS, "--task", "detect"), "expected boxes [1, n, 4]"),
        (("wide.tflite", "white.png", "a/white.jpg", "--save", "."), "two copies"),
        (("wide.tflite", "white.png", *HINTS, "--save", "labels.txt"), "cannot be written"),
        ((".", "white.png"), "not an artifact"),
        (("wide.tflite",), "no INPUT: expected at least one"),
    ],
)
def test_bad_input_is_one_line(folder: Path, arguments, line: str, capsys: Any) -> None:
    assert run(*arguments) == 2
    captured = capsys.readouterr()
    assert line in captured.err
    assert captured.out == ""
    assert captured.err.count("\n") == 1


@pytest.mark.parametrize(
    ("picture", "label"),
    [("cat", "Egyptian cat"), ("bird", "chickadee"), ("grace_hopper", "military uniform")],
)
def test_published_model_on_photographs(
    shared_data: Path, picture: str, label: str, capsys: Any
) -> None:
    """The labels of the photographs, and the scores of the interpreter used by hand."""
    from ai_edge_litert.interpreter import Interpreter

    model = shared_data / "tflite" / "tf2_mobilenet_v2_1.0_224_ptq.tflite"
    photograph = shared_data / "images" / f"{picture}.bmp"
    labels = shared_data / "images" / "imagenet_labels.txt"
    assert run(model, photograph, "--labels", labels, "--json") == 0
    answer = json.loads(capsys.readouterr().out)["answers"][0]["answer"]
    assert answer[0]["label"] == label

    interpreter = Interpreter(str(model))
    interpreter.allocate_tensors()
    small = Image.open(photograph).convert("RGB").resize((224, 224), Image.Resampling.BILINEAR)
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], np.asarray(small)[None])
    interpreter.invoke()
    scores = interpreter.get_tensor(interpreter.get_output_details()[0]["index"])[0]
    assert [row["score"] for row in answer] == (np.sort(scores)[::-1][:5] / 256).tolist()


@pytest.mark.parametrize("first", [[], ["???"]], ids=["labels", "labels with a background"])
def test_published_detector_on_a_photograph(
    shared_data: Path, first: list[str], tmp_path: Path, capsys: Any
) -> None:
    """Boxes and scores of the interpreter used by hand, in the photograph's pixels."""
    from ai_edge_litert.interpreter import Interpreter

    model = shared_data / "tflite" / "coco_ssd_mobilenet_v1_1.0_quant_2018_06_29.tflite"
    photograph = shared_data / "images" / "cat.bmp"
    names = (shared_data / "images" / "coco_labels.txt").read_text().splitlines()
    labels = tmp_path / "labels.txt"
    labels.write_text("\n".join([*first, *names]))
    assert run(model, photograph, "--task", "detect", "--labels", labels, "--json") == 0
    captured = capsys.readouterr()
    assert ("left out: the file does not number the background" in captured.err) == bool(first)
    answer = json.loads(captured.out)["answers"][0]["answer"]
    assert answer[0]["label"] == "cat"

    interpreter = Interpreter(str(model))
    interpreter.allocate_tensors()
    picture = Image.open(photograph).convert("RGB")
    small = picture.resize((300, 300), Image.Resampling.BILINEAR)
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], np.asarray(small)[None])
    interpreter.invoke()
    boxes, _, scores, _ = (
        interpreter.get_tensor(d["index"])[0] for d in interpreter.get_output_details()
    )
    sides = np.array([picture.height, picture.width] * 2)
    assert [row["score"] for row in answer] == [float(s) for s in scores if s >= 0.3]
    np.testing.assert_allclose(list(answer[0]["box"].values()), boxes[0] * sides, rtol=1e-6)


def test_a_mediocre_photograph_fits_eighty_columns(shared_data: Path, capsys: Any) -> None:
    model = shared_data / "tflite" / "tf2_mobilenet_v2_1.0_224_ptq.tflite"
    labels = shared_data / "images" / "imagenet_labels.txt"
    photograph = shared_data / "images" / "grace_hopper.bmp"
    assert run(model, photograph, "--labels", labels, "--top", "40") == 0
    assert max(map(len, capsys.readouterr().out.splitlines())) <= 80
