"""Parity of boxes: what one file finds the other finds as well, whatever the rank.

Boxes are ranked by scores, so that the least rounding lets two of them change places and every
number behind them differ. Compared are therefore the things that are found.
"""

from __future__ import annotations

import numpy as np

from edgekit.parity import Array, Arrays, Gate, Parity
from edgekit.tasks.average_precision import OVERLAP
from edgekit.tasks.boxes import overlap
from edgekit.tasks.detect import OUTPUTS, SHOWN


def are_detections(answers: Arrays) -> bool:
    """Whether answers are those of a file that chooses boxes itself."""
    return set(answers) == set(OUTPUTS)


def compare_detections(reference: Arrays, answers: Arrays, gate: Gate) -> Parity:
    """Compare boxes `[N, n, 4]` with classes and scores `[N, n]` and their counts `[N]`.

    A box that scores SHOWN or more on one side is found on the other if a box of its class there,
    whatever that scores, overlaps it by OVERLAP or more. The agreement is the share of such boxes
    of both sides; where nothing scores so much, there is nothing to disagree on.
    """
    non_finite = sum(int(np.size(a) - np.isfinite(a).sum()) for a in answers.values())
    found, differences = [], [0.0]
    for number in range(0 if non_finite else len(reference["count"])):
        one, other = (_boxes(side, number) for side in (reference, answers))
        for these, those in ((one, other), (other, one)):
            partners = _partners(these, those)
            found += [partner >= 0 for partner in partners]
            differences += [
                float(abs(score - those[2][partner]))
                for score, partner in zip(these[2], partners, strict=False)
                if partner >= 0
            ]
    same = float(np.mean(found)) if found else float(not non_finite)
    noise = 2 * (1 - same)
    passed = not non_finite and (gate.min_agreement is None or same >= gate.min_agreement)
    return Parity(
        output="detections",
        examples=len(reference["count"]),
        max_error=None if non_finite else max(differences),
        sqnr_db=999.0 if noise == 0 else -10 * float(np.log10(noise)),
        cosine=same,
        top1_agreement=same,
        non_finite=non_finite,
        gate=gate.of_labels().replace("labels", "boxes"),
        passed=passed,
    )


def _boxes(side: Arrays, number: int) -> tuple[Array, Array, Array]:
    """Return boxes, classes and scores of one example."""
    count = int(np.rint(side["count"][number]))
    boxes, classes, scores = (side[name][number][:count] for name in OUTPUTS[:3])
    return boxes, np.rint(classes), scores


def _partners(these: tuple[Array, ...], those: tuple[Array, ...]) -> list[int]:
    """Return for each of these that scores SHOWN the box of those that is meant too, or -1."""
    shown = these[2] >= SHOWN
    if not len(those[0]):
        return [-1] * int(shown.sum())
    shared = overlap(these[0][shown], those[0])
    shared[these[1][shown][:, np.newaxis] != those[1]] = 0
    best = shared.argmax(axis=1)
    return [int(b) if row[b] >= OVERLAP else -1 for b, row in zip(best, shared, strict=True)]
