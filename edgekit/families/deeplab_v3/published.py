"""Published weights of a Mobile DeepLabv3 from a .tflite, with the configuration they belong to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from edgekit.errors import InputError
from edgekit.families.deeplab_v3 import FAMILY, HEAD_CHANNELS, Config
from edgekit.families.deeplab_v3.network import CLASSIFIER
from edgekit.families.mobilenet_v2.layers import Convolution, alpha_of, body_convolutions
from edgekit.families.published import Array, Published, bias_alone
from edgekit.profile.graph import Graph, Op, read_graph
from edgekit.quantize.published import KINDS, Weights, read_input, read_weights

_BODY = 51  # convolutions, in the order of execution


@dataclass(frozen=True)
class _Head:
    """The last four convolutions."""

    pooled: Weights  # behind the mean over the picture
    beside: Weights  # 1x1 on the map
    project: Weights
    classify: Weights


def read_published(path: Path) -> Published:
    """Return what a .tflite of the reduced head holds, of any quantization and any answer.

    Raises:
        InputError: not such a network, or damaged.
    """
    if path.suffix != ".tflite":
        raise InputError(f"{path}: no published weights", expected="a file *.tflite")
    if not path.is_file():
        raise InputError(f"{path}: not found")
    graph = read_graph(path)
    ops = [op for op in graph.ops if op.kind in KINDS]
    weights = list(read_weights(path))
    if len(weights) != _BODY + 4:
        raise InputError(
            f"{path}: not a Mobile DeepLabv3", got=f"{len(weights)} convolutions",
            expected=f"{_BODY} of MobileNetV2 and 4 of the head",
        )  # fmt: skip
    channels = [len(w.bias) for w in weights[:_BODY]]
    divisor = 4 if channels == [c.channels for c in body_convolutions(0.5, 4)] else 8
    alpha = alpha_of(channels, path, partial(body_convolutions, divisor=divisor))
    head = _head(ops[_BODY:], weights[_BODY:], path)
    _check_order(graph, path)
    config = replace(_config(graph, ops, len(head.classify.bias)), alpha=alpha, divisor=divisor)
    arrays: dict[str, Sequence[Array]] = {}
    named = [*body_convolutions(alpha, divisor), *map(_of_head, ("image_pooling", "aspp0",
                                                        "concat_projection"))]  # fmt: skip
    found = [*weights[:_BODY], head.pooled, head.beside, head.project]
    for layer, of_layer in zip(named, found, strict=True):
        arrays[layer.name] = [of_layer.kernel]
        arrays[layer.norm] = bias_alone(of_layer, config.bn_epsilon)
    arrays[CLASSIFIER] = [head.classify.kernel, head.classify.bias]
    mean, std = read_input(path) or (FAMILY.mean, FAMILY.std)
    return Published(config, arrays, mean or (), std or ())


def _of_head(name: str) -> Convolution:
    return Convolution(name, f"{name}_BN", "", "", HEAD_CHANNELS)


def _head(ops: Sequence[Op], weights: Sequence[Weights], where: Path) -> _Head:
    """Tell the two branches apart by their size: the one behind the mean has one place."""
    places = [op.outputs[0].shape or () for op in ops]
    alone = [shape[1:3] == (1, 1) for shape in places]
    if sorted(alone[:2]) != [False, True] or any(alone[2:]):
        raise InputError(
            f"{where}: not the reduced head", got=", ".join(map(str, places)),
            expected="a 1x1 convolution of the map and one of its mean, then two more",
        )  # fmt: skip
    pooled, beside = weights[:2] if alone[0] else weights[1::-1]
    return _Head(pooled, beside, *weights[2:])


def _check_order(graph: Graph, where: Path) -> None:
    """Insist that the branch behind the mean comes first where the two are joined, as in ours."""
    (joined,) = (op for op in graph.ops if op.kind == "concatenation")
    makers = {t.index: op for op in graph.ops for t in op.outputs}
    first = joined.inputs[0]
    maker = makers[first.index] if first else joined
    while maker.kind in ("quantize", "resize_bilinear") and maker.inputs[0]:
        maker = makers[maker.inputs[0].index]
    if (maker.outputs[0].shape or ())[1:3] != (1, 1):
        raise InputError(f"{where}: the head's branches", got="the map's first",
                         expected="that of its mean first")  # fmt: skip


def _config(graph: Graph, ops: Sequence[Op], classes: int) -> Config:
    _, resolution, _, channels = graph.inputs[0].shape or (0, 0, 0, 0)
    _, side, *_ = ops[-1].outputs[0].shape or (0, 0)
    stride = 16 if side == -(-resolution // 16) else 8
    return Config(resolution=resolution, classes=classes, channels=channels, output_stride=stride)
