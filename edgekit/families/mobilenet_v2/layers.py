"""The convolutions of MobileNetV2 in order, by every name that they are published under.

keras.applications' names are also ours; torchvision's are those of its state dict.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from edgekit.errors import InputError
from edgekit.families.mobilenet_v2 import BODY, head_channels, make_divisible

ALPHAS = (0.35, 0.5, 0.75, 1.0, 1.3, 1.4)  # widths of the published checkpoints
TOP = "predictions"


@dataclass(frozen=True)
class Convolution:
    """A convolution and the batch norm behind it."""

    name: str
    norm: str
    torch: str  # the prefix of its tensors, as features.0.0
    torch_norm: str
    channels: int  # that it answers with

    @property
    def depthwise(self) -> bool:
        """Whether each channel has a filter of its own."""
        return self.name.endswith("_depthwise")


def convolutions(alpha: float, divisor: int = 8) -> Iterator[Convolution]:
    """Yield the 52 convolutions of the body, in the order of execution."""
    width = make_divisible(32 * alpha, divisor)
    yield Convolution("Conv1", "bn_Conv1", "features.0.0", "features.0.1", width)
    block = 0
    for expansion, c, repeats, _ in BODY:
        for _ in range(repeats):
            name = f"block_{block}" if block else "expanded_conv"
            expanded, out = expansion * width, make_divisible(c * alpha, divisor)
            parts = [("depthwise", expanded), ("project", out)]
            if expansion > 1:
                parts = [("expand", expanded), *parts]
            yield from _block(name, f"features.{block + 1}.conv", parts)
            width = out
            block += 1
    last = f"features.{block + 1}"
    yield Convolution("Conv_1", "Conv_1_bn", f"{last}.0", f"{last}.1", head_channels(alpha))


def body_convolutions(alpha: float, divisor: int = 8) -> Iterator[Convolution]:
    """Yield those up to the last map of 320 channels: all but one."""
    *found, _ = convolutions(alpha, divisor)
    yield from found


def alpha_of(
    channels: Sequence[int],
    where: object,
    layers: Callable[[float], Iterator[Convolution]] = convolutions,
) -> float:
    """Return the published width whose convolutions have these output channels.

    Raises:
        InputError: none has.
    """
    for alpha in ALPHAS:
        if [c.channels for c in layers(alpha)] == list(channels):
            return alpha
    raise InputError(
        f"{where}: not a MobileNetV2",
        got=f"{len(channels)} convolutions of {', '.join(map(str, channels[:4]))}... channels",
        expected=f"{sum(1 for _ in layers(1.0))}, of a width among " + ", ".join(map(str, ALPHAS)),
    )


def _block(name: str, torch: str, parts: Sequence[tuple[str, int]]) -> Iterator[Convolution]:
    """Yield one inverted residual; torchvision nests all its convolutions but the projection."""
    for index, (part, channels) in enumerate(parts):
        last = index == len(parts) - 1
        kernel = f"{torch}.{index}" if last else f"{torch}.{index}.0"
        norm = f"{torch}.{index + 1}" if last else f"{torch}.{index}.1"
        yield Convolution(f"{name}_{part}", f"{name}_{part}_BN", kernel, norm, channels)
