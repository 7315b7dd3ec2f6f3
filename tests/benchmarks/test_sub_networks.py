"""Parts of a published file: together they are the whole, and they are named by what differs."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))
from edgekit.profile.graph import read_graph
from sub_networks import differing_ops, more_ops, thirds

PER_CHANNEL = "tf2_mobilenet_v2_1.0_224_ptq.tflite"
PER_TENSOR = "mobilenet_v2_1.0_224_quant.tflite"


def answer(path: Path, given: np.ndarray) -> np.ndarray:
    interpreter = pytest.importorskip("ai_edge_litert.interpreter").Interpreter(str(path))
    interpreter.allocate_tensors()
    (taken,) = interpreter.get_input_details()
    interpreter.set_tensor(taken["index"], given)
    interpreter.invoke()
    (made,) = interpreter.get_output_details()
    return interpreter.get_tensor(made["index"])


def test_parts_one_after_another_are_the_whole(shared_data: Path, tmp_path: Path) -> None:
    whole = shared_data / "tflite" / PER_CHANNEL
    value = picture = np.random.default_rng(0).integers(0, 256, (1, 224, 224, 3), np.uint8)
    for part in thirds(whole, tmp_path).values():
        value = answer(part, value)
    np.testing.assert_array_equal(value, answer(whole, picture))


def test_op_lists_of_two_published_files(shared_data: Path) -> None:
    ours, theirs = (read_graph(shared_data / "tflite" / n) for n in (PER_CHANNEL, PER_TENSOR))
    assert more_ops(ours, ours) == "none"
    assert more_ops(ours, theirs) == "QUANTIZE x2, MEAN"
    assert more_ops(theirs, ours) == "AVERAGE_POOL_2D"
    assert differing_ops(ours, ours) == 0
    assert differing_ops(ours, theirs) == len(ours.ops)
