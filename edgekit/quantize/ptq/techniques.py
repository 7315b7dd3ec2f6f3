"""What may be done to a float network before it is quantized after training; light to import."""

from __future__ import annotations

from dataclasses import dataclass, replace

from edgekit.errors import InputError

COLLAPSE = "collapse"  # not for scheme mixed
TECHNIQUES = (
    COLLAPSE, "prune", "align", "shift", "equalize", "split", "steps", "headroom", "refine",
    "reconstruct", "round", "bias",
)  # fmt: skip
# Those that serve files of 8-bit weights beside activations of 16 bits, and those for these alone.
WEIGHTS: tuple[str, ...] = ("steps", "headroom", "refine", "reconstruct", "round", "bias")
WIDE = ("headroom", "refine")
RANGES = ("minmax", "percentile", "mse", "effect")  # the estimators of `ranges`
BEST = "best"  # stands for WEIGHTS in files of 16-bit activations, and in others for these:
_BEST_8: tuple[str, ...] = (
    COLLAPSE, "prune", "align", "shift", "equalize", "split", "steps", "round", "bias",
)  # fmt: skip


@dataclass(frozen=True)
class PostTraining:
    """How a float network is made ready."""

    # Of TECHNIQUES, or BEST alone; none leaves all to the ordinary converter.
    techniques: tuple[str, ...] = ()
    ranges: str = "minmax"  # which estimator finds the range of an activation
    extra_madds: float = 0.0  # percent of the network's that split may add
    judged: bool = False  # whether those may be left out that do not serve; so BEST's

    def __post_init__(self) -> None:
        """Check the names.

        Raises:
            InputError: one is unknown, or lacks another.
        """
        if self.techniques == (BEST,):
            PostTraining(_BEST_8, self.ranges, self.extra_madds)
            return
        for name in self.techniques:
            if name not in TECHNIQUES:
                expected = f"none, {BEST} alone, or some of " + ", ".join(TECHNIQUES)
                raise InputError(f"--ptq {name}: no such technique", expected=expected)
        if "split" in self.techniques and "prune" not in self.techniques and not self.extra_madds:
            raise InputError("--ptq split: no room for copies", do="add prune",
                             expected="prune, which makes it, or --extra-madds")  # fmt: skip
        if self.extra_madds and "split" not in self.techniques:
            raise InputError("--extra-madds: nothing to spend them", expected="--ptq with split")
        if self.ranges not in RANGES:
            raise InputError(f"--ranges {self.ranges}", expected="one of " + ", ".join(RANGES))

    def beside(self, activation_bits: int | None) -> PostTraining:
        """Return what of these serves files whose activations have 8 or 16 bits.

        BEST is the techniques by which README's table of ImageNet-trained networks was made.
        """
        wide = activation_bits == 16
        named = self.techniques
        if named == (BEST,):
            named = WEIGHTS if wide else _BEST_8
        chosen = tuple(t for t in named if (t in WEIGHTS if wide else t not in WIDE))
        granted = self.extra_madds if "split" in chosen else 0.0
        judged = self.judged or self.techniques == (BEST,)
        return replace(self, techniques=chosen, extra_madds=granted, judged=judged)


def parse_techniques(text: str) -> tuple[str, ...]:
    """Return the techniques that `text` names, comma-separated; none for "none"."""
    return () if text == "none" else tuple(text.split(","))


@dataclass(frozen=True)
class Mixed:
    """What scheme mixed leaves in float."""

    max_drop: float | None = None  # percent of answers that may change
    keep: tuple[str, ...] = ()  # shell patterns of layers
