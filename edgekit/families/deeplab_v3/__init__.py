"""Mobile DeepLabv3: segmentation on MobileNetV2 (Sandler et al., arXiv:1801.04381, section 6.3)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from edgekit.errors import InputError
from edgekit.families import Family, Preset, mobilenet_v2

ANSWERS = ("labels", "logits", "probabilities")
OUTPUT_STRIDES = (8, 16)
CLASS_WEIGHTS = ("none", "balanced")
# Of the head's 3x3 branches at output stride 16; at 8 they are doubled (arXiv:1706.05587).
ATROUS_RATES = (6, 12, 18)
HEAD_CHANNELS = 256  # of every branch and of the projection, whatever alpha


@dataclass(frozen=True)
class Config:
    """What makes one Mobile DeepLabv3, and what its files answer."""

    alpha: float = 1.0  # width multiplier of the body; the head keeps its width
    resolution: int = 513  # height and width in pixels; of 1 + 16k every map has its ends on theirs
    classes: int = 21  # background included
    channels: int = 3  # of the input
    output_stride: int = 16  # pixels of the input for each of the last map's, per side: 16 or 8
    aspp: bool = False  # the full head, with three dilated 3x3 branches; else 1x1 and image pooling
    answer: str = "labels"  # of a file: labels [N, H, W] int32, or logits or probabilities with C
    answer_stride: int = 1  # pixels of the input for each of the answer's, per side; 1: its size
    argmax_stride: int = 0  # the same of the arg-max, whose labels are repeated; 0: answer_stride
    align_corners: bool = (
        True  # how maps grow: corner pixels fall on corner pixels, else half-pixel
    )
    class_weights: str = "none"  # of the loss, or balanced: 1 / sqrt of a class's share of pixels
    divisor: int = 8  # of the body's widths; the published 0.5 at 257 has 4
    bn_momentum: float = 0.999  # of the moving averages; small data wants less
    bn_epsilon: float = 1e-3  # added to a variance

    def __post_init__(self) -> None:
        """Check the numbers.

        Raises:
            InputError: one of them makes no network.
        """
        wrong = [
            (not 2 <= self.classes <= 255, "classes", self.classes, "from 2 to 255: 255 is void"),
            (self.output_stride not in OUTPUT_STRIDES, "output_stride", self.output_stride,
             "8 or 16"),
            (self.answer not in ANSWERS, "answer", self.answer, " or ".join(ANSWERS)),
            (not 1 <= self.answer_stride <= self.resolution, "answer_stride", self.answer_stride,
             "from 1, the input's own size, up"),
            (self.argmax_stride and not self.answer_stride <= self.argmax_stride <= self.resolution,
             "argmax_stride", self.argmax_stride, f"from {self.answer_stride}, the answer's, up"),
            (self.argmax_stride and self.answer != "labels", "argmax_stride", self.argmax_stride,
             f"0, for {self.answer} have no arg-max"),
            (self.class_weights not in CLASS_WEIGHTS, "class_weights", self.class_weights,
             " or ".join(CLASS_WEIGHTS)),
        ]  # fmt: skip
        for failed, name, got, expected in wrong:
            if failed:
                raise InputError(f"deeplab_v3: {name}", got=got, expected=expected)
        _ = self.backbone  # which checks the rest

    @property
    def backbone(self) -> mobilenet_v2.Config:
        """The body, as its own family configures it."""
        return mobilenet_v2.Config(
            self.alpha, self.resolution, channels=self.channels, include_top=False,
            divisor=self.divisor, bn_momentum=self.bn_momentum, bn_epsilon=self.bn_epsilon,
        )  # fmt: skip

    @property
    def answer_size(self) -> int:
        """Height and width of what a file answers."""
        return -(-self.resolution // self.answer_stride)

    @property
    def argmax_size(self) -> int:
        """Height and width of the logits that the labels are found in."""
        return -(-self.resolution // (self.argmax_stride or self.answer_stride))


def _describe(config: Config) -> Mapping[str, Any]:
    return {
        "answer": config.answer,
        "resolution": config.resolution,
        "align_corners": config.align_corners,
    }


# Name, fields, parameters (batch norm included), MAdds: the papers' networks on Pascal VOC.
_PAPERS: tuple[tuple[str, dict[str, Any], int, int], ...] = (
    ("1.0-513", {}, 2_146_645, 2_740_709_056),
    ("1.0-513-os8", {"output_stride": 8}, 2_146_645, 8_825_853_632),
    ("1.0-513-aspp", {"aspp": True}, 4_558_165, 5_363_508_928),
    ("1.0-513-aspp-os8", {"output_stride": 8, "aspp": True}, 4_558_165, 19_001_546_432),
    ("0.5-257", {"alpha": 0.5, "resolution": 257}, 717_765, 239_003_344),
)

# Drawn scenes: each is new to scale and place already, and some ten minutes on one core see most.
_SCENES = Preset(
    Config(
        alpha=0.35, resolution=97, classes=6, output_stride=8, class_weights="balanced",
        bn_momentum=0.97,
    ),
    params=454_758,
    madds=71_146_080,
    training={
        "epochs": 20,
        "batch_size": 8,
        "learning_rate": 6e-3,
        "warmup_epochs": 0.3,
        "schedule": "poly",
        "augment": "none",
        "qat_epochs": 2,
        "qat_learning_rate": 1e-4,
    },
)  # fmt: skip

FAMILY = Family(
    name="deeplab_v3",
    task="segment",
    source="Sandler et al., arXiv:1801.04381, section 6.3; Chen et al., arXiv:1706.05587",
    schemes=("f32", "f16", "w8", "w8a8", "w8a16", "mixed", "qat-w8a8"),
    presets={"scenes": _SCENES}
    | {
        name: Preset(Config(**fields), params, madds, {"schedule": "poly"})
        for name, fields, params, madds in _PAPERS
    },
    tiny=Config(alpha=0.35, resolution=33, classes=6, answer="logits", bn_momentum=0.9),
    mean=(127.5,),  # to -1..1, as the published weights were trained
    std=(127.5,),
    max_drop=1.0,
    module=__name__,
    data="scenes",
    heeds=(
        "epochs", "batch_size", "learning_rate", "optimizer", "weight_decay", "schedule",
        "warmup_epochs", "augment", "validation", "qat_epochs", "qat_learning_rate", "qat_freeze",
        "seed", "checkpoint_steps", "checkpoint_seconds",
    ),
    dial=("answer", "answer_stride", "argmax_stride"),
    finishes=True,
    scales=True,
    describe=_describe,
)  # fmt: skip
