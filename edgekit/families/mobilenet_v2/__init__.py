"""MobileNetV2: inverted residuals and linear bottlenecks (Sandler et al., arXiv:1801.04381)."""

from __future__ import annotations

from dataclasses import dataclass

from edgekit.errors import InputError
from edgekit.families import Family, Preset

# The body of Table 2: expansion t, output channels c, repeats n, first stride s.
BODY = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)
PADDINGS = ("same", "symmetric")


@dataclass(frozen=True)
class Config:
    """What makes one MobileNetV2."""

    alpha: float = 1.0  # width multiplier (section 5)
    resolution: int = 224  # height and width in pixels; a multiple of 32 reproduces the paper
    classes: int = 1000  # outputs of the classifier
    channels: int = 3  # of the input
    include_top: bool = True  # global pooling and the classifier
    pooling: str | None = None  # "avg" without the top: features [N, 1280] and no feature map
    dropout: float = 0.0  # before the classifier, while training
    bn_momentum: float = 0.999  # of the moving averages; small data wants less
    bn_epsilon: float = 1e-3  # added to a variance; PyTorch's is 1e-5
    divisor: int = 8  # of all widths (slim's divisible_by); some published networks have 4
    padding: str = "same"  # or "symmetric": one pixel on every side at each stride, as PyTorch

    def __post_init__(self) -> None:
        """Check the numbers.

        Raises:
            InputError: one of them makes no network.
        """
        wrong = [
            (self.alpha <= 0, "alpha", self.alpha, "a width multiplier above 0, as 1.0"),
            (self.resolution < 32, "resolution", self.resolution, "at least 32 pixels"),
            (self.include_top and self.classes < 2, "classes", self.classes, "at least 2"),
            (self.channels < 1, "channels", self.channels, "at least 1"),
            (self.pooling not in (None, "avg"), "pooling", self.pooling, 'None or "avg"'),
            (self.include_top and self.pooling, "pooling", self.pooling, "None: the top pools"),
            (self.bn_epsilon <= 0, "bn_epsilon", self.bn_epsilon, "above 0, as 1e-3"),
            (self.divisor < 1, "divisor", self.divisor, "at least 1"),
            (self.padding not in PADDINGS, "padding", self.padding, " or ".join(PADDINGS)),
            (not 0 <= self.dropout < 1, "dropout", self.dropout, "from 0 to below 1"),
        ]
        for failed, name, got, expected in wrong:
            if failed:
                raise InputError(f"mobilenet_v2: {name}", got=got, expected=expected)

    @property
    def task(self) -> str:
        """What the network answers: without the classifier, features that name nothing."""
        return "classify" if self.include_top else "tensors"


def make_divisible(channels: float, divisor: int = 8) -> int:
    """Round `channels` to a multiple of `divisor`, at most a tenth below (the authors' rule)."""
    rounded = max(divisor, int(channels + divisor / 2) // divisor * divisor)
    return rounded + divisor if rounded < 0.9 * channels else rounded


def head_channels(alpha: float) -> int:
    """Return the channels of the last convolution: 1280, widened by alpha but never narrowed."""
    return make_divisible(1280 * alpha) if alpha > 1 else 1280


# alpha, resolution, parameters (as keras.applications counts them), MAdds (slim's README truncates
# them to millions): the 22 published checkpoints.
_PUBLISHED = (
    (1.4, 224, 6_156_712, 582_195_824),
    (1.3, 224, 5_431_048, 509_374_560),
    (1.0, 224, 3_538_984, 300_774_272),
    (1.0, 192, 3_538_984, 221_316_608),
    (1.0, 160, 3_538_984, 154_083_200),
    (1.0, 128, 3_538_984, 99_074_048),
    (1.0, 96, 3_538_984, 56_289_152),
    (0.75, 224, 2_663_064, 209_069_792),
    (0.75, 192, 2_663_064, 153_941_888),
    (0.75, 160, 2_663_064, 107_295_200),
    (0.75, 128, 2_663_064, 69_129_728),
    (0.75, 96, 2_663_064, 39_445_472),
    (0.5, 224, 1_987_224, 97_131_840),
    (0.5, 192, 1_987_224, 71_701_760),
    (0.5, 160, 1_987_224, 50_184_000),
    (0.5, 128, 1_987_224, 32_578_560),
    (0.5, 96, 1_987_224, 18_885_440),
    (0.35, 224, 1_691_208, 59_285_808),
    (0.35, 192, 1_691_208, 43_896_512),
    (0.35, 160, 1_691_208, 30_874_800),
    (0.35, 128, 1_691_208, 20_220_672),
    (0.35, 96, 1_691_208, 11_934_128),
)

# scikit-learn's digits, chosen on a validation part: 99% or so in three minutes on two cores.
_DIGITS = Preset(
    Config(alpha=0.35, resolution=48, classes=10, bn_momentum=0.9),
    params=423_018,
    madds=3_195_424,
    training={
        "epochs": 30,
        "batch_size": 32,
        "learning_rate": 3e-3,
        "label_smoothing": 0.1,
        "qat_epochs": 6,
        "qat_learning_rate": 1e-4,
    },
)

FAMILY = Family(
    name="mobilenet_v2",
    task="classify",
    source="Sandler et al., arXiv:1801.04381",
    schemes=("f32", "f16", "w8", "w8a8", "w8a16", "mixed", "qat-w8a8"),
    presets={
        f"{alpha}-{resolution}": Preset(Config(alpha, resolution), params, madds)
        for alpha, resolution, params, madds in _PUBLISHED
    }
    | {"digits": _DIGITS},
    tiny=Config(alpha=0.35, resolution=32, classes=10, bn_momentum=0.9),
    mean=(127.5,),  # to -1..1, as the published weights were trained
    std=(127.5,),
    max_drop=0.5,
    module=__name__,
    data="digits",
    distills=True,
)
