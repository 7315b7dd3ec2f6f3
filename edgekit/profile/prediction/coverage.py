"""Whether a network lies within what a calibration's points cover: if not, widen or refuse."""

from __future__ import annotations

from collections.abc import Sequence

from edgekit.errors import InputError
from edgekit.profile.cost.work import Work
from edgekit.profile.prediction.cores import Calibration
from edgekit.profile.prediction.roofline import OpTime, shares_of_time

UNSEEN_SHARE = 0.10  # of the time in classes that no point holds: more is refused
MADDS_MARGIN = 1.5  # beyond the points' multiply-adds the interval is widened
MADDS_LIMIT = 10.0  # and farther than this it is refused
SHARE_MARGIN = 0.05  # beyond the points' share of time in a class a network is unlike them


def unlike(calibration: Calibration, ops: Sequence[OpTime]) -> list[str]:
    """Return the reason to widen where a class takes a share of the time that no point gives it."""
    found = shares_of_time(ops)
    strange = [
        f"{kind} {found.get(kind, 0):.0%} ({least:.0%} to {most:.0%})"
        for kind, (least, most) in calibration.shares.items()
        if not least - SHARE_MARGIN <= found.get(kind, 0) <= most + SHARE_MARGIN
    ]
    return [f"shares of time unlike the points': {', '.join(strange)}"] if strange else []


def unseen(calibration: Calibration, ops: Sequence[OpTime]) -> list[str]:
    """Return the reason to widen where some ops are of a class that no point holds.

    Raises:
        InputError: they take so much of the time that the figure would be a guess.
    """
    found = shares_of_time(ops)
    unseen = sorted({op.work.kind for op in ops if op.work.madds} - set(calibration.classes))
    share = sum(found[kind] for kind in unseen)
    names = ", ".join(unseen)
    if share > UNSEEN_SHARE:
        raise InputError(
            f"core {calibration.core}: no calibration for {names} ({calibration.runtime}, "
            f"{calibration.dtype})",
            got=f"{share:.0%} of the time in them",
            expected=f"mostly {', '.join(calibration.classes)}",
        )
    return [f"{names} ({share:.1%} of the time) not among the points"] if unseen else []


def out_of_range(calibration: Calibration, works: Sequence[Work]) -> list[str]:
    """Return the reason to widen where the network is smaller or larger than the points.

    Raises:
        InputError: it is so by far.
    """
    madds, (least, most) = sum(work.madds for work in works), calibration.madds
    beyond = max(least / max(madds, 1), madds / most)
    if beyond <= MADDS_MARGIN:
        return []
    covered = f"{least / 1e6:.0f}M to {most / 1e6:.0f}M MAdds"
    if beyond > MADDS_LIMIT:
        raise InputError(
            f"core {calibration.core}: outside the calibration",
            got=f"{madds / 1e6:.1f}M MAdds" if madds >= 1e5 else f"{madds:,} MAdds",
            expected=covered,
        )
    return [f"{madds / 1e6:.0f}M MAdds, the points cover {covered}"]
