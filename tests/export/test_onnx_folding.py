"""What tf2onnx leaves between a convolution and its batch norm, where a map is one pixel."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest

pytest.importorskip("tf_keras")

import keras
import tf_keras
from onnx import TensorProto, helper, numpy_helper
from tf2onnx.optimizer.transpose_optimizer import TransposeOptimizer

from edgekit.export.onnx import convert
from edgekit.export.onnx.folding import fold
from edgekit.export.tracing.lowering import lower
from edgekit.quantize.scheme import parse_scheme
from edgekit.runtime import open_model


@pytest.fixture(scope="module")
def model() -> tf_keras.Model:
    """Two convolutions with batch norms whose weights are no identity; the maps are 1x1."""
    image = x = tf_keras.Input((3, 3, 2), name="image")
    for number, size in enumerate((3, 1)):
        x = tf_keras.layers.Conv2D(4, size, use_bias=False, name=f"conv_{number}")(x)
        x = tf_keras.layers.BatchNormalization(name=f"norm_{number}")(x)
        x = tf_keras.layers.ReLU(name=f"relu_{number}")(x)
    made = tf_keras.Model(image, tf_keras.layers.Flatten(name="answer")(x))
    rng = np.random.default_rng(0)
    made.set_weights([rng.uniform(0.5, 1.5, w.shape) for w in made.get_weights()])
    return made


@pytest.mark.parametrize("scheme", ["f32", "w8a8"])
def test_convolutions_take_their_batch_norms_in(model, scheme: str, tmp_path: Path) -> None:
    given = np.random.default_rng(1).uniform(0, 1, (32, 1, 3, 3, 2)).astype(np.float32)
    content = convert(lower(model, tmp_path / "lowered"), parse_scheme(scheme),
                      samples=lambda: iter([{"image": x} for x in given]))  # fmt: skip
    ops = [node.op_type for node in onnx.load_from_string(content).graph.node]
    assert ops.count("Conv") == 2
    assert not {"BatchNormalization", "Mul"} & set(ops)
    # By hand: a 3x3 map under a 3x3 kernel is one dot product.
    first, *norm, second = (w.numpy().astype(np.float64) for w in model.weights[:6])
    gamma, beta, mean, variance = norm
    x = np.einsum("yxc,yxcf->f", given[0, 0], first)
    x = np.maximum((x - mean) / np.sqrt(variance + 1e-3) * gamma + beta, 0) @ second[0, 0]
    gamma, beta, mean, variance = (w.numpy() for w in model.weights[6:])
    expected = np.maximum((x - mean) / np.sqrt(variance + 1e-3) * gamma + beta, 0)
    (tmp_path / "file.onnx").write_bytes(content)
    answers = open_model(tmp_path / "file.onnx")({"image": given[0].transpose(0, 3, 1, 2)})
    tolerance = 1e-5 if scheme == "f32" else 0.03
    np.testing.assert_allclose(answers["answer"][0], expected, rtol=tolerance)


@pytest.mark.parametrize("sizes", [(1, 4, 1, 1), (1, 4, 2, 1), (1, 4, 2, 3)])
def test_a_transposed_pixel_given_its_shape_back_hides_no_norm(sizes: tuple[int, ...]) -> None:
    """As tf2onnx leaves it by some hash seeds; of more pixels the numbers do change places."""
    names, float32 = ["scale", "shift", "mean", "variance"], TensorProto.FLOAT
    stored = {"weights": np.ones((4, 2, 1, 1)), **dict.fromkeys(names, np.arange(1.0, 5.0))}
    constants = [numpy_helper.from_array(v.astype(np.float32), n) for n, v in stored.items()]
    constants.append(numpy_helper.from_array(np.array(sizes), "sizes"))
    nodes = [
        helper.make_node("Conv", ["x", "weights"], ["map"]),
        helper.make_node("Transpose", ["map"], ["turned"], perm=(0, 2, 3, 1)),
        helper.make_node("Reshape", ["turned", "sizes"], ["back"]),
        helper.make_node("BatchNormalization", ["back", *names], ["answer"]),
    ]
    ends = [helper.make_tensor_value_info("x", float32, (1, 2, *sizes[2:])),
            helper.make_tensor_value_info("answer", float32, sizes)]  # fmt: skip
    graph = helper.make_graph(nodes, "pixel", ends[:1], ends[1:], constants)
    folded = fold(helper.make_model(graph)).graph
    kinds = ["Conv"] if sizes[2:] == (1, 1) else [node.op_type for node in nodes]
    assert [node.op_type for node in folded.node] == kinds


def test_norms_and_paddings_of_keras_3_go_into_their_ops(tmp_path: Path) -> None:
    """Behind a depthwise, a transposed and a row's convolution, and behind a dense op."""
    layers = keras.layers
    image, row = keras.Input((8, 8, 3), name="image"), keras.Input((16, 3), name="row")
    x = normed(layers.DepthwiseConv2D(3, strides=2)(layers.ZeroPadding2D(1)(image)))
    x = normed(layers.Conv2DTranspose(4, 3, strides=2, padding="same")(x))
    y = normed(layers.Conv1D(4, 3)(row))
    y = normed(layers.SeparableConv1D(4, 3)(y))
    pooled = [layers.GlobalAveragePooling2D()(x), layers.GlobalAveragePooling1D()(y)]
    out = normed(layers.Dense(5)(layers.Concatenate()(pooled)))
    model = keras.Model({"image": image, "row": row}, out)
    content = convert(lower(model, tmp_path / "lowered"), parse_scheme("f32"))
    ops = [node.op_type for node in onnx.load_from_string(content).graph.node]
    assert not {"Mul", "Add", "Pad", "BatchNormalization"} & set(ops)
    assert (ops.count("Conv"), ops.count("ConvTranspose"), ops.count("Gemm")) == (4, 1, 1)
    assert ops[ops.index("Unsqueeze") + 1 :].count("Unsqueeze") == 0  # only the row's first
    (tmp_path / "file.onnx").write_bytes(content)
    rng = np.random.default_rng(0)
    fed = {"image": rng.normal(size=(1, 8, 8, 3)), "row": rng.normal(size=(1, 16, 3))}
    fed = {name: value.astype(np.float32) for name, value in fed.items()}
    expected = model.predict(fed, verbose=0)
    fed["image"] = fed["image"].transpose(0, 3, 1, 2)
    (answer,) = open_model(tmp_path / "file.onnx")(fed).values()
    np.testing.assert_allclose(answer, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("version", [tf_keras, keras], ids=["keras2", "keras3"])
def test_a_hard_sigmoid_leaves_no_transposition(version, tmp_path: Path, caplog) -> None:
    """Squeeze-and-excitation and hard swish behind norms, as in MobileNetV3."""
    layers = version.layers
    image = version.Input((8, 8, 3), name="image")
    x = layers.Conv2D(8, 3, padding="same", use_bias=False)(image)
    x = layers.BatchNormalization()(x)
    x = x * layers.ReLU(6.0)(x + 3.0) * (1 / 6)
    squeezed = layers.Conv2D(8, 1)(layers.GlobalAveragePooling2D(keepdims=True)(x))
    x = x * layers.Activation("hard_sigmoid")(squeezed)
    model = version.Model(image, layers.GlobalAveragePooling2D(name="y")(layers.Conv2D(4, 1)(x)))
    content = convert(lower(model, tmp_path / "lowered"), parse_scheme("f32"))
    ops = [node.op_type for node in onnx.load_from_string(content).graph.node]
    assert "Transpose" not in ops
    assert not caplog.messages
    (tmp_path / "file.onnx").write_bytes(content)
    given = np.random.default_rng(0).normal(size=(1, 8, 8, 3)).astype(np.float32)
    (answer,) = open_model(tmp_path / "file.onnx")({"image": given.transpose(0, 3, 1, 2)}).values()
    np.testing.assert_allclose(answer, model(given), rtol=1e-4, atol=1e-6)


def test_an_optimizer_that_gives_up_is_named(monkeypatch, tmp_path: Path, caplog) -> None:
    def fail(*_):
        raise ValueError("an empty sequence")

    monkeypatch.setattr(TransposeOptimizer, "_handle_nhwc_tranpose", fail)
    image = keras.Input((4, 4, 3), name="image")
    model = keras.Model(image, keras.layers.Conv2D(2, 1)(image))
    convert(lower(model, tmp_path / "lowered"), parse_scheme("f32"))
    (line,) = caplog.messages
    assert line == ("ONNX: right, but slower than it could be: tf2onnx: "
                    "Failed to apply optimize_transpose: an empty sequence")  # fmt: skip


def normed(x):
    """Behind it a batch norm that is no identity, and a ReLU."""
    norm = keras.layers.BatchNormalization(
        gamma_initializer="random_normal", beta_initializer="random_normal",
        moving_mean_initializer="random_normal", moving_variance_initializer="random_uniform",
    )  # fmt: skip
    norm.moving_variance_initializer = keras.initializers.RandomUniform(0.5, 2.0, seed=1)
    return keras.layers.ReLU()(norm(x))


@pytest.mark.parametrize("version", [tf_keras, keras], ids=["tf_keras", "keras"])
def test_dense_layers_on_rows_multiply_them_as_they_stand(version, tmp_path: Path) -> None:
    """The same answers, and no Reshape: in ONNX a MatMul takes any number of rows."""
    rows = version.layers.Input((6, 4), batch_size=1)
    hidden = version.layers.Dense(5, activation="tanh")(rows)
    network = version.Model(rows, version.layers.Dense(3)(hidden))
    lowered = lower(network, tmp_path / "network")
    content = convert(lowered, parse_scheme("f32"))
    kinds = [node.op_type for node in onnx.load_from_string(content).graph.node]
    assert "Reshape" not in kinds
    assert kinds.count("MatMul") == 2
    (tmp_path / "m.onnx").write_bytes(content)
    given = np.random.default_rng(0).normal(size=(1, 6, 4)).astype(np.float32)
    (spec,) = lowered.signature.inputs
    (got,) = open_model(tmp_path / "m.onnx")({spec.name: given}).values()
    np.testing.assert_allclose(got, np.asarray(network(given)), rtol=1e-5, atol=1e-6)
