"""SSDLite: detection on MobileNetV2 (Sandler et al., arXiv:1801.04381, section 6.2)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from edgekit.errors import InputError
from edgekit.families import Family, Preset, mobilenet_v2

if TYPE_CHECKING:  # it takes NumPy, which listing the presets must not
    from edgekit.tasks.anchors import Layout

ANSWERS = ("boxes", "postprocess", "raw")
HEADS = ("ssdlite", "ssd")
LOSSES = ("mined", "focal")
FITS = ("stretch", "letterbox")
EXTRA = (512, 256, 256, 128)  # channels of the maps behind the body's, each of half the size


@dataclass(frozen=True)
class Config:
    """What makes one detector, and what its files answer."""

    alpha: float = 1.0  # width multiplier of the body and of the extra maps
    resolution: int = 300  # height and width in pixels
    classes: int = 90  # each with a sigmoid of its own: the background needs none
    channels: int = 3  # of the input
    head: str = "ssdlite"  # predictors and extra maps depthwise separable; or ssd: full 3x3
    min_scale: float = 0.2  # of the anchors, see tasks.anchors.Layout
    max_scale: float = 0.95
    reduce_lowest: bool = True  # three anchors a place on the first map, as published; or six
    loss: str = "mined"  # hard negatives 3 to 1; or focal: all negatives, the easy ones little
    fit: str = "stretch"  # a picture to the square; or letterbox: undistorted, mean behind it
    answer: str = "raw"  # of a file: codes, logits; or boxes; or postprocess: by TFLite's own op
    max_boxes: int = 100  # of an answer
    min_score: float = 1e-2  # of a box in an answer
    max_overlap: float = 0.6  # in intersection over union, of two boxes of one class
    bn_momentum: float = 0.997  # of the moving averages; small data wants less
    bn_epsilon: float = 1e-3  # added to a variance

    def __post_init__(self) -> None:
        """Check the numbers.

        Raises:
            InputError: one of them makes no network.
        """
        wrong = [
            (self.classes < 1, "classes", self.classes, "at least 1"),
            (self.head not in HEADS, "head", self.head, " or ".join(HEADS)),
            (self.loss not in LOSSES, "loss", self.loss, " or ".join(LOSSES)),
            (self.fit not in FITS, "fit", self.fit, " or ".join(FITS)),
            (self.answer not in ANSWERS, "answer", self.answer, ", ".join(ANSWERS)),
            (not 0 < self.min_scale < self.max_scale <= 1, "min_scale",
             f"{self.min_scale} with max_scale {self.max_scale}", "0 < min_scale < max_scale <= 1"),
            (self.max_boxes < 1, "max_boxes", self.max_boxes, "at least 1"),
            (not 0 < self.min_score < 1, "min_score", self.min_score, "between 0 and 1"),
            (not 0 < self.max_overlap <= 1, "max_overlap", self.max_overlap, "above 0, up to 1"),
        ]  # fmt: skip
        for failed, name, got, expected in wrong:
            if failed:
                raise InputError(f"ssdlite: {name}", got=got, expected=expected)
        _ = self.backbone  # which checks the rest

    @property
    def backbone(self) -> mobilenet_v2.Config:
        """The body, as its own family configures it."""
        return mobilenet_v2.Config(
            self.alpha, self.resolution, channels=self.channels, include_top=False,
            bn_momentum=self.bn_momentum, bn_epsilon=self.bn_epsilon,
        )  # fmt: skip

    @property
    def anchors(self) -> Layout:
        """Where the anchors lie: on maps of strides 16, 32 and so on."""
        from edgekit.tasks.anchors import Layout

        side, maps = self.resolution, []
        for stride in range(1, 5 + len(EXTRA) + 1):
            side = -(-side // 2)
            maps += [side] if stride >= 4 else []
        return Layout(tuple(maps), self.min_scale, self.max_scale, self.reduce_lowest)


def _describe(config: Config) -> Mapping[str, Any]:
    layout = config.anchors
    return {
        "answer": config.answer,
        "fit": config.fit,
        "anchors": {"maps": list(layout.maps), "min_scale": layout.min_scale,
                    "max_scale": layout.max_scale, "reduce_lowest": layout.reduce_lowest},
        "max_boxes": config.max_boxes,
        "min_score": config.min_score,
        "max_overlap": config.max_overlap,
    }  # fmt: skip


# Name, fields, parameters (batch norm included), MAdds.
_NETWORKS: tuple[tuple[str, dict[str, Any], int, int], ...] = (
    ("1.0-300", {}, 4_534_942, 748_014_512),
    ("1.0-320", {"resolution": 320}, 4_534_942, 802_840_768),
    ("1.0-300-ssd", {"head": "ssd"}, 18_360_286, 1_891_276_400),
    ("1.0-320-ssd", {"resolution": 320, "head": "ssd"}, 18_360_286, 1_996_377_088),
)

_SCATTERED = Preset(
    # Most digits are small: of six anchors a place on the first map more fit than of three.
    Config(
        alpha=0.35, resolution=192, classes=10, min_scale=0.17, reduce_lowest=False,
        bn_momentum=0.97,
    ),
    params=774_280,
    madds=54_669_360,
    training={
        "epochs": 7,
        "batch_size": 16,
        "learning_rate": 8e-3,
        "warmup_epochs": 0.3,
        "validation": 0.02,
        "qat_epochs": 1,
        "qat_learning_rate": 1e-4,
    },
)  # fmt: skip

FAMILY = Family(
    name="ssdlite",
    task="detect",
    source="Sandler et al., arXiv:1801.04381, section 6.2; Liu et al., arXiv:1512.02325",
    schemes=("f32", "f16", "w8", "w8a8", "w8a16", "mixed", "qat-w8a8"),
    presets={"scattered": _SCATTERED}
    | {
        name: Preset(Config(**fields), params, madds, {"learning_rate": 2e-3})
        for name, fields, params, madds in _NETWORKS
    },
    tiny=Config(alpha=0.35, resolution=64, classes=10, bn_momentum=0.9),
    mean=(127.5,),  # to -1..1, as the published weights were trained
    std=(127.5,),
    max_drop=1.5,
    module=__name__,
    data="scattered",
    heeds=(
        "epochs", "batch_size", "learning_rate", "optimizer", "weight_decay", "schedule",
        "warmup_epochs", "augment", "validation", "qat_epochs", "qat_learning_rate", "qat_freeze",
        "seed", "checkpoint_steps", "checkpoint_seconds",
    ),
    dial=("answer", "max_boxes", "min_score", "max_overlap"),
    finishes=True,
    tails=True,
    describe=_describe,
)  # fmt: skip
