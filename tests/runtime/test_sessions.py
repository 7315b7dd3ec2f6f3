"""Sessions against hand arithmetic, in every runtime."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import tiny_tflite
from onnx import TensorProto, helper, numpy_helper

from edgekit import runtime as runtimes
from edgekit.errors import InputError
from edgekit.runtime import Session
from edgekit.runtime.sandbox import open_isolated

TFLITE = ["litert", "tflite-runtime"]


def open_model(path: Path, *, runtime: str | None = None, **options: Any) -> Session:
    """Open `path` here; tflite-runtime in a child if another test has imported TensorFlow."""
    apart = runtime == "tflite-runtime" and "tensorflow" in sys.modules
    return (open_isolated if apart else runtimes.open_model)(path, runtime=runtime, **options)


def floats(*values: float) -> np.ndarray:
    return np.array(values, np.float32)


@pytest.fixture
def matmul() -> onnx.ModelProto:
    """H = x @ w, y = relu(h), w = [[1, -2], [3, 4]]."""
    weights = numpy_helper.from_array(np.array([[1, -2], [3, 4]], np.float32), "w")
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["h"]),
        helper.make_node("Relu", ["h"], ["y"]),
    ]
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 2])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 2])],
        [weights],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)


@pytest.mark.parametrize("open_in", [open_model, open_isolated])
@pytest.mark.parametrize("runtime", TFLITE)
def test_signatures_are_addressed_by_name(open_in, runtime: str, tmp_path: Path) -> None:
    path = tmp_path / "two.tflite"
    path.write_bytes(tiny_tflite.add_and_negate())
    session = open_in(path, runtime=runtime)
    assert {k: [o.name for o in v.outputs] for k, v in session.signatures.items()} == {
        "add": ["total", "twice"],
        "negate": ["minus"],
    }
    added = session({"b": floats(10, 20), "a": floats(1, 2)}, "add")
    np.testing.assert_array_equal(added["total"], [11, 22])
    np.testing.assert_array_equal(added["twice"], [22, 44])
    np.testing.assert_array_equal(session({"a": floats(3, 4)}, "negate")["minus"], [-3, -4])
    np.testing.assert_array_equal(
        session({"b": floats(0, 0), "a": floats(1, 2)}, "add")["total"], [1, 2]
    )
    with pytest.raises(InputError, match="no signature serving_default: expected add, negate"):
        session({"a": floats(1, 2)})
    session.close()
    session.close()
    with pytest.raises(ValueError, match="closed"):
        session({"a": floats(3, 4)}, "negate")


@pytest.mark.parametrize("runtime", TFLITE)
def test_a_file_without_signatures_keeps_its_tensor_names(runtime: str, tmp_path: Path) -> None:
    path = tmp_path / "plain.tflite"
    path.write_bytes(tiny_tflite.chain())
    np.testing.assert_array_equal(
        open_model(path, runtime=runtime)({"x": floats(1, -2)})["out"], [-4, 8]
    )


@pytest.mark.parametrize("open_in", [open_model, open_isolated])
@pytest.mark.parametrize("runtime", TFLITE)
def test_kept_tensors_of_a_tflite_file(open_in, runtime: str, tmp_path: Path) -> None:
    path = tmp_path / "plain.tflite"
    path.write_bytes(tiny_tflite.chain())
    session = open_in(path, runtime=runtime, keep_tensors=True)
    outputs = session({"x": floats(1, -2)})
    assert {k: v.tolist() for k, v in outputs.items()} == {
        "out": [-4, 8],
        "sum": [2, -4],
        "double": [4, -8],
    }
    assert [s.name for s in session.signatures["serving_default"].outputs] == list(outputs)


@pytest.mark.parametrize("open_in", [open_model, open_isolated])
def test_onnx_and_its_kept_values(open_in, matmul: onnx.ModelProto, tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"
    onnx.save(matmul, path)
    x = np.array([[1, 1], [0, 1], [-1, 0]], np.float32)
    session = open_in(path)
    (spec,) = session.signatures["serving_default"].inputs
    assert (spec.name, spec.shape, spec.dtype) == ("x", (-1, 2), "float32")
    np.testing.assert_array_equal(session({"x": x})["y"], [[4, 2], [3, 4], [0, 2]])
    kept = open_in(path, keep_tensors=True)({"x": x})
    np.testing.assert_array_equal(kept["h"], [[4, 2], [3, 4], [-1, 2]])


def test_onnx_external_data_is_refused_wherever_it_is_hidden(
    matmul: onnx.ModelProto, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # ONNX Runtime would look for the data here
    path = tmp_path / "m.onnx"
    onnx.save(matmul, path, save_as_external_data=True, location="w.bin", size_threshold=0)
    with pytest.raises(InputError, match="external data is refused: got w in another file"):
        open_model(path)

    outside = onnx.load_model(path, load_external_data=False).graph.initializer[0]
    constant = helper.make_node("Constant", [], ["c"], value=outside)
    branch = helper.make_graph([constant], "b", [], [])
    hidden = helper.make_node("If", ["x"], ["y"], then_branch=branch, else_branch=branch)
    graph = helper.make_graph([hidden], "g", [], [])
    path.write_bytes(helper.make_model(graph).SerializeToString())
    with pytest.raises(InputError, match="external data is refused"):
        open_model(path)


@pytest.mark.parametrize("runtime", TFLITE)
def test_quantization_is_read(runtime: str, tmp_path: Path) -> None:
    path = tmp_path / "q.tflite"
    path.write_bytes(tiny_tflite.dense_int8([[2, 4], [-6, 8]], [1, 2], (0.5, 0.25, 1.0)))
    session = open_model(path, runtime=runtime)
    (spec,) = session.signatures["serving_default"].inputs
    assert (spec.dtype, spec.scale, spec.zero_point) == ("int8", 0.5, 0)
    # 10 x 0.5 = 5 and 20 x 0.5 = 10; weights .5 1 -1.5 2: 12.5 -> 12 or 13, and 12.5 as well.
    scores = session({"image": np.array([[10, 20]], np.int8)})["scores"]
    assert scores.dtype == np.int8
    assert all(abs(int(s) - 12.5) <= 0.5 for s in scores[0])


def test_a_scale_that_means_nothing_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "q.tflite"
    path.write_bytes(tiny_tflite.dense_int8([[2, 4]], [1, 2], (0.0, 0.25, 1.0)))
    with pytest.raises(InputError, match=r"scale 0\.0, which means nothing"):
        open_model(path)


@pytest.mark.parametrize(
    ("inputs", "line"),
    [
        ({}, "wrong inputs: got none, expected image"),
        ({"image": np.zeros((1, 3), np.float32)}, r"got float32 \[1, 3\], expected float32 \[1, 2"),
        ({"image": np.zeros((1, 2), np.float64)}, r"got float64 \[1, 2\], expected float32"),
    ],
)
def test_wrong_inputs_are_named(inputs, line: str, tmp_path: Path) -> None:
    path = tmp_path / "d.tflite"
    path.write_bytes(tiny_tflite.dense([[1, 2]], [1, 2]))
    with pytest.raises(InputError, match=line):
        open_model(path)(inputs)


@pytest.mark.parametrize("name", ["x.tflite", "x.onnx"])
@pytest.mark.parametrize(
    "content", [b"", b"not a model", b"\0" * 100], ids=["empty", "text", "zeros"]
)
def test_what_is_no_model_is_one_line(name: str, content: bytes, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(InputError, match=name.replace(".", r"\.")) as caught:
        open_isolated(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["a b 'c\" 🙂\n.tflite", "-n.tflite"])
@pytest.mark.parametrize("open_in", [open_model, open_isolated])
def test_odd_names_open(open_in, name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(tiny_tflite.chain())
    assert open_in(path)({"x": floats(1, 1)})["out"].tolist() == [-4, -4]


@pytest.mark.parametrize("runtime", TFLITE)
def test_delegated_nodes_are_counted(runtime: str, tmp_path: Path) -> None:
    """XNNPACK knows ADD and NEG and not ZEROS_LIKE, so the second file falls in three parts."""
    path = tmp_path / "m.tflite"
    path.write_bytes(tiny_tflite.chain())
    facts = open_model(path, runtime=runtime).facts
    assert (facts["kernels"], facts["nodes"], facts["delegated"]) == ("XNNPACK", 3, 3)
    path.write_bytes(tiny_tflite.chain(middle=tiny_tflite.OPS.ZEROS_LIKE))
    facts = open_model(path, runtime=runtime).facts
    assert (facts["kernels"], facts["nodes"], facts["delegated"]) == ("XNNPACK", 3, 2)


def test_the_two_runtimes_differ_in_int8_kernels(shared_data: Path) -> None:
    path = shared_data / "tflite" / "mobilenet_v2_1.0_224_quant.tflite"
    assert open_model(path).facts["kernels"] == "XNNPACK"
    older = open_model(path, runtime="tflite-runtime").facts
    assert (older["kernels"], older["nodes"], older["delegated"]) == ("builtin", 66, 0)


def test_threads_are_checked(tmp_path: Path) -> None:
    path = tmp_path / "d.tflite"
    path.write_bytes(tiny_tflite.chain())
    for open_in in (open_model, open_isolated):
        with pytest.raises(InputError, match="threads: got 0, expected 1 or more"):
            open_in(path, threads=0)
        assert open_in(path, threads=2).facts["threads"] == 2


def test_sums_of_8_bits_do_not_saturate(tmp_path: Path) -> None:
    """255 x 127 twice is more than 16 bits hold, in which an x86 without VNNI adds up pairs."""
    weights = numpy_helper.from_array(np.full((64, 16), 127, np.int8), "w")
    graph = helper.make_graph(
        [helper.make_node("MatMulInteger", ["x", "w"], ["y"])],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.UINT8, [1, 64])],
        [helper.make_tensor_value_info("y", TensorProto.INT32, [1, 16])],
        [weights],
    )
    path = tmp_path / "sum.onnx"
    onnx.save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), path
    )
    answer = open_model(path)({"x": np.full((1, 64), 255, np.uint8)})["y"]
    np.testing.assert_array_equal(answer, np.full((1, 16), 64 * 255 * 127))
