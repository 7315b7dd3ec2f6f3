"""What would make a model faster on a core, op by op, with the share of the predicted time.

Advice names what stands in the graph; the share is the time that is at stake, not a promise.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from edgekit.profile.graph import Graph, Op
from edgekit.profile.prediction.predict import Prediction
from edgekit.profile.prediction.roofline import OpTime

LEAST_SHARE = 0.001  # of the predicted time; less is not worth a line
FULL_SIZE = 0.9  # of the image's area
_PADS = ("pad", "padv2", "mirror_pad", "padding")
_RESIZES = ("resize_bilinear", "resize_nearest_neighbor", "resize", "upsampling", "upsample")
_ENTER, _LEAVE = ("quantize", "quantize_linear"), ("dequantize", "dequantize_linear")


@dataclass(frozen=True)
class Advice:
    """One thing to change."""

    topic: str  # "channels", "pad", "resize", "float island", "per-tensor depthwise"
    layer: str
    text: str
    share: float  # of the predicted time: what is wasted or at stake


def advise(graph: Graph, prediction: Prediction) -> tuple[Advice, ...]:
    """Return what would help, by falling share of the predicted time."""
    found = [
        *_channels(prediction),
        *_pads(graph, prediction),
        *_resizes(graph, prediction),
        *_float_islands(graph, prediction),
        *_per_tensor_depthwise(prediction),
    ]
    worth = [a for a in found if a.share >= LEAST_SHARE]
    return tuple(sorted(worth, key=lambda a: -a.share))


def name_of(op: Op) -> str:
    """Return the layer's name where it is known, else the op's."""
    return op.layer or op.name


def _channels(prediction: Prediction) -> Iterator[Advice]:
    """Channels that fill the last SIMD vector only in part."""
    width = prediction.calibration.rates.simd_width
    for op in prediction.ops:
        padding = op.work.padding(width)
        if padding > 1:
            deep, wide = op.work.channels
            sizes = f"{wide}" if op.work.kind == "depthwise" else f"{deep} to {wide}"
            text = f"{sizes} channels: SIMD wants multiples of {width}"
            wasted_ms = op.compute_ms * (1 - 1 / padding)
            yield _advice("channels", op.work.op, text, wasted_ms, prediction)


def _pads(graph: Graph, prediction: Prediction) -> Iterator[Advice]:
    """A PAD whose only readers are convolutions."""
    times = _times(prediction)
    for op in graph.ops:
        readers = _readers(graph, op) if op.kind in _PADS else []
        if readers and all("conv" in reader.kind for reader in readers):
            text = "PAD of its own: SAME padding does without"
            yield _advice("pad", op, text, _ms(times, op), prediction)


def _resizes(graph: Graph, prediction: Prediction) -> Iterator[Advice]:
    """A resize to the size of the image."""
    times = _times(prediction)
    image = max((_area(t.shape, graph.format) for t in graph.inputs), default=0)
    for op in graph.ops:
        if op.kind not in _RESIZES or not image:
            continue
        if _area(op.outputs[0].shape, graph.format) >= FULL_SIZE * image:
            ms = _ms(times, op) + sum(_ms(times, reader) for reader in _readers(graph, op))
            text = "resize to full size: hand out the small map"
            yield _advice("resize", op, text, ms, prediction)


def _float_islands(graph: Graph, prediction: Prediction) -> Iterator[Advice]:
    """Float ops between a DEQUANTIZE and a QUANTIZE of an int8 graph."""
    if prediction.calibration.dtype != "int8":
        return
    times = _times(prediction)
    float_ops = {id(op.work.op) for op in prediction.ops if op.work.dtype == "f32"}
    for start in (op for op in graph.ops if op.kind in _LEAVE and id(op) in times):
        island, ends = _walk(graph, start, float_ops)
        inside = [op for op in island if op is not start and op.kind not in _ENTER]
        if inside and ends:
            names = ", ".join(dict.fromkeys(op.native for op in inside))
            text = f"float island in an int8 graph: {names}"
            ms = sum(_ms(times, op) for op in island)
            yield _advice("float island", inside[0], text, ms, prediction)


def _walk(graph: Graph, start: Op, float_ops: set[int]) -> tuple[list[Op], bool]:
    """Return the ops from `start` through float ones, and whether a QUANTIZE ends them."""
    island, waiting, ends = [start], [start], False
    while waiting:
        for reader in _readers(graph, waiting.pop()):
            if any(reader is op for op in island):
                continue
            if reader.kind in _ENTER:
                island.append(reader)
                ends = True
            elif id(reader) in float_ops:
                island.append(reader)
                waiting.append(reader)
    return island, ends


def _per_tensor_depthwise(prediction: Prediction) -> Iterator[Advice]:
    """One scale for all channels of a depthwise kernel: accuracy is at stake, not time."""
    for op in prediction.ops:
        slots = op.work.op.attributes.get("weights", ())
        weights = [op.work.op.inputs[slot] for slot in slots if slot < len(op.work.op.inputs)]
        one = any(t is not None and t.scales == 1 for t in weights)
        if op.work.kind == "depthwise" and one and op.work.channels[1] > 1:
            text = (
                f"quantize per channel: {op.work.channels[1]} share a scale, which costs accuracy"
            )
            yield _advice("per-tensor depthwise", op.work.op, text, op.ms, prediction)


def _advice(topic: str, op: Op, text: str, ms: float, prediction: Prediction) -> Advice:
    return Advice(topic, name_of(op), text, ms / prediction.latency_ms)


def _times(prediction: Prediction) -> dict[int, OpTime]:
    return {id(op.work.op): op for op in prediction.ops}


def _ms(times: dict[int, OpTime], op: Op) -> float:
    return times[id(op)].ms if id(op) in times else 0.0


def _readers(graph: Graph, op: Op) -> list[Op]:
    made = {t.index for t in op.outputs}
    return [other for other in graph.ops if any(t and t.index in made for t in other.inputs)]


def _area(shape: tuple[int, ...] | None, format: str) -> int:
    """Return height times width; ONNX puts the channels before them, the others behind."""
    if not shape or len(shape) != 4:
        return 0
    return shape[2] * shape[3] if format == "onnx" else shape[1] * shape[2]
