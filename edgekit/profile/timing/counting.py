"""Instructions of one inference, as an emulated core counts them: exact, and no time at all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from edgekit.device import Kind
from edgekit.profile.timing.targets import Target
from edgekit.profile.timing.worker import ALIKE, COUNTED

CLASSES = ("integer", "branch", "memory", "simd", "dot", "other")
CACHE = ("accesses", "l1_misses", "l2_misses")


@dataclass(frozen=True)
class Count:
    """What one file executes, on one thread of one emulated core.

    Those of one inference are the mean over the last COUNTED, which are alike or in doubt: loading
    and warming up are left out.
    """

    target: Target
    device: str  # its URL
    kind: Kind
    runtime: Mapping[str, Any]
    inputs: Sequence[Mapping[str, Any]]
    inferences: tuple[Mapping[str, int], ...]  # all, the warm-up too; by class, and the cache's

    @property
    def counted(self) -> list[int]:
        """The instructions of each inference after the warm-up."""
        return [sum(one[name] for name in CLASSES) for one in self.inferences[-COUNTED:]]

    @property
    def instructions(self) -> float:
        """Instructions of one inference."""
        return sum(self.counted) / len(self.counted)

    @property
    def spread(self) -> float:
        """The largest difference between two inferences, as a share."""
        return (max(self.counted) - min(self.counted)) / self.instructions

    @property
    def per_madd(self) -> float | None:
        """Instructions for each multiply-add of the model; None where those are not known."""
        return self.instructions / self.target.madds if self.target.madds else None

    def of(self, name: str) -> float:
        """Return one class, or one figure of the cache, for one inference."""
        values = [one[name] for one in self.inferences[-COUNTED:]]
        return sum(values) / len(values)

    @property
    def cache(self) -> dict[str, float] | None:
        """Accesses and misses of one inference; None where no cache was simulated."""
        return {name: self.of(name) for name in CACHE} if self.of("accesses") else None

    def doubts(self) -> list[str]:
        """Return what a reader should know before trusting the figures."""
        unsteady = f"unsteady: inferences differ by {self.spread:.2%}"
        return [unsteady] if self.spread > ALIKE else []
