"""A user's own networks, asked and judged with arrays: scikit-learn says what they must answer."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from sklearn import datasets, linear_model, metrics

from edgekit.cli import run

LAYERS = keras.layers
TEST = slice(0, None, 4)  # every fourth example; the others teach


def linear(model: Any, name: str, coefficients: Any, offsets: Any) -> None:
    model.get_layer(name).set_weights([np.asarray(coefficients, "f"), np.asarray(offsets, "f")])


def rest(array: Any) -> Any:
    return np.delete(array, np.arange(len(array))[TEST], axis=0)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Networks of two inputs and two outputs, of a table and of a probability, with their data."""
    folder = tmp_path_factory.mktemp("raw")
    _digits(folder)
    _diabetes(folder)
    _tumours(folder)
    for name in ("digits", "diabetes", "tumours"):
        assert run(["convert", str(folder / f"{name}.keras"), "-o", str(folder / name), "-q",
                    "--to", "tflite,onnx", "--scheme", "f32,w8a8",
                    "--calibrate", str(folder / f"{name}-calibration.npz")]) == 0  # fmt: skip
    return folder


def _digits(folder: Path) -> None:
    """Left and right half of a digit to its class, and to how much ink there is."""
    data = datasets.load_digits()
    pixels = (data.images / 16).astype("f")
    halves = {"left": pixels[:, :, :4], "right": pixels[:, :, 4:]}
    inputs = [keras.Input((8, 4), name=name) for name in halves]
    both = LAYERS.Concatenate()([LAYERS.Flatten()(one) for one in inputs])
    outputs = [
        LAYERS.Dense(10, activation="softmax", name="digit")(both),
        LAYERS.Dense(1, name="ink")(both),
    ]
    model = keras.Model(inputs, outputs)
    flat = np.concatenate([half.reshape(len(half), -1) for half in halves.values()], axis=1)
    fitted = linear_model.LogisticRegression(max_iter=500).fit(rest(flat), rest(data.target))
    linear(model, "digit", fitted.coef_.T, fitted.intercept_)
    linear(model, "ink", np.ones((64, 1)), [0])
    model.save(folder / "digits.keras")
    np.savez(folder / "digits-calibration.npz", **{k: rest(v) for k, v in halves.items()})
    np.savez(folder / "digits-test.npz", digit=data.target[TEST], ink=flat[TEST].sum(axis=1),
             **{k: v[TEST] for k, v in halves.items()})  # fmt: skip


def _diabetes(folder: Path) -> None:
    data = datasets.load_diabetes()
    x, y = (10 * data.data).astype("f"), data.target.astype("f")
    model = keras.Sequential([keras.Input((10,), name="row"), LAYERS.Dense(1, name="progression")])
    fitted = linear_model.LinearRegression().fit(rest(x), rest(y))
    linear(model, "progression", fitted.coef_[:, None], [fitted.intercept_])
    model.save(folder / "diabetes.keras")
    np.savez(folder / "diabetes-calibration.npz", rest(x))
    np.savez(folder / "diabetes-test.npz", x_train=rest(x), y_train=rest(y), x_test=x[TEST],
             y_test=y[TEST])  # fmt: skip
    np.savetxt(folder / "diabetes.csv", x[TEST], delimiter=",")
    np.save(folder / "diabetes-answers.npy", fitted.predict(x[TEST]))


def _tumours(folder: Path) -> None:
    data = datasets.load_breast_cancer()
    spread = rest(data.data).std(axis=0)
    x = ((data.data - rest(data.data).mean(axis=0)) / spread).astype("f")
    model = keras.Sequential(
        [keras.Input((30,)), LAYERS.Dense(1, activation="sigmoid", name="benign")]
    )
    fitted = linear_model.LogisticRegression().fit(rest(x), rest(data.target))
    linear(model, "benign", fitted.coef_.T, fitted.intercept_)
    model.save(folder / "tumours.keras")
    np.savez(folder / "tumours-calibration.npz", rest(x))
    np.savez(folder / "tumours-test.npz", x=x[TEST], y=data.target[TEST])
    np.save(folder / "tumours-answers.npy", fitted.predict_proba(x[TEST])[:, 1])


def evaluated(folder: Path, name: str, capsys: Any, *options: str) -> dict[tuple[str, str], Any]:
    """Return the rows of an evaluation by file and metric."""
    capsys.readouterr()
    data = str(folder / f"{name}-test.npz")
    assert run(["evaluate", str(folder / name), "--data", data, "--json", *options]) == 0
    rows = json.loads(capsys.readouterr().out)["rows"]
    return {(f"{row['scheme']} {row['format']}", row["metric"]): row for row in rows}


FLOATS = pytest.mark.parametrize("file", ["f32 tflite", "f32 onnx"])


