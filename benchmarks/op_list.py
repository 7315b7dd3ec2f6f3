"""Builds an op list layer by layer in pure Python: what a published layer table says, no framework.

Layers are fused as a runtime fuses them: batch norm and ReLU into the convolution before them.
"""

from __future__ import annotations

from collections.abc import Sequence

from edgekit.profile.graph import DTYPE_BITS, Graph, Op, Tensor

Map = Tensor  # an activation [1, H, W, C]


class Builder:
    """Enters ops one after the other; every method returns the map that it makes."""

    def __init__(self, name: str, resolution: int, dtype: str = "float32") -> None:
        if dtype not in DTYPE_BITS:
            raise ValueError(dtype)
        self.name, self.dtype = name, dtype
        self.ops: list[Op] = []
        self.count = 0
        self.image = self._tensor((1, resolution, resolution, 3))

    def graph(self, *outputs: Map) -> Graph:
        return Graph(self.name, "spec", (self.image,), outputs, tuple(self.ops))

    def conv(
        self, x: Map, channels: int, kernel: int = 1, stride: int = 1, *,
        pad: int | None = None, groups: int = 1,
    ) -> Map:  # fmt: skip
        """A convolution; `pad` pixels on each side, None for SAME."""
        _, height, width, depth = _shape(x)
        sizes = [_reduced(size, kernel, stride, pad) for size in (height, width)]
        weights = self._weights((channels, kernel, kernel, depth // groups))
        kind = "depthwise_conv" if groups == depth == channels else "conv"
        attributes = {"weights": (1,), "channel_axis": -1, "group": groups, "strides": stride}
        operands = (x, weights, self._weights((channels,)))
        return self._enter(kind, operands, (1, *sizes, channels), attributes)

    def depthwise(self, x: Map, kernel: int = 3, stride: int = 1) -> Map:
        return self.conv(x, channels_of(x), kernel, stride, groups=channels_of(x))

    def fully_connected(self, x: Map, channels: int) -> Map:
        operands = (x, self._weights((channels, x.elements)), self._weights((channels,)))
        return self._enter("fully_connected", operands, (1, 1, 1, channels), {"weights": (1,)})

    def pool(self, x: Map, kernel: int, stride: int, pad: int = 0, *, up: bool = True) -> Map:
        """Max pooling; the last window may hang over the edge, as Caffe rounds `up`."""
        _, height, _, depth = _shape(x)
        covered = height + 2 * pad - kernel
        steps = -(-covered // stride) if up else covered // stride
        return self._enter("max_pool", (x,), (1, steps + 1, steps + 1, depth))

    def mean(self, x: Map) -> Map:
        return self._enter("global_average_pool", (x,), (1, 1, 1, channels_of(x)))

    def elementwise(self, kind: str, *maps: Map) -> Map:
        """An op whose result has the first map's shape: add, mul, lrn, hard_swish, ..."""
        return self._enter(kind, maps, _shape(maps[0]))

    def concat(self, *maps: Map) -> Map:
        shape = (*_shape(maps[0])[:3], sum(map(channels_of, maps)))
        return self._enter("concat", maps, shape)

    def slice(self, x: Map, channels: int) -> Map:
        return self._enter("slice", (x,), (*_shape(x)[:3], channels))

    def squeeze_excite(self, x: Map, channels: int) -> Map:
        """Channel attention (arXiv:1709.01507); its two 1x1 layers see one position."""
        gate = self.fully_connected(self.mean(x), channels)
        gate = self.fully_connected(gate, channels_of(x))
        return self.elementwise("mul", x, self.elementwise("sigmoid", gate))

    def classify(self, x: Map, classes: int = 1000) -> Graph:
        x = self.fully_connected(self.mean(x), classes)
        return self.graph(self.elementwise("softmax", x))

    def _enter(
        self, kind: str, operands: Sequence[Tensor], shape: tuple[int, ...],
        attributes: dict[str, object] | None = None,
    ) -> Map:  # fmt: skip
        made = self._tensor(shape)
        layer = f"{kind}_{len(self.ops)}"
        self.ops.append(Op(kind, kind, tuple(operands), (made,), layer, attributes or {}))
        return made

    def _tensor(self, shape: tuple[int, ...], *, constant: bool = False) -> Tensor:
        self.count += 1
        return Tensor(self.count, f"t{self.count}", shape, self.dtype, constant, constant)

    def _weights(self, shape: tuple[int, ...]) -> Tensor:
        return self._tensor(shape, constant=True)


def _shape(x: Map) -> tuple[int, int, int, int]:
    _, height, width, depth = x.shape or ()
    return 1, height, width, depth


def channels_of(x: Map) -> int:
    """Return the depth of a map."""
    return _shape(x)[3]


def _reduced(size: int, kernel: int, stride: int, pad: int | None) -> int:
    return -(-size // stride) if pad is None else (size + 2 * pad - kernel) // stride + 1
