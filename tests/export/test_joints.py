"""What is joined in 8 bits: whoever else reads it finds it whole, in steps of its own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from edgekit.export.conversion import Plan, convert
from edgekit.export.files import Wanted
from edgekit.export.source import Source
from edgekit.parity import sqnr_db
from edgekit.parity.answers import answer
from edgekit.quantize.graph.tflite_file import kind_of, unpack
from edgekit.quantize.ptq.techniques import PostTraining, parse_techniques
from edgekit.quantize.scheme import parse_schemes
from edgekit.runtime import open_model
from edgekit.sources import load

K, L = keras.ops, keras.layers


def joined(*values: Any) -> Any:
    return L.Concatenate()(list(values))


def halves(x: Any) -> Any:
    """Return one half of the channels beside what is made of the other, which is 20 times wider."""
    first, second = K.split(x * np.repeat(np.float32([1, 20]), 4), 2, axis=-1)
    return joined(first, L.Conv2D(4, 1, activation="sigmoid")(second))


NETWORKS: dict[str, Callable[[Any], Any]] = {
    "clipped": lambda x: joined(K.clip(x, -0.2, 0.3) * 2.0, x),
    "chosen": lambda x: joined(K.where(x > 0.3, 0.3, x) * 2.0, x),
    "chosen by sign": lambda x: K.where(x > 0.0, x, x * 0.1),
    "chosen by place": lambda x: joined(K.where(K.arange(6)[:, None] > 2, x, 9.0), x),
    "joined with what is wide": lambda x: joined(x, x * 20.0) + L.Conv2D(16, 1)(x),
    "averaged, then joined": L.AdaptiveAveragePooling2D(3),
    "split": halves,
}


def network(function: Callable[[Any], Any]) -> keras.Model:
    keras.utils.set_random_seed(0)
    x = fed = keras.Input((8, 8, 4), name="x")
    x = function(L.Conv2D(8, 3)(x))
    x = L.GlobalAveragePooling2D()(L.Conv2D(8, 1)(x))
    return keras.Model(fed, L.Dense(4, name="y")(x))


@pytest.fixture
def data(tmp_path: Path) -> np.ndarray:
    values = np.random.default_rng(0).normal(size=(100, 8, 8, 4)).astype(np.float32)
    np.save(tmp_path / "x.npy", values)
    return values


@pytest.mark.parametrize("techniques", ["none", "best"])
@pytest.mark.parametrize("format", ["tflite", "onnx"])
@pytest.mark.parametrize("name", NETWORKS)
def test_what_is_joined_for_one_reader_is_whole_for_others(
    name: str, format: str, techniques: str, data: np.ndarray, tmp_path: Path
) -> None:
    # TensorFlow's quantizer gives both the range of the answer: 4 to 15 dB, 23 by sign.
    model = network(NETWORKS[name])
    wanted = Wanted(post_training=PostTraining(parse_techniques(techniques)))
    plan = Plan(parse_schemes("w8a8"), (format,), str(tmp_path / "x.npy"), wanted=wanted)
    artifact = convert(Source("net", model, "keras3", {}), plan, tmp_path / "out").artifact
    (file,) = artifact.manifest.files
    got = answer(open_model(artifact.path(file)), file.signatures, {"x": data[:16]})["y"]
    assert sqnr_db(model(data[:16]).numpy(), got) > 24


def test_a_saved_model_too(data: np.ndarray, tmp_path: Path) -> None:
    model = network(NETWORKS["joined with what is wide"])
    model.export(tmp_path / "saved", verbose=False)
    plan = Plan(parse_schemes("w8a8"), calibrate=str(tmp_path / "x.npy"))
    artifact = convert(load(str(tmp_path / "saved")), plan, tmp_path / "out").artifact
    (file,) = artifact.manifest.files
    (got,) = answer(open_model(artifact.path(file)), file.signatures, {"x": data[:16]}).values()
    assert sqnr_db(model(data[:16]).numpy(), got) > 24


def ranges_of(layers: Callable[[Any], Any], folder: Path) -> dict[str, list[float]]:
    """Return, by kind of op, how wide the answers' ranges are where all of -1 to 1 is fed."""
    x = keras.Input((256,), name="x")
    same = L.Dense(256, kernel_initializer="identity", use_bias=False)
    model = keras.Model(x, L.Identity(name="y")(layers(same(x))))
    np.save(folder / "x.npy", np.tile(np.linspace(-1, 1, 256, dtype=np.float32), (20, 1)))
    plan = Plan(parse_schemes("w8a8"), calibrate=str(folder / "x.npy"))
    artifact = convert(Source("net", model, "keras3", {}), plan, folder / "out").artifact
    file = unpack(artifact.path(artifact.manifest.files[0]).read_bytes())
    (graph,), ranges = file.subgraphs, dict[str, list[float]]()
    for op in graph.operators:
        (scale,) = graph.tensors[op.outputs[0]].quantization.scale
        ranges.setdefault(kind_of(file, op), []).append(round(float(scale) * 255, 1))
    return ranges


def test_a_copy_has_the_steps_of_the_answer(tmp_path: Path) -> None:
    ranges = ranges_of(lambda x: joined(joined(x, x * 20.0), L.Dense(3)(x)), tmp_path)
    assert ranges["FULLY_CONNECTED"][0] == 2.0
    assert ranges["QUANTIZE"] == [40.0]
    assert set(ranges["CONCATENATION"]) == {40.0}


@pytest.mark.parametrize("factor", [0.6, 1.0, 1.8])
def test_steps_that_differ_by_less_than_a_bit_are_shared(factor: float, tmp_path: Path) -> None:
    ranges = ranges_of(lambda x: joined(x, x * factor), tmp_path)
    assert "QUANTIZE" not in ranges
    assert ranges["FULLY_CONNECTED"] == [round(2 * max(factor, 1), 1)]


def test_bits_are_counted_over_all_joints(tmp_path: Path) -> None:
    """Each is 1.5 times as wide as what it joins: the second's 3 is copied for the third's 6.75."""

    def layers(x: Any) -> Any:
        for _ in range(3):
            x = joined(x, x * 1.5)
        return x

    ranges = ranges_of(layers, tmp_path)
    assert ranges["FULLY_CONNECTED"] == [3.0]
    assert ranges["QUANTIZE"] == [6.8]
    assert ranges["CONCATENATION"] == [3.0, 6.8, 6.8]