@FLOATS
def test_two_inputs_and_two_outputs(folder: Path, file: str, capsys: Any) -> None:
    rows = evaluated(folder, "digits", capsys)
    data, test = datasets.load_digits(), np.load(folder / "digits-test.npz")
    halves = np.concatenate([test[k].reshape(-1, 32) for k in ("left", "right")], axis=1)
    x = (data.images / 16).reshape(-1, 8, 8)
    flat = np.concatenate([x[:, :, :4].reshape(-1, 32), x[:, :, 4:].reshape(-1, 32)], axis=1)
    model = linear_model.LogisticRegression(max_iter=500).fit(
        rest(flat.astype("f")), rest(data.target)
    )
    found = rows[file, "digit top-1 accuracy"]
    assert found["value"] == pytest.approx(model.score(halves, test["digit"]))
    assert found["n"] == len(halves) == 450
    assert rows[file, "ink RMSE"]["value"] < 1e-4  # a sum of 64 numbers
    loss = rows[file.replace("f32", "w8a8"), "digit top-1 accuracy"]["delta_points"]
    assert abs(loss) <= 2
    assert rows[file.replace("f32", "w8a8"), "ink RMSE"]["value"] < 0.1  # of 15 to 25


@FLOATS
def test_errors_of_a_regression(folder: Path, file: str, capsys: Any) -> None:
    rows = evaluated(folder, "diabetes", capsys)
    truth = np.load(folder / "diabetes-test.npz")["y_test"]
    expected = np.load(folder / "diabetes-answers.npy")
    rmse = metrics.mean_squared_error(truth, expected) ** 0.5
    assert rows[file, "RMSE"]["value"] == pytest.approx(rmse, rel=1e-5)
    mae = metrics.mean_absolute_error(truth, expected)
    assert rows[file, "MAE"]["value"] == pytest.approx(mae, rel=1e-5)
    small = rows[file.replace("f32", "w8a8"), "RMSE"]
    assert small["change"] == pytest.approx(small["value"] / rows[file, "RMSE"]["value"] - 1)
    assert abs(small["change"]) < 0.02
    assert small["delta_points"] is None


@FLOATS
def test_a_probability(folder: Path, file: str, capsys: Any) -> None:
    rows = evaluated(folder, "tumours", capsys)
    truth = np.load(folder / "tumours-test.npz")["y"]
    expected = np.load(folder / "tumours-answers.npy")
    area = metrics.roc_auc_score(truth, expected)
    assert rows[file, "AUC"]["value"] == pytest.approx(area, abs=1e-4)
    accuracy = metrics.accuracy_score(truth, expected > 0.5)
    assert rows[file, "accuracy at 0.5"]["value"] == pytest.approx(accuracy)


def test_the_table_of_an_evaluation(folder: Path, capsys: Any) -> None:
    assert run(["evaluate", str(folder / "diabetes"), "--data",
                str(folder / "diabetes-test.npz")]) == 0  # fmt: skip
    text = capsys.readouterr().out
    assert re.search(r"w8a8 tflite +RMSE +\d\d\.\d+ +\d\d\.\d+ to \d\d\.\d+ +[+-]\d\.\d%", text)
    assert "beside f32 in points, % or nats" in " ".join(text.split())
    assert max(map(len, text.splitlines())) <= 80


@pytest.mark.parametrize("place", ["f32.tflite", "f32.onnx"])
def test_arrays_and_tables_go_in_and_answers_come_out(
    folder: Path, place: str, tmp_path: Path, capsys: Any
) -> None:
    """From the artifact and from its bare file; the answers on the disk are the regression's."""
    test = np.load(folder / "diabetes-test.npz")["x_test"]
    np.save(tmp_path / "rows.npy", test)
    expected = np.load(folder / "diabetes-answers.npy")
    bare = str(folder / "diabetes" / f"diabetes.{place}")
    scheme, suffix = place.split(".")
    runtime = {"tflite": "litert", "onnx": "onnxruntime"}[suffix]
    artifact = [str(folder / "diabetes"), "--file", scheme, "--runtime", runtime]
    for model in ([bare], artifact):
        for given in (tmp_path / "rows.npy", folder / "diabetes.csv"):
            told = ["--task", "tensors"] if model == [bare] and given.suffix == ".csv" else []
            assert run(["run", *model, str(given), *told, "--save", str(tmp_path)]) == 0
            text = capsys.readouterr().out
            assert f"progression [{len(test)}, 1]" in text
            assert f"row 1: {expected[0]:.4g}" in text
            with np.load(tmp_path / f"{given.stem}-answers.npz") as saved:
                np.testing.assert_allclose(saved["progression"][:, 0], expected, rtol=1e-4)


def test_answers_in_json(folder: Path, tmp_path: Path, capsys: Any) -> None:
    test = np.load(folder / "digits-test.npz")
    np.savez(tmp_path / "one.npz", left=test["left"][0], right=test["right"][0])
    assert run(["run", str(folder / "digits"), str(tmp_path / "one.npz"), "--json"]) == 0
    (answer,) = json.loads(capsys.readouterr().out)["answers"]
    outputs = {one["output"]: one for one in answer["answer"]}
    assert outputs["digit"]["shape"] == [1, 10]
    assert np.sum(outputs["digit"]["values"]) == pytest.approx(1, abs=1e-5)
    ink = test["left"][0].sum() + test["right"][0].sum()
    assert outputs["ink"]["values"] == pytest.approx(np.array([[ink]]), rel=1e-5)


