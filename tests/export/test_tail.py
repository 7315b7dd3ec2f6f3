"""What is computed in float behind a network: joined to its files, whatever their scheme."""

from __future__ import annotations

import numpy as np
import onnxruntime
import pytest
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter

pytest.importorskip("tensorflow")
import tf_keras as keras

from edgekit.errors import InputError
from edgekit.export import onnx, tflite
from edgekit.export.tail import convert_tail, join_tflite
from edgekit.export.tracing.lowering import Lowered, lower
from edgekit.quantize.scheme import parse_scheme

layers = keras.layers
RNG = np.random.default_rng(0)
PIXELS = RNG.uniform(-1, 1, (1, 8, 8, 3)).astype(np.float32)


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Lowered:
    """Two answers of a picture, one of them wide."""
    keras.utils.set_random_seed(1)
    image = layers.Input((8, 8, 3), name="image")
    x = layers.Conv2D(4, 3, name="first")(image)
    a, b = layers.Flatten(name="flat")(x), layers.GlobalAveragePooling2D(name="mean")(x)
    model = keras.Model(image, {"wide": a, "narrow": b})
    return lower(model, tmp_path_factory.mktemp("network") / "x")


@pytest.fixture(scope="module")
def tail(tmp_path_factory: pytest.TempPathFactory) -> Lowered:
    """The narrow answer over the wide one's sum, and a constant that needs a buffer."""
    narrow = layers.Input((4,), batch_size=1, name="narrow")
    wide = layers.Input((144,), batch_size=1, name="wide")
    dense = layers.Dense(5, name="dense")
    weighted = dense(narrow)
    model = keras.Model([narrow, wide], {"found": layers.Multiply()([weighted, weighted]),
                                         "wide_too": layers.ReLU()(wide)})  # fmt: skip
    dense.set_weights([np.arange(20, dtype=np.float32).reshape(4, 5), np.ones(5, np.float32)])
    return lower(model, tmp_path_factory.mktemp("tail") / "x")


def by_hand(wide: np.ndarray, narrow: np.ndarray) -> dict[str, np.ndarray]:
    kernel = np.arange(20, dtype=np.float32).reshape(4, 5)
    return {"found": (narrow @ kernel + 1) ** 2, "wide_too": np.maximum(wide, 0)}


@pytest.mark.parametrize("scheme", ["f32", "w8a8", "w8a16"])
def test_a_joined_tflite_answers_by_hand(network: Lowered, tail: Lowered, scheme: str) -> None:
    """With the network's own answers, as far as its integers tell them."""
    samples = lambda: iter([{"image": PIXELS}])  # noqa: E731
    alone = tflite.convert(network, parse_scheme(scheme), samples=samples)
    joined = Interpreter(model_content=join_tflite(alone, convert_tail(tail)))
    first = Interpreter(model_content=alone).get_signature_runner()
    signature = joined.get_signature_runner()
    (spec,) = signature.get_input_details().values()
    scale, zero = spec["quantization"]
    given = np.rint(PIXELS / scale + zero).astype(spec["dtype"]) if scale else PIXELS
    raw, details = first(image=given), first.get_output_details()
    real = {}
    for name, value in raw.items():
        scale, zero = details[name]["quantization"]
        real[name] = (value.astype(np.float32) - zero) * scale if scale else value
    found = signature(image=given)
    for name, expected in by_hand(**real).items():
        np.testing.assert_allclose(found[name], expected, rtol=1e-5, atol=1e-5)


def test_weights_stay_where_they_were_and_new_ones_are_aligned(
    network: Lowered, tail: Lowered
) -> None:
    """By the remainder of their place over 16, the alignment that the schema asks for."""
    alone = tflite.convert(network, parse_scheme("f32"))
    before, after = remainders(alone), remainders(join_tflite(alone, convert_tail(tail)))
    assert after[: len(before)] == before
    assert len(after) > len(before) > 3
    assert set(after[len(before) :]) == {0}


def remainders(content: bytes) -> list[int]:
    root = schema.Model.GetRootAs(content, 0)
    places = [root.Buffers(i)._tab for i in range(root.BuffersLength())]
    return [tab.Vector(tab.Offset(4)) % 16 for tab in places if tab.Offset(4)]


def test_a_joined_onnx_answers_by_hand(network: Lowered, tail: Lowered) -> None:
    scheme = parse_scheme("f32")
    alone = onnx.convert(network, scheme)
    content = onnx.join(alone, onnx.convert(tail, scheme))
    given = {"image": PIXELS.transpose(0, 3, 1, 2)}
    one, both = (onnxruntime.InferenceSession(c, providers=["CPUExecutionProvider"])
                 for c in (alone, content))  # fmt: skip
    real = dict(zip([o.name for o in one.get_outputs()], one.run(None, given), strict=True))
    found = dict(zip([o.name for o in both.get_outputs()], both.run(None, given), strict=True))
    assert set(found) == {"found", "wide_too"}
    for name, expected in by_hand(**real).items():
        np.testing.assert_allclose(found[name], expected, rtol=1e-5, atol=1e-5)


def test_what_does_not_fit_is_refused(network: Lowered, tail: Lowered) -> None:
    content, behind = tflite.convert(network, parse_scheme("f32")), convert_tail(tail)
    with pytest.raises(InputError, match="tail: input: got narrow"):
        join_tflite(behind, behind)
    with pytest.raises(InputError, match="not a"):
        join_tflite(content[: len(content) // 2], behind)
