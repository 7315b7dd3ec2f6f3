"""Parity: how far a file's answers lie from its source's, and what is allowed.

Every figure is counted on real values; NaN and infinity are counted first, since they vanish in
means and maxima.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Arrays = Mapping[str, Array]


@dataclass(frozen=True)
class Gate:
    """What a scheme may lose; None is not asked."""

    tolerance: tuple[float, float] | None = None  # rtol; atol in units of the largest |value|
    min_sqnr_db: float | None = None
    min_cosine: float | None = None
    min_agreement: float | None = None  # of a map of labels, whose numbers are names

    def __str__(self) -> str:
        if self.tolerance:
            return f"rtol {self.tolerance[0]:g}, atol {self.tolerance[1]:g} of the largest value"
        if self.min_sqnr_db:
            return f"SQNR at least {self.min_sqnr_db:g} dB"
        return f"cosine at least {self.min_cosine:g}" if self.min_cosine else "finite values only"

    def of_labels(self) -> str:
        """Return what is asked of a map of labels."""
        least = self.min_agreement
        return f"agreement at least {least:g}" if least else "labels only"


_INTEGER = Gate(min_cosine=0.98, min_agreement=0.95)
GATES = {
    "f32": Gate(tolerance=(1e-4, 1e-5), min_agreement=0.999),
    "f16": Gate(min_sqnr_db=50.0, min_agreement=0.99),
    "w8": _INTEGER,
    "w8a8": _INTEGER,
    "w8a16": _INTEGER,
    "mixed": _INTEGER,
    "qat-w8a8": _INTEGER,
}


# Batch norms of random weights make a difference larger with every layer (Yang et al.,
# arXiv:1902.08129): behind seventy of them the last bit of a float has grown a hundredfold.
_UNTRAINED_FLOAT = Gate(tolerance=(1e-4, 1e-4), min_agreement=0.999)
_UNTRAINED = Gate()


def gate_of(scheme: str, provenance: Mapping[str, Any]) -> Gate:
    """Return the gate of a scheme.

    A network of random weights turns the least rounding into another answer, so that of a scheme
    that rounds only finite values are asked; floats must still agree, if not to the last digits.
    """
    if provenance.get("weights") == "random":
        return _UNTRAINED_FLOAT if scheme == "f32" else _UNTRAINED
    if stated := (provenance.get("gates") or {}).get(scheme):  # by the family, with a reason
        tolerance = stated.get("tolerance")
        return Gate(
            tolerance=(tolerance[0], tolerance[1]) if tolerance else None,
            min_sqnr_db=stated.get("min_sqnr_db"),
            min_cosine=stated.get("min_cosine"),
            min_agreement=stated.get("min_agreement"),
        )
    return GATES[scheme]


@dataclass(frozen=True)
class Parity:
    """One output of a file against the reference."""

    output: str
    examples: int
    max_error: float | None  # largest |difference|; None where the file's answers are not finite
    sqnr_db: float  # 10 log10 of signal power over error power; 999 where they are equal
    cosine: float  # of all values taken as one vector
    top1_agreement: float | None  # share of equal arg-maxes of vectors, or of equal labels
    non_finite: int  # NaN and infinities in the file's answers
    gate: str
    passed: bool


def compare(name: str, reference: Array, answer: Array, gate: Gate) -> Parity:
    """Compare `[N, ...]` answers with the reference's of the same shape; integers are labels."""
    if reference.dtype.kind in "iu":
        return _compare_labels(name, reference, answer, gate)
    reference, answer = reference.astype(np.float64), answer.astype(np.float64)
    non_finite = int(np.size(answer) - np.isfinite(answer).sum())
    error = answer - reference
    max_error = float(np.abs(error).max()) if not non_finite else None
    sqnr = sqnr_db(reference, answer) if not non_finite else -999.0
    angle = cosine(reference, answer) if not non_finite else 0.0
    agreement = None
    if reference.ndim == 2 and reference.shape[1] > 1:
        agreement = float((reference.argmax(1) == answer.argmax(1)).mean())
    passed = not non_finite
    if passed and gate.tolerance:
        rtol, atol = gate.tolerance
        allowed = rtol * np.abs(reference) + atol * np.abs(reference).max()
        passed = bool((np.abs(error) <= allowed).all())
    passed &= gate.min_sqnr_db is None or sqnr >= gate.min_sqnr_db
    passed &= gate.min_cosine is None or angle >= gate.min_cosine
    return Parity(
        name, len(answer), max_error, sqnr, angle, agreement, non_finite, str(gate), passed
    )


def _compare_labels(name: str, reference: Array, answer: Array, gate: Gate) -> Parity:
    """Compare labels as one-hot vectors: how far their numbers lie apart says nothing.

    The cosine then is the share of equal ones, and each other one has twice its signal as noise.
    """
    same = float((reference == answer).mean())
    noise = 2 * (1 - same)
    sqnr = 999.0 if noise == 0 else -10 * float(np.log10(noise))
    passed = gate.min_agreement is None or same >= gate.min_agreement
    wrong = float(same < 1)
    return Parity(name, len(answer), wrong, sqnr, same, same, 0, gate.of_labels(), passed)


def sqnr_db(reference: Array, answer: Array) -> float:
    """Return the signal-to-quantization-noise ratio in decibels, 999 for equal arrays."""
    noise = float(np.square(answer - reference).sum())
    signal = float(np.square(reference).sum())
    if noise == 0:
        return 999.0
    return 10 * float(np.log10(signal / noise)) if signal > 0 else -999.0


def cosine(reference: Array, answer: Array) -> float:
    """Return the cosine of the angle between two arrays taken as vectors; 1 for two of zeros."""
    first, second = float(np.linalg.norm(reference)), float(np.linalg.norm(answer))
    if first == 0 or second == 0:
        return float(first == second)
    return float((reference * answer).sum()) / (first * second)


def figures(parities: list[Parity]) -> dict[str, Any]:
    """Return the figures as a manifest keeps them; JSON has no infinity, so that becomes None."""
    outputs = [asdict(p) for p in parities]
    for output in outputs:
        if output["non_finite"]:
            output["max_error"] = None
    return {"passed": all(p.passed for p in parities), "outputs": outputs}