def test_evaluations_go_through_gate_and_report(folder: Path, tmp_path: Path, capsys: Any) -> None:
    base, new = str(tmp_path / "f32.json"), str(tmp_path / "w8a8.json")
    evaluated(folder, "diabetes", capsys, "--file", "f32", "--runtime", "litert", "-o", base)
    evaluated(folder, "diabetes", capsys, "--file", "w8a8", "--runtime", "litert", "-o", new)
    assert run(["gate", base, new]) == 0
    assert re.search(r"ok +diabetes\.w8a8\.tflite: RMSE (rose|fell) by ", capsys.readouterr().out)
    assert run(["gate", base, new, "--max-rise", "-100%"]) == 2
    page = tmp_path / "report.html"
    assert run(["report", str(folder / "diabetes"), base, new, "-o", str(page)]) == 0
    assert "RMSE, target units" in page.read_text()


@pytest.mark.parametrize(
    ("arrays", "line"),
    [
        (
            {"left": (2, 8, 4)},
            "no array for input right: got left, expected an .npz with left",
        ),
        (
            {"left": (2, 8, 4), "right": (2, 8, 5)},
            "right does not fit: got float32 [2, 8, 5]",
        ),
        ({"left": (2, 8, 4), "right": (3, 8, 4)}, "rows of the inputs: got 2 of left, 3 of right"),
        ({"left": (0, 8, 4), "right": (0, 8, 4)}, "input left does not fit: got float32 [0, 8, 4]"),
    ],
)
def test_arrays_that_do_not_fit(
    folder: Path, arrays: dict[str, tuple[int, ...]], line: str, tmp_path: Path, capsys: Any
) -> None:
    path = tmp_path / "bad.npz"
    np.savez(path, **{name: np.zeros(shape, "f") for name, shape in arrays.items()})
    assert run(["run", str(folder / "digits"), str(path)]) == 2
    captured = capsys.readouterr()
    assert line in captured.err
    assert (captured.out, captured.err.count("\n")) == ("", 1)


@pytest.mark.parametrize(
    ("name", "content", "line"),
    [
        ("none.npy", None, "none.npy: not found"),
        ("text.npy", b"no array", "text.npy: cannot be read"),
        ("text.npz", b"PK\x03\x04 no archive", "text.npz: cannot be read"),
        ("words.npy", np.array(["a"]), "array: got <U1, expected numbers"),
        ("pickled.npy", np.array([{}], object), "cannot be read: got Object arrays"),
        ("nan.npy", np.full((1, 10), np.nan, "f"), "input row: got 10 NaN or infinite values"),
        ("wide.npy", np.zeros((1, 11), "f"), "got float32 [1, 11], expected float32 [N, 10]"),
    ],
)
def test_files_that_are_no_arrays(
    folder: Path, name: str, content: Any, line: str, tmp_path: Path, capsys: Any
) -> None:
    path = tmp_path / name
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content is not None:
        np.save(path, content, allow_pickle=True)
    assert run(["run", str(folder / "diabetes"), str(path)]) == 2
    captured = capsys.readouterr()
    assert line in captured.err
    assert (captured.out, captured.err.count("\n")) == ("", 1)


@pytest.mark.parametrize(
    ("arrays", "line"),
    [
        ({"row": (4, 10)}, "arrays to judge on: got row, expected an .npz of inputs with what"),
        ({"x_train": (4, 10), "y_train": (4,)}, "arrays to judge on: got none"),
        ({"row": (4, 10), "z": (4,)}, "no array for an output: got row, z, expected progression"),
        ({"row": (4, 10), "progression": (4, 2)}, "does not fit the output: got float32 [1, 2]"),
        ({"row": (4, 10), "y": (5,)}, "arrays: got 4 of row, 5 of y"),
        ({"x": (4, 10), "z": (4,)}, "no array for an output: got x, z"),
        ({"a": (4, 10), "y": (4,)}, "no array for input row: got a, y"),
    ],
)
def test_examples_that_do_not_fit(
    folder: Path, arrays: dict[str, tuple[int, ...]], line: str, tmp_path: Path, capsys: Any
) -> None:
    path = tmp_path / "bad.npz"
    np.savez(path, **{name: np.zeros(shape, "f") for name, shape in arrays.items()})
    assert run(["evaluate", str(folder / "diabetes"), "--data", str(path)]) == 2
    captured = capsys.readouterr()
    assert line in captured.err
    assert (captured.out, captured.err.count("\n")) == ("", 1)


def test_pictures_and_arrays_are_run_apart(folder: Path, capsys: Any) -> None:
    assert run(["run", str(folder / "diabetes"), "a.npy", "b.png"]) == 2
    assert "got a.npy beside b.png, expected arrays alone" in capsys.readouterr().err
