"""A model in memory: README's own example, and what is wrong told in one line."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import keras as keras3
import numpy as np
import pytest
import tf_keras

from edgekit.errors import InputError
from edgekit.export.conversion import Plan, convert
from edgekit.quantize.scheme import parse_schemes
from edgekit.sources.function import source_of

README = Path(__file__).parents[1] / "README.md"
VALUES = np.random.default_rng(0).normal(size=(100, 3)).astype(np.float32)


def dense(keras: Any = tf_keras) -> Any:
    given = keras.Input((3,), name="row")
    return keras.Model(given, keras.layers.Dense(2, name="out")(given))


def test_the_example_of_readme(tmp_path: Path) -> None:
    code, told = re.findall(
        "### From Python.*?```python\n(.*?)```.*?```\n(.*?)```", README.read_text(), re.DOTALL
    )[0]
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True,
        env={**os.environ, "PYTHONPATH": str(README.parent)},
    )  # fmt: skip
    lines = [line.split() for line in done.stdout.splitlines()]
    expected = [line.split() for line in told.splitlines()]
    sizes = [[int(line.pop(1)) for line in each] for each in (lines, expected)]
    assert lines == expected
    assert sizes[0] == pytest.approx(sizes[1], rel=0.01)  # of another converter


@pytest.mark.parametrize("keras", [tf_keras, keras3])
@pytest.mark.parametrize("examples", [VALUES, {"row": VALUES}, {"row": VALUES, "more": VALUES}])
def test_arrays_calibrate(keras: Any, examples: Any, tmp_path: Path) -> None:
    plan = Plan(parse_schemes("w8a8"), calibrate=examples)
    made = convert(source_of(dense(keras), "mine"), plan, tmp_path / "out").artifact
    assert made.manifest.provenance["source"] == "memory"
    told = made.manifest.provenance["calibration"]
    assert told == {"data": "arrays in memory", "examples": 100}
    assert made.manifest.files[0].parity["passed"]


@pytest.mark.parametrize(
    ("examples", "line"),
    [
        ({"other": VALUES}, "arrays in memory: no array for input row: got other"),
        (VALUES[:, :2], "arrays in memory: input row does not fit: got float32 [100, 2]"),
        (VALUES[:0], "arrays in memory: no calibration examples"),
        (np.full_like(VALUES, np.nan), "arrays in memory: calibration example 0, input row"),
        ([["a", "b", "c"]], "arrays in memory: input row does not fit: got <U1 [1, 3]"),
        (None, "scheme w8a8"),
    ],
)
def test_arrays_that_do_not_serve(examples: Any, line: str, tmp_path: Path) -> None:
    plan = Plan(parse_schemes("w8a8"), calibrate=examples)
    with pytest.raises(InputError, match="^" + re.escape(line)):
        convert(source_of(dense(), "mine"), plan, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_what_is_no_model() -> None:
    with pytest.raises(InputError, match="mine: no Keras model: got int"):
        source_of(3, "mine")
    with pytest.raises(InputError, match="mine: a model without input shape"):
        source_of(tf_keras.Sequential([tf_keras.layers.Dense(2)]), "mine")
