"""One network, read from Keras, TFLite and ONNX, has one count."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from edgekit.errors import InputError
from edgekit.families.mobilenet_v2 import FAMILY
from edgekit.profile.cost.summary import by_layer, summarize
from edgekit.profile.graph import read_graph

keras = pytest.importorskip("tf_keras")
tf = pytest.importorskip("tensorflow")
tf2onnx = pytest.importorskip("tf2onnx")
layers = keras.layers


def mobilenet() -> Any:
    return FAMILY.build(FAMILY.tiny)


def compound() -> Any:
    """Separable, transposed and dilated convolutions; the free batch is folded on the way."""
    x = image = layers.Input((16, 16, 4))
    x = layers.SeparableConv2D(8, 3, strides=2, padding="same", depth_multiplier=2)(x)
    x = layers.Conv2DTranspose(6, 3, strides=2, padding="same")(x)
    x = layers.Conv2D(8, 3, dilation_rate=2, padding="same")(x)
    return keras.Model(image, layers.Dense(7)(layers.Flatten()(x)), name="compound")


def sequence() -> Any:
    """A recurrent layer in both directions, a dense layer on every step, a product of batches."""
    x = steps = layers.Input((12, 8), batch_size=1)
    x = layers.Bidirectional(layers.LSTM(16, return_sequences=True))(x)
    x = layers.TimeDistributed(layers.Dense(9))(x)
    return keras.Model(steps, layers.Dot(2)([x, x]), name="sequence")


def dense_on_steps() -> Any:
    """A dense layer on `[N, 12, 8]` with N free: the converter computes shapes while running."""
    x = steps = layers.Input((12, 8))
    return keras.Model(steps, layers.Dense(5)(layers.Dense(32)(x)), name="dense_on_steps")


def nested() -> Any:
    """A shared inner model, called twice."""
    inner = keras.Sequential([layers.Input((12, 12, 3)), layers.Conv2D(4, 3)], name="inner")
    a, b = layers.Input((12, 12, 3)), layers.Input((12, 12, 3))
    return keras.Model([a, b], layers.Add()([inner(a), inner(b)]), name="nested")


# By hand: separable 8*8*(8*9) + 8*8*(8*8); transposed 8*8*8*9*6; dilated 16*16*9*6*8; 2048*7.
COMPOUND = 64 * 72 + 64 * 64 + 64 * 8 * 9 * 6 + 256 * 9 * 6 * 8 + 2048 * 7
SEQUENCE = 2 * 12 * 4 * 16 * (8 + 16) + 12 * 32 * 9 + 12 * 12 * 9
CASES = {
    mobilenet: None,
    compound: COMPOUND,
    sequence: SEQUENCE,
    dense_on_steps: 12 * (8 * 32 + 32 * 5),
    nested: 2 * 100 * 27 * 4,
}


@pytest.fixture(scope="module", params=CASES, ids=lambda case: case.__name__)
def network(request: Any, tmp_path_factory: Any) -> tuple[Any, Any, Path]:
    """The model, the count of the hand, and a folder with its two conversions."""
    folder = tmp_path_factory.mktemp("formats")
    model = request.param()
    tflite = tf.lite.TFLiteConverter.from_keras_model(model).convert()
    (folder / "m.tflite").write_bytes(tflite)
    tf2onnx.convert.from_keras(model, opset=17, output_path=str(folder / "m.onnx"))
    return model, CASES[request.param], folder


def test_three_formats_give_one_number(network: tuple[Any, Any, Path]) -> None:
    model, by_hand, folder = network
    counts = [
        summarize(read_graph(m)).madds for m in (model, folder / "m.tflite", folder / "m.onnx")
    ]
    assert len(set(counts)) == 1
    assert by_hand in (None, counts[0])


def test_keras_parameters_are_those_of_keras(network: tuple[Any, Any, Path]) -> None:
    model, _, _ = network
    assert summarize(read_graph(model)).params == model.count_params()


def test_layers_of_the_conversions_are_those_of_keras(network: tuple[Any, Any, Path]) -> None:
    model, _, folder = network
    if model.name != "mobilenet_v2":
        pytest.skip("names are looked at in one network")
    want = {row.name: row.madds for row in by_layer(read_graph(model)) if row.madds}
    for file in ("m.tflite", "m.onnx"):
        got = {row.name: row.madds for row in by_layer(read_graph(folder / file)) if row.madds}
        assert got == want, file


def test_keras_3_is_read_as_well() -> None:
    """Keras 3 beside Keras 2: both in one process, neither imported by the reader."""
    keras_3 = pytest.importorskip("keras")
    x = image = keras_3.layers.Input((16, 16, 4))
    x = keras_3.layers.SeparableConv2D(8, 3, strides=2, padding="same", depth_multiplier=2)(x)
    x = keras_3.layers.Conv2DTranspose(6, 3, strides=2, padding="same")(x)
    x = keras_3.layers.Conv2D(8, 3, dilation_rate=2, padding="same")(x)
    x = keras_3.layers.Dense(7)(keras_3.layers.Flatten()(x))
    model = keras_3.Model(image, x)
    summary = summarize(read_graph(model))
    assert (summary.madds, summary.params) == (COMPOUND, model.count_params())
    nested = keras_3.Sequential([keras_3.layers.Input((16, 16, 4)), model, keras_3.layers.ReLU()])
    assert summarize(read_graph(nested)).madds == COMPOUND


def test_free_image_size_is_asked_for_by_name(tmp_path: Path) -> None:
    x = image = layers.Input((None, None, 3), name="picture")
    x = layers.Conv2D(4, 3, strides=2, padding="same")(x)
    model = keras.Model(image, layers.GlobalAveragePooling2D()(x))
    (tmp_path / "m.tflite").write_bytes(tf.lite.TFLiteConverter.from_keras_model(model).convert())
    tf2onnx.convert.from_keras(model, opset=17, output_path=str(tmp_path / "m.onnx"))
    for source in (model, tmp_path / "m.tflite", tmp_path / "m.onnx"):
        with pytest.raises(InputError, match="--shape picture="):
            read_graph(source)
        graph = read_graph(source, {"picture": (2, 20, 30, 3)})
        assert summarize(graph).madds == 2 * 10 * 15 * 4 * 27
        with pytest.raises(InputError, match="--shape picture does not fit"):
            read_graph(source, {"picture": (1, 20, 30, 4)})
        with pytest.raises(InputError, match="no input photo"):
            read_graph(source, {"photo": (1, 20, 30, 3)})


def test_subclassed_model_has_no_graph() -> None:
    class Net(keras.Model):
        pass

    with pytest.raises(InputError, match="no graph of layers"):
        read_graph(Net())
