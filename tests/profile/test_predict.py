"""Predicted latency against hand arithmetic; what is refused and what is widened."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from edgekit.errors import InputError
from edgekit.profile.cost.work import list_work
from edgekit.profile.graph import Graph, Op, Tensor
from edgekit.profile.prediction import cores
from edgekit.profile.prediction import predict as module
from edgekit.profile.prediction.advice import advise
from edgekit.profile.prediction.cores import Calibration, Rates, Transfer, calibrations, find_core
from edgekit.profile.prediction.predict import predict
from edgekit.profile.prediction.roofline import time_op

RATES = Rates(
    peak_gmadds=10.0,
    efficiency={"pointwise": 0.5, "conv": 0.25, "conv3x3": 0.25, "depthwise": 0.1,
                "fully_connected": 0.5},
    gb_per_s={"activations": 2.0, "weights": 1.0, "matrices": 4.0},
    overhead_us=3.0,
    simd_width=8,
    overlap=1.0,
)  # fmt: skip
CALIBRATION = Calibration(
    core="toy", runtime="ncnn", dtype="f32", clock_ghz=2.0, clocks_ghz=(2.0, 2.0), rates=RATES,
    level=0.9, factor=1.2, factor_elsewhere=1.5, errors={"network left out": {"mape_percent": 5.0}},
    points=({"device": "d", "source": "a table"},), madds=(1_000_000, 2_000_000),
    shares={"pointwise": (0.0, 1.0), "depthwise": (0.0, 1.0), "move": (0.0, 1.0)},
    transfers={"xnnpack": Transfer(0.5, 1.1, ("pair",))},
)  # fmt: skip


@pytest.fixture(autouse=True)
def _toy(monkeypatch: pytest.MonkeyPatch) -> None:
    known = (CALIBRATION, *calibrations())
    monkeypatch.setattr(cores, "calibrations", lambda: known)


def network(
    channels: int = 12, wide: int = 16, size: int = 80, dtype: str = "float32", kernel: int = 1,
    kind: str = "conv",
) -> Graph:  # fmt: skip
    """One convolution, `[1, size, size, channels]` to `wide` channels."""
    x = Tensor(0, "x", (1, size, size, channels), dtype)
    deep = 1 if kind == "depthwise_conv" else channels
    w = Tensor(1, "w", (wide, kernel, kernel, deep), dtype, True, True)
    y = Tensor(2, "y", (1, size, size, wide), dtype)
    op = Op(kind, "CONV_2D", (x, w), (y,), "layer", {"weights": (1,), "channel_axis": -1})
    return Graph("net", "tflite", (x,), (y,), (op,))


def test_one_op_by_hand() -> None:
    """6400 positions x 12 x 16 MAdds, the 12 channels padded to 16; all as written above."""
    found = predict(network(), "toy")
    compute_ms = 6400 * 16 * 16 / (0.5 * 10e9) * 1e3
    memory_ms = (6400 * (12 + 16) * 4 / 2e9 + 12 * 16 * 4 / 1e9) * 1e3
    assert found.latency_ms == pytest.approx(compute_ms + memory_ms + 0.003, rel=1e-12)
    assert found.interval_ms[1] == pytest.approx(found.latency_ms * 1.2)
    assert found.interval_ms[0] == pytest.approx(found.latency_ms / 1.2)
    assert (found.kind, found.reasons, found.ops[0].bound) == ("predicted", (), "memory")


@pytest.mark.parametrize(("overlap", "expected"), [(1.0, 7.0), (2.0, 5.0), (200.0, 4.0)])
def test_overlap_runs_from_sum_to_roofline(overlap: float, expected: float) -> None:
    """3 ms of compute and 4 of memory: 7 in turn, 5 in the mean of squares, 4 at best."""
    x = Tensor(0, "x", (1, 1, 1, 1_000_000), "float32")
    y = Tensor(2, "y", (1, 1, 1, 1_000_000), "float32")
    w = Tensor(1, "w", (1_000_000, 1, 1, 15), "int8", True, True)
    op = Op("depthwise_conv", "d", (x, w), (y,), "", {"weights": (1,), "channel_axis": -1})
    (work,) = list_work(Graph("g", "tflite", (x,), (y,), (op,)))
    work = replace(work, madds=3_000_000, activation_bytes=8_000_000, weight_bytes=0, dtype="f32")
    assert time_op(work, replace(RATES, overlap=overlap)).ms == pytest.approx(
        expected + 0.003, 1e-3
    )


def test_another_clock_scales_compute_alone() -> None:
    slow = predict(network(), "toy@1.8").ops[0]
    fast = predict(network(), "toy").ops[0]
    assert slow.compute_ms == pytest.approx(fast.compute_ms * 2.0 / 1.8)
    assert slow.memory_ms == fast.memory_ms


def test_relu_and_batch_norm_cost_nothing() -> None:
    plain = network()
    y, z = plain.outputs[0], Tensor(3, "z", (1, 80, 80, 16), "float32")
    relu = Op("relu6", "RELU6", (y,), (z,))
    assert predict(replace(plain, ops=(*plain.ops, relu), outputs=(z,)), "toy").latency_ms == (
        predict(plain, "toy").latency_ms
    )


@pytest.mark.parametrize(
    ("graph", "core", "runtime", "line"),
    [
        (network(), "cortex-m7", None, "core cortex-m7: no calibration: expected one of"),
        (network(), "toy@3", None, "toy@3: outside the calibration: expected 1.74 to 2.30 GHz"),
        (network(), "toy@fast", None, "core: got toy@fast"),
        (network(dtype="int8"), "toy", None, "no calibration for int8: expected f32 in ncnn or"),
        (network(dtype="int16"), "toy", None, "no calibration for int16"),
        (network(), "toy", "litert", "no calibration for f32 in litert"),
        (network(kernel=3), "toy", None, "no calibration for conv3x3 (ncnn, f32): got 100%"),
        (network(size=800), "toy", None, "got 122.9M MAdds, expected 1M to 2M MAdds"),
    ],
)
def test_outside_the_calibration_is_refused(
    graph: Graph, core: str, runtime: str | None, line: str
) -> None:
    with pytest.raises(InputError, match=r"calibration|expected") as caught:
        predict(graph, core, runtime)
    assert line in str(caught.value)


def test_an_op_without_a_rule_is_no_free_op() -> None:
    graph = network()
    custom = Op("custom:Mystery", "Mystery", graph.outputs, (Tensor(9, "z", (1, 8), "float32"),))
    with pytest.raises(InputError, match="no MAdd rule for Mystery"):
        predict(replace(graph, ops=(*graph.ops, custom)), "toy")


def test_somewhat_outside_is_widened_with_the_reason() -> None:
    found = predict(network(size=200), "toy")  # 7.7M MAdds, 3.8 times the most
    assert found.interval_ms[1] / found.latency_ms == pytest.approx(1.2**2)
    assert found.reasons == ("8M MAdds, the points cover 1M to 2M MAdds",)


def test_another_mix_of_work_is_widened(monkeypatch: pytest.MonkeyPatch) -> None:
    narrow = replace(CALIBRATION, shares={"pointwise": (0.2, 0.5)})
    monkeypatch.setattr(cores, "calibrations", lambda: (narrow,))
    found = predict(network(), "toy")
    assert found.interval_ms[1] / found.latency_ms == pytest.approx(1.5)
    assert found.reasons == ("shares of time unlike the points': pointwise 100% (20% to 50%)",)


def test_another_runtime_is_carried_over_and_widened() -> None:
    own, other = predict(network(), "toy"), predict(network(), "toy", "xnnpack")
    assert other.latency_ms == pytest.approx(own.latency_ms / 2)
    spread = math.log(other.interval_ms[1] / other.latency_ms)
    assert spread == pytest.approx(math.hypot(math.log(1.2), math.log(1.1)))
    assert "carried over from ncnn to xnnpack" in other.reasons[0]


def test_float_weights_under_int8_are_no_float_network() -> None:
    graph = network()
    op = graph.ops[0]
    packed = replace(op, inputs=(op.inputs[0], replace(op.inputs[1], dtype="int8")))  # type: ignore[type-var]
    with pytest.raises(InputError, match="no calibration for w8"):
        predict(replace(graph, ops=(packed,)), "toy")


def test_channels_off_the_width_are_named_with_what_they_waste() -> None:
    graph = network(channels=12, wide=16)
    found = predict(graph, "toy")
    (advice,) = advise(graph, found)
    assert (advice.topic, advice.layer) == ("channels", "layer")
    assert advice.share == pytest.approx(found.ops[0].compute_ms / 4 / found.latency_ms)
    full = network(channels=16)
    assert advise(full, predict(full, "toy")) == ()


def test_pad_and_resize_are_named() -> None:
    image = Tensor(0, "image", (1, 40, 40, 16), "float32")
    padded = Tensor(1, "padded", (1, 42, 42, 16), "float32")
    w = Tensor(2, "w", (16, 1, 1, 16), "float32", True, True)
    small, full = (
        Tensor(i, n, (1, s, s, 16), "float32") for i, n, s in ((3, "s", 42), (4, "f", 40))
    )
    ops = (
        Op("pad", "PAD", (image,), (padded,), "pad"),
        Op("conv", "CONV_2D", (padded, w), (small,), "c", {"weights": (1,), "channel_axis": -1}),
        Op("resize_bilinear", "RESIZE_BILINEAR", (small,), (full,), "up"),
    )
    graph = Graph("g", "tflite", (image,), (full,), ops)
    widened = replace(CALIBRATION, madds=(400_000, 500_000))
    found = module._finish(
        widened, "ncnn", list_work(graph), tuple(time_op(w, RATES) for w in list_work(graph))
    )
    times = {op.work.op.layer: op.ms / found.latency_ms for op in found.ops}
    advice = {a.topic: a for a in advise(graph, found)}
    assert advice["pad"].share == pytest.approx(times["pad"])
    assert advice["resize"].share == pytest.approx(times["up"])


def island(*kinds: str) -> Graph:
    """An int8 graph: a convolution, then these ops, float between a dequantize and a quantize."""
    base = network(channels=16, dtype="int8")
    ops, last, dtype = list(base.ops), base.outputs[0], "int8"
    for index, kind in enumerate(kinds, 3):
        dtype = {"dequantize": "float32", "quantize": "int8"}.get(kind, dtype)
        made = Tensor(index, f"t{index}", last.shape, dtype)
        ops.append(Op(kind, kind.upper(), (last,), (made,), f"{kind}{index}"))
        last = made
    return replace(base, ops=tuple(ops), outputs=(last,))


@pytest.mark.parametrize(
    ("kinds", "layers"),
    [
        (("dequantize", "tanh", "quantize"), ["tanh4"]),
        (("dequantize", "tanh"), []),
        (("dequantize", "tanh", "quantize", "dequantize", "exp", "quantize"), ["tanh4", "exp7"]),
    ],
)
def test_float_islands(
    kinds: tuple[str, ...], layers: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cores, "calibrations", lambda: (replace(CALIBRATION, dtype="int8"),))
    graph = island(*kinds)
    found = [a for a in advise(graph, predict(graph, "toy")) if a.topic == "float island"]
    assert sorted(a.layer for a in found) == sorted(layers)


def test_per_tensor_depthwise(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cores, "calibrations", lambda: (replace(CALIBRATION, dtype="int8"),))
    graph = network(channels=16, dtype="int8", kernel=3, kind="depthwise_conv")
    op = graph.ops[0]
    for scales, topics in ((1, ["per-tensor depthwise"]), (16, [])):
        weights = replace(op.inputs[1], scales=scales)  # type: ignore[type-var]
        changed = replace(graph, ops=(replace(op, inputs=(op.inputs[0], weights)),))
        assert [a.topic for a in advise(changed, predict(changed, "toy"))] == topics


def test_what_comes_along_is_bounded_and_says_where_it_is_from() -> None:
    for c in calibrations():
        assert 1 < c.factor < c.factor_elsewhere
        assert all(0 < share < 1 for kind, share in c.rates.efficiency.items() if kind != "conv3x3")
        assert all(0.1 < gb < 100 for gb in c.rates.gb_per_s.values())
        assert c.sources.endswith("README.md")
        assert not any("ms" in str(key) for point in c.points for key in point)
    assert {"pixel1", "cortex-a53", "cortex-a72", "cortex-a76"} <= {c.core for c in calibrations()}
    assert find_core("Cortex-A72")
