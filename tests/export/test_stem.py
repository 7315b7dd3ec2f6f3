"""A stem that reads pixels in pairs against the plain one: weights by hand, equal answers."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras
from ai_edge_litert.interpreter import Interpreter

from edgekit.cli import run
from edgekit.errors import InputError
from edgekit.export.mending.stem import pair_stem
from edgekit.runtime.sandbox import open_isolated

layers = keras.layers


def stem(
    size: tuple[int, int, int] = (9, 8, 3), batch: int | None = 1, io: Any = tf.int8, **options: Any
) -> bytes:
    """Return a convolution of random weights and a depthwise one behind it as an 8-bit file."""
    keras.utils.set_random_seed(0)
    image = layers.Input(size, batch_size=batch, name="image")
    settings = {"kernel_size": 3, "strides": 2, "padding": "same", **options}
    x = layers.Conv2D(5, activation=tf.nn.relu6, name="stem", **settings)(image)
    x = layers.DepthwiseConv2D(3, padding="same", name="filter")(x)
    converter = tf.lite.TFLiteConverter.from_keras_model(keras.Model(image, x))
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    pictures = np.random.default_rng(1).uniform(-1, 1, (20, 1, *size)).astype(np.float32)
    converter.representative_dataset = lambda: ([picture] for picture in pictures)
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = converter.inference_output_type = io
    return bytes(converter.convert())


def stem_weights(content: bytes) -> Any:
    """Return the weights of the stem, the only ones of five filters."""
    interpreter = Interpreter(model_content=content)
    interpreter.allocate_tensors()
    ((tensor,)) = [
        d["index"] for d in interpreter.get_tensor_details()
        if len(d["shape"]) == 4 and d["shape"][0] == 5 and d["dtype"] == np.int8
    ]  # fmt: skip
    return interpreter.get_tensor(tensor)


def test_two_pixels_stand_side_by_side_and_what_is_lacking_is_zero() -> None:
    content = stem()
    plain, paired = stem_weights(content), stem_weights(pair_stem(content))
    assert plain.shape == (5, 3, 3, 3)
    assert paired.shape == (5, 3, 2, 6)
    first, second, third = (plain[:, :, tap] for tap in range(3))
    np.testing.assert_array_equal(paired[:, :, 0], np.concatenate([first, second], axis=-1))
    np.testing.assert_array_equal(paired[:, :, 1, :3], third)
    assert not paired[:, :, 1, 3:].any()


@pytest.mark.parametrize("runtime", ["litert", "tflite-runtime"])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"padding": "valid"},
        {"padding": "valid", "kernel_size": 5},
        {"kernel_size": 2},
        {"kernel_size": (5, 3), "strides": (2, 2)},
        {"size": (8, 12, 1)},
        {"size": (8, 6, 4), "io": tf.uint8},
        {"io": tf.float32},
        {"batch": None},
    ],
    ids=str,
)
def test_the_answers_are_the_same(tmp_path: Path, options: dict[str, Any], runtime: str) -> None:
    pytest.importorskip(runtime.replace("-", "_").replace("litert", "ai_edge_litert"))
    content = stem(**options)
    (tmp_path / "plain.tflite").write_bytes(content)
    (tmp_path / "paired.tflite").write_bytes(pair_stem(content))
    found = []
    for name in ("plain", "paired"):
        with closing(open_isolated(tmp_path / f"{name}.tflite", runtime=runtime)) as session:
            (spec,) = session.signatures["serving_default"].inputs
            rng, shape = np.random.default_rng(2), [abs(size) for size in spec.shape]
            values = rng.integers(-128, 128, shape)
            shift = 128 if spec.dtype == "uint8" else 0
            fed = values / 100 if spec.dtype == "float32" else values + shift
            found += session({spec.name: fed.astype(spec.dtype)}).values()
    assert len(np.unique(found[0])) > 20  # answers that could differ
    np.testing.assert_array_equal(*found)


@pytest.mark.parametrize(
    "options",
    [
        {"strides": 1},
        {"size": (8, 9, 3)},
        {"size": (8, 8, 5)},
        {"kernel_size": 5},  # SAME pads a pixel before a row, which would tear pairs apart
    ],
    ids=str,
)
def test_another_stem_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="--stem paired: no convolution to pair"):
        pair_stem(stem(**options))


def test_a_float_stem_is_refused() -> None:
    image = layers.Input((8, 8, 3), batch_size=1)
    network = keras.Model(image, layers.Conv2D(5, 3, strides=2, padding="same")(image))
    with pytest.raises(InputError, match="no convolution to pair: expected 8 bits"):
        pair_stem(tf.lite.TFLiteConverter.from_keras_model(network).convert())


def test_from_the_command_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    from edgekit.artifact import open_artifact

    np.save(tmp_path / "image.npy", np.random.default_rng(0).uniform(-1, 1, (4, 96, 96, 3)))
    convert = ("convert", "mobilenet_v2:0.35-96", "--calibrate", str(tmp_path / "image.npy"))
    told = ("--scheme", "f32,w8a8", "--stem", "paired", "-o", str(tmp_path / "artifact"))
    assert run([*convert, *told]) == 0
    assert "f32 tflite: its stem is left plain" in caplog.text + capsys.readouterr().err
    artifact = open_artifact(tmp_path / "artifact")
    assert artifact.manifest.provenance["stem"] == "paired"
    float_file, integer = artifact.manifest.files
    # Of nine taps along three rows two of six channels are left: 36 products for 27.
    assert integer.madds - float_file.madds == 48 * 48 * 16 * 9
    assert run([*convert, "--stem", "paired", "-o", str(tmp_path / "none")]) == 2
    assert "--stem: got paired, expected w8a8 or qat-w8a8 as .tflite" in capsys.readouterr().err
    assert not (tmp_path / "none").exists()
