"""Classification: pixels to tensors and scores to labels, against hand arithmetic and SciPy."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import scipy.special
import scipy.stats
from PIL import Image

from edgekit.errors import InputError
from edgekit.signature import TensorSpec
from edgekit.tasks import TASKS, classify, register, task


def pixels(*shape: int) -> np.ndarray:
    return np.random.default_rng(3).integers(0, 256, shape, dtype=np.uint8)


def decode(values: object, **params: object) -> classify.Answer:
    return classify.decode({"scores": np.array([values], np.float32)}, params)


def test_float_input_is_normalized_per_channel() -> None:
    spec = TensorSpec("x", (1, 2, 2, 3), "float32", layout="NHWC", mean=(10, 20, 30), std=(1, 2, 4))
    picture = np.tile(np.array([12, 24, 38], np.uint8), (2, 2, 1))
    tensor = classify.encode(picture, spec, {})
    assert (tensor.dtype, tensor.shape) == (np.float32, (1, 2, 2, 3))
    np.testing.assert_array_equal(tensor, np.full((1, 2, 2, 3), 2.0))


def test_integer_input_is_quantized_and_clipped() -> None:
    spec = TensorSpec("x", (1, 1, 4, 1), "int8", 0.5, 3, "NHWC", (100.0,), (2.0,))
    picture = np.array([[[101], [100], [0], [255]]], np.uint8)
    # (101 - 100) / 2 / 0.5 + 3 = 4;  0 / .5 + 3 = 3;  -50 / .5 + 3 = -97;  77.5 / .5 + 3 = 158.
    assert classify.encode(picture, spec, {}).ravel().tolist() == [4, 3, -97, 127]


def test_uint8_input_without_mean_takes_the_pixels() -> None:
    spec = TensorSpec("x", (1, 5, 4, 3), "uint8", 1 / 128, 128, "NHWC")
    picture = pixels(5, 4, 3)
    np.testing.assert_array_equal(classify.encode(picture, spec, {})[0], picture)


def test_pictures_are_resized_and_laid_out() -> None:
    picture = pixels(40, 30, 3)
    spec = TensorSpec("x", (1, 3, 10, 12), "float32", layout="NCHW", mean=(0.0,), std=(1.0,))
    expected = np.asarray(Image.fromarray(picture).resize((12, 10), Image.Resampling.BILINEAR))
    np.testing.assert_array_equal(
        classify.encode(picture, spec, {})[0], expected.transpose(2, 0, 1).astype(np.float32)
    )


def test_grey_and_colour_meet() -> None:
    grey, colour = pixels(4, 4, 1), pixels(4, 4, 3)
    three = TensorSpec("x", (1, 4, 4, 3), "uint8", layout="NHWC")
    one = TensorSpec("x", (1, 4, 4, 1), "uint8", layout="NHWC")
    np.testing.assert_array_equal(classify.encode(grey, three, {})[0], grey.repeat(3, 2))
    luma = np.asarray(Image.fromarray(colour).convert("L"), int)
    assert np.abs(classify.encode(colour, one, {})[0, ..., 0].astype(int) - luma).max() <= 1


@pytest.mark.parametrize(
    ("spec", "line"),
    [
        (TensorSpec("x", (1, 4, 4, 3), "float32", layout="NHWC"), "how pixels become float32"),
        (TensorSpec("x", (1, 4, 4, 3), "int8", 1.0, 0, "NHWC"), "how pixels become int8"),
        (TensorSpec("x", (1, 4, 4, 3), "uint8"), "layout unknown"),
        (TensorSpec("x", (8, 4, 4, 3), "uint8", layout="NHWC"), r"not one picture: got \[8, 4"),
        (TensorSpec("x", (1, 48), "uint8", layout="NHWC"), r"not one picture: got \[1, 48\]"),
        (
            TensorSpec("x", (1, 4, 4, 3), "float32", layout="NHWC", mean=(1, 2), std=(1, 1)),
            "expected one number or 3",
        ),
        (
            TensorSpec("x", (1, 4, 4, 3), "float32", layout="NHWC", mean=(1,), std=(0,)),
            "std not 0",
        ),
    ],
)
def test_what_cannot_be_encoded_is_named(spec: TensorSpec, line: str) -> None:
    with pytest.raises(InputError, match=line):
        classify.encode(pixels(4, 4, 3), spec, {})


def test_logits_go_through_the_softmax() -> None:
    logits = [1.0, -2.0, 5.0, 4.0]
    answer = decode(logits, labels=["a", "b", "c", "d"], top=2)
    assert [(g.index, g.label) for g in answer] == [(2, "c"), (3, "d")]
    expected = scipy.special.softmax(logits)
    np.testing.assert_allclose([g.score for g in answer], expected[[2, 3]], rtol=1e-6)


def test_probabilities_are_taken_as_they_are() -> None:
    assert [g.score for g in decode([0.25, 0.75])] == [0.75, 0.25]
    # 1001 classes in steps of 1/256: the small ones round to nothing, and the sum is not 1.
    rounded = np.zeros(1001)
    rounded[[7, 9]] = 200 / 256, 30 / 256
    assert decode(rounded)[0] == classify.Guess(7, 200 / 256, None)
    # What the manifest says goes before what the numbers look like.
    assert decode([0.25, 0.75], scores="logits")[0].score == pytest.approx(
        scipy.special.softmax([0.25, 0.75])[1], rel=1e-6
    )


def test_ties_go_to_the_lower_index() -> None:
    assert [g.index for g in decode([0.2, 0.3, 0.3, 0.2])] == [1, 2, 0, 3]


def test_without_labels_an_index_says_that_it_is_one() -> None:
    assert decode([0.1, 0.9])[0].name == "index 1"
    assert classify.describe(decode([0.0, 1.0], top=1)) == [
        {"index": 1, "label": None, "score": 1.0}
    ]


@pytest.mark.parametrize(
    ("outputs", "params", "line"),
    [
        ({"a": np.zeros((1, 2)), "b": np.zeros(1)}, {}, "got a, b, expected one"),
        ({"a": np.zeros((2, 2))}, {}, r"got \[2, 2\], expected \[1, classes\]"),
        ({"a": np.array([[np.nan, 1, np.inf]])}, {}, "NaN or infinity: got 2 of 3"),
        ({"a": np.zeros((1, 3))}, {"labels": ["x", "y"]}, "got 2 labels, expected 3"),
        ({"a": np.zeros((1, 3))}, {"scores": "odds"}, "got odds, expected probabilities or logits"),
    ],
)
def test_what_cannot_be_decoded_is_named(outputs, params, line: str) -> None:
    with pytest.raises(InputError, match=line):
        classify.decode(outputs, params)


def test_accuracy_counts_hits_among_the_first_guesses() -> None:
    ranking = [classify.Guess(i, 0.1, None) for i in (3, 1, 4, 0, 5, 9)]
    answers = [tuple(ranking)] * 4
    top1, top5 = classify.score(answers, [3, 1, 9, 0])
    assert (top1.metric, top1.value, top1.n) == ("top-1 accuracy", 0.25, 4)
    assert (top5.metric, top5.value) == ("top-5 accuracy", 0.75)
    assert [s.metric for s in classify.score([a[:2] for a in answers], [3, 1, 9, 0])] == [
        "top-1 accuracy"
    ]
    with pytest.raises(InputError, match="no examples"):
        classify.score([], [])


def npz(path: Path, **arrays: object) -> str:
    x = pixels(4, 2, 2, 1)
    np.savez(path, x_train=x, y_train=[0, 1, 0, 1], x_test=x, y_test=[1, 0, 1, 1], **arrays)
    return str(path)


def test_classes_are_matched_by_name(tmp_path: Path) -> None:
    source = npz(tmp_path / "d.npz", classes=["dog", "cat"])
    examples = classify.read(source, {"labels": ["cat", "cow", "dog"]})
    assert [truth for _, truth in examples] == [0, 2, 0, 0]
    np.testing.assert_array_equal(examples[1][0], pixels(4, 2, 2, 1)[1])


@pytest.mark.parametrize(
    ("labels", "line"),
    [
        (["dog", "cow"], "class cat is not a label of the model: expected one of cow, dog"),
        (["dog", "cat", "cat"], "class cat is a label of several outputs"),
        (None, "class dog: expected an index, as the model has no labels"),
    ],
)
def test_classes_that_do_not_match_are_named(labels, line: str, tmp_path: Path) -> None:
    source = npz(tmp_path / "d.npz", classes=["dog", "cat"])
    with pytest.raises(InputError, match=line):
        classify.read(source, {"labels": labels})


def test_without_labels_classes_are_indices(tmp_path: Path) -> None:
    examples = classify.read(npz(tmp_path / "d.npz"), {})
    assert [truth for _, truth in examples] == [1, 0, 1, 1]


@pytest.mark.parametrize("shape", [(8, 8, 1), (50, 400, 3), (600, 400, 3)])
def test_a_drawn_copy_is_larger_than_nothing_and_leaves_the_original(shape) -> None:
    picture = pixels(*shape)
    before = picture.copy()
    answer = (classify.Guess(0, 0.9, "a long label " * 30), classify.Guess(1, 0.1, "猫\n🙂"))
    (drawn,) = classify.draw(picture, answer)
    np.testing.assert_array_equal(picture, before)
    assert drawn.dtype == np.uint8
    assert min(drawn.shape[:2]) >= 320
    assert (drawn > 250).all(axis=2).any()  # the text is white


def test_a_task_is_registered_once() -> None:
    assert task({"name": "classify"}).decode is classify.decode
    with pytest.raises(ValueError, match="registered already"):
        register("classify", "elsewhere")
    assert TASKS["classify"] == "edgekit.tasks.classify"
    with pytest.raises(InputError, match="task juggle: unknown: expected one of classify"):
        task({"name": "juggle"})
