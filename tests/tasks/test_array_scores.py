"""Metrics of raw outputs beside scikit-learn's, and intervals beside SciPy's and by hand."""

from typing import Any

import numpy as np
import pytest
import scipy.stats
from sklearn import metrics

from edgekit.errors import InputError
from edgekit.tasks import Score
from edgekit.tasks.array_scores import pair, score

RNG = np.random.default_rng(7)


def scored(answers: Any, truths: Any) -> dict[str, Score]:
    """Pair and score row by row, as evaluate does."""
    rows = [
        pair("d", np.asarray(answers)[i : i + 1], np.asarray(truths)[i : i + 1])
        for i in range(len(answers))
    ]
    found, true = (np.concatenate(part) for part in zip(*rows, strict=True))
    return {one.metric: one for one in score(found, true)}


@pytest.mark.parametrize("shape", ["classes", "column", "one-hot"])
def test_classes_are_counted_as_scikit_learn_does(shape: str) -> None:
    scores, classes = RNG.normal(size=(200, 8)), RNG.integers(0, 8, 200)
    truths = {
        "classes": classes, "column": classes[:, None], "one-hot": np.eye(8, dtype="f")[classes],
    }[shape]  # fmt: skip
    found = scored(scores, truths)
    for k in (1, 5):
        one = found[f"top-{k} accuracy"]
        assert one.value == metrics.top_k_accuracy_score(classes, scores, k=k, labels=range(8))
        assert (one.hits or "").count("1") == round(one.value * 200)
    low, high = scipy.stats.binomtest(round(200 * one.value), 200).proportion_ci(method="wilson")
    assert one.interval == pytest.approx((low, high))


def test_few_classes_have_no_top_5() -> None:
    assert list(scored([[0.1, 0.9], [0.4, 0.6]], [1, 0])) == ["top-1 accuracy"]


@pytest.mark.parametrize(("logits", "threshold"), [(False, 0.5), (True, 0)])
def test_two_classes_have_accuracy_and_area(logits: bool, threshold: float) -> None:
    values = RNG.normal(size=300).round(1)  # with ties
    truths = (values + RNG.normal(size=300) > 0).astype(int)
    answers = values if logits else 1 / (1 + np.exp(-values))
    found = scored(answers[:, None], truths)
    accuracy = metrics.accuracy_score(truths, values > 0)
    assert found[f"accuracy at {threshold:g}"].value == accuracy
    assert found["AUC"].value == pytest.approx(metrics.roc_auc_score(truths, values), abs=1e-12)


def test_several_columns_share_a_mean_area() -> None:
    answers, truths = RNG.uniform(size=(100, 3)), RNG.integers(0, 2, (100, 3))
    found = scored(answers, truths)
    assert found["accuracy at 0.5"].value == pytest.approx(((answers > 0.5) == truths).mean())
    assert found["AUC"].value == pytest.approx(metrics.roc_auc_score(truths, answers))


@pytest.mark.parametrize("shape", [(50,), (50, 1), (50, 3), (50, 4, 2)])
def test_numbers_have_errors(shape: tuple[int, ...]) -> None:
    answers, truths = RNG.normal(size=shape), RNG.normal(size=shape)
    found = scored(answers, truths)
    flat = truths.reshape(50, -1), answers.reshape(50, -1)
    assert found["RMSE"].value == pytest.approx(metrics.mean_squared_error(*flat) ** 0.5)
    assert found["MAE"].value == pytest.approx(metrics.mean_absolute_error(*flat))
    assert (found["RMSE"].better, found["RMSE"].unit) == ("lower", "target units")
    low, high = found["RMSE"].interval or (1, 0)
    assert low < found["RMSE"].value < high


def test_a_column_of_truths_fits_a_vector() -> None:
    found = scored(np.array([[1.0], [2.0], [5.0]]), np.array([1.0, 2.5, 4.0]))
    assert found["MAE"].value == pytest.approx(0.5)
    assert found["RMSE"].value == pytest.approx((1.25 / 3) ** 0.5)


@pytest.mark.parametrize("kind", ["classes", "one-hot", "one channel"])
def test_maps_have_miou(kind: str) -> None:
    channels = 1 if kind == "one channel" else 3
    truths = RNG.integers(0, max(2, channels), (6, 9, 7))
    answers = RNG.uniform(size=(6, 9, 7, channels))
    classes = (answers[..., 0] > 0.5).astype(int) if channels == 1 else answers.argmax(-1)
    given = np.eye(3)[truths] if kind == "one-hot" else truths
    found = scored(answers, given)
    expected = metrics.jaccard_score(truths.ravel(), classes.ravel(), average="macro")
    assert found["mIOU"].value == pytest.approx(expected)
    assert found["pixel accuracy"].value == pytest.approx((classes == truths).mean())


def test_void_neither_helps_nor_harms() -> None:
    answers = np.zeros((1, 2, 2, 2))
    answers[..., 1] = 1
    truths = np.array([[[1, 1], [255, 0]]], np.uint8)
    assert scored(answers, truths)["pixel accuracy"].value == pytest.approx(2 / 3)


def test_sequences_have_an_accuracy_over_places() -> None:
    answers, truths = RNG.normal(size=(30, 11, 400)), RNG.integers(0, 400, (30, 11))
    found = scored(answers, truths)
    assert found["accuracy"].value == pytest.approx((answers.argmax(-1) == truths).mean())


@pytest.mark.parametrize(
    ("answers", "truths", "line"),
    [
        (np.zeros((1, 3)), np.array([3]), "a class is out of range: got 3, expected 0 to 2"),
        (np.zeros((1, 3)), np.array([-1]), "a class is out of range: got -1"),
        (np.zeros((1, 3)), np.zeros((1, 4)), "does not fit the output: got float64 [1, 4]"),
        (np.zeros((1, 3)), np.array([1.0]), "expected numbers [1, 3] or integers [1]"),
        (np.full((1, 3), np.nan), np.array([1]), "NaN or infinity: got 3 of the output"),
        (np.zeros((1, 1)), np.array([np.inf]), "NaN or infinity: got 1 of what is true"),
    ],
)
def test_what_does_not_fit_is_one_line(answers: Any, truths: Any, line: str) -> None:
    with pytest.raises(InputError) as error:
        pair("d.npz: truth of y", answers, truths)
    assert line in str(error.value)
    assert "\n" not in str(error.value)


def test_a_negative_class_is_never_taken_for_void() -> None:
    """A map of classes that the network itself chose, beside one that says -1 somewhere."""
    found = np.array([[[0, 1], [1, 1]]])
    scores = scored(found, np.array([[[0, -1], [1, 1]]]))
    assert list(scores) == ["accuracy"]
    assert scores["accuracy"].value == 0.75
