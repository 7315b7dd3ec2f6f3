"""Compare two results and say in sentences whether the new one is slower or worse than allowed."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, TypeVar

from edgekit.errors import InputError
from edgekit.profile.timing.statistics import (
    Interval,
    controlled_ratio,
    drop_interval,
    ratio_interval,
    turns_ratio,
)
from edgekit.report.results import Counting, Results, Score, Timing

Outcome = Literal["ok", "failed", "unclear"]
Row = TypeVar("Row", Timing, Counting, Score)


@dataclass(frozen=True)
class Limits:
    """What is allowed."""

    max_slowdown: float = 0.05  # of p50, as a share
    max_instructions: float = 0.01  # more of one inference, as a share
    max_drop: float = 0.5  # of a metric, in points of 100
    max_rise: float = 0.05  # of an error in its own unit, as a share; of nats in nats
    allow_different_device: bool = False  # or runtime, version, threads


@dataclass(frozen=True)
class Verdict:
    """One comparison."""

    file: str
    measure: str  # "p50", "instructions" or the metric
    unit: str
    base: float
    new: float
    change: float  # points of 100 lost for shares, nats more, new / base - 1 for all else
    interval: Interval | None  # of the change
    limit: float
    outcome: Outcome
    sentence: str

    def to_json(self) -> dict[str, Any]:
        """Return the fields as JSON types."""
        return asdict(self)


def compare(base: Results, new: Results, limits: Limits) -> list[Verdict]:
    """Return a verdict for each file and measure of `base`.

    Raises:
        InputError: the two do not compare: nothing in common, a file that `new` lacks, another
            device, runtime or thread count, or another kind of figure.
    """
    if not (base.timings or base.countings or base.scores):
        raise InputError(
            "gate: nothing to compare in the base",
            expected="rows of a result", do="to bench two models now give --on local",
        )  # fmt: skip
    timings = _pairs(base.timings, new.timings, lambda t: (t.conditions.runtime,))
    verdicts = [_compare_times(b, n, _controls(b, n, timings), limits) for b, n in timings]
    verdicts += [
        _compare_counts(b, n, limits)
        for b, n in _pairs(base.countings, new.countings, lambda c: (c.conditions.runtime,))
    ]
    return verdicts + [
        _compare_scores(b, n, limits)
        for b, n in _pairs(base.scores, new.scores, lambda s: (s.metric,))
    ]


def _pairs(
    base: Sequence[Row], new: Sequence[Row], within: Callable[[Row], tuple[Hashable, ...]]
) -> list[tuple[Row, Row]]:
    """Match rows by file name, else by scheme, else because there is one file in each."""
    if len(base) == len(new) == 1:
        return [(base[0], new[0])]
    alone = all(len({row.file for row in rows}) == 1 for rows in (base, new))
    pairs = []
    for row in base:
        matches = [n for n in new if (alone or n.file == row.file) and within(n) == within(row)]
        if not matches and row.scheme:
            matches = [
                n
                for n in new
                if n.scheme == row.scheme
                and within(n) == within(row)
                and _suffix(n.file) == _suffix(row.file)
            ]
        if len(matches) > 1:  # one call on several devices
            matches = [n for n in matches if _core(n) == _core(row)]
        if len(matches) != 1:
            raise InputError(
                f"gate: {row.file} in the base",
                got=f"{len(matches)} rows like it in the new result",
                expected="one: " + (", ".join(dict.fromkeys(n.file for n in new)) or "it is empty"),
            )
        pairs.append((row, matches[0]))
    return pairs


def _core(row: Timing | Counting | Score) -> tuple[Hashable, ...]:
    return () if isinstance(row, Score) else (row.conditions.cpu, row.conditions.board)


def _controls(
    base: Timing, new: Timing, pairs: Sequence[tuple[Timing, Timing]]
) -> list[tuple[Timing, Timing]]:
    """Return the other files that are the same in both calls and took turns with this one."""
    return [
        (b, n)
        for b, n in pairs
        if b.sha256 == n.sha256
        and (b.call, n.call, b.conditions) == (base.call, new.call, base.conditions)
        and b.rounds_ms
        and n.rounds_ms
        and b is not base
    ]


def _compare_times(
    base: Timing, new: Timing, controls: Sequence[tuple[Timing, Timing]], limits: Limits
) -> Verdict:
    _check_conditions(base, new, limits)
    ratio, interval = _ratio(base, new, controls)
    limit = 1 + limits.max_slowdown
    low, high = interval or (ratio, ratio)
    outcome: Outcome = "ok" if high <= limit else "failed" if low > limit else "unclear"
    change = ratio - 1
    beside = f" beside {', '.join(n.file for _, n in controls)}" if controls else ""
    sentence = (
        f"{new.file}: {_faster_or_slower(change)}{beside}, {base.p50_ms:.3g} -> {new.p50_ms:.3g} ms"
        + (f" (95%: {low - 1:+.1%} to {high - 1:+.1%})" if interval else " (no interval)")
        + f"; allowed is {limits.max_slowdown:+.1%}"
    )
    if outcome == "unclear":
        sentence += ": cannot tell, the interval spans the limit; "
        in_turn = base.call == new.call
        sentence += "give more --rounds" if in_turn else "bench both in turn: edgekit gate --on"
    return Verdict(
        new.file, "p50", "ms", base.p50_ms, new.p50_ms, change,
        interval and (low - 1, high - 1), limits.max_slowdown, outcome, sentence,
    )  # fmt: skip


def _ratio(
    base: Timing, new: Timing, controls: Sequence[tuple[Timing, Timing]]
) -> tuple[float, Interval | None]:
    """Return new / base and its interval: from the runs or, wider, from the two intervals.

    Two that were measured in turn are paired, and a drift of the machine cancels. Of two calls each
    is taken beside what did not change, where there is such a file: what slows both alike cancels.
    The rest counts as a change, and no interval of either call's runs can know of it.
    """
    plain = new.p50_ms / base.p50_ms
    if base.rounds_ms and new.rounds_ms:
        if base.call == new.call:
            return turns_ratio(base.rounds_ms, new.rounds_ms) or (plain, None)
        if controls and (found := controlled_ratio(
            base.rounds_ms, [b.rounds_ms for b, _ in controls],
            new.rounds_ms, [n.rounds_ms for _, n in controls],
        )):  # fmt: skip
            return found
        rounds = [list(t.rounds_ms.values()) for t in (base, new)]
        return plain, ratio_interval(*rounds)
    if base.interval and new.interval:
        bounds = new.interval[0] / base.interval[1], new.interval[1] / base.interval[0]
        return plain, bounds
    return plain, None


def _compare_counts(base: Counting, new: Counting, limits: Limits) -> Verdict:
    """Compare two exact counts: no noise, so no interval and no doubt."""
    _check_conditions(base, new, limits)
    change = new.instructions / base.instructions - 1
    outcome: Outcome = "ok" if change <= limits.max_instructions else "failed"
    how = "more" if change > 0 else "fewer"
    sentence = (
        f"{new.file}: {abs(change):.2%} {how} instructions on {new.conditions.cpu}, "
        f"{base.instructions / 1e6:.4g} -> {new.instructions / 1e6:.4g} M an inference; "
        f"allowed is {limits.max_instructions:+.1%}"
    )
    return Verdict(
        new.file, "instructions", "instructions", base.instructions, new.instructions, change,
        None, limits.max_instructions, outcome, sentence,
    )  # fmt: skip


def _check_conditions(base: Timing | Counting, new: Timing | Counting, limits: Limits) -> None:
    old, fresh = asdict(base.conditions), asdict(new.conditions)
    for name, value in old.items():
        differs = fresh[name] != value
        if differs and (name == "kind" or not limits.allow_different_device):
            raise InputError(
                f"gate: {new.file}: {name} differs",
                got=fresh[name],
                expected=str(value),
                do="bench both under the same conditions"
                + ("" if name == "kind" else ", or give --allow-different-device"),
            )


def _compare_scores(base: Score, new: Score, limits: Limits) -> Verdict:
    """Compare two scores on the same examples: the drop on them is exact, so there is no doubt.

    Where both say which examples counted, the sentence adds what other examples might show.
    """
    for name in ("metric", "unit", "better", "n"):
        if getattr(base, name) != getattr(new, name):
            raise InputError(
                f"gate: {new.file}: {name} of the score differs",
                got=getattr(new, name),
                expected=str(getattr(base, name)),
                do="evaluate both on the same data",
            )
    if base.better == "lower" and base.unit not in ("1", "%"):
        return _compare_errors(base, new, limits.max_rise)
    sign = 1 if base.better == "higher" else -1
    old, fresh = _points(base), _points(new)
    drop = sign * (old - fresh)
    # A share of n examples is no exact binary number: let rounding not decide.
    outcome: Outcome = "ok" if drop <= limits.max_drop + 1e-9 else "failed"
    what = (
        "unchanged" if drop == 0 else f"{'lost' if drop > 0 else 'gained'} {abs(drop):.2f} points"
    )
    paired, interval = _paired(base, new)
    sentence = (
        f"{new.file}: {base.metric} {what}, {old:.2f} -> {fresh:.2f}{paired}; "
        f"allowed is a loss of {limits.max_drop:g}"
    )
    return Verdict(
        new.file, base.metric, "points", old, fresh, drop, interval, limits.max_drop, outcome,
        sentence,
    )  # fmt: skip


def _compare_errors(base: Score, new: Score, limit: float) -> Verdict:
    """Compare two errors such as RMSE by their ratio; nats are logarithms, of which it is e^x."""
    nats = base.unit == "nats"
    rise = new.value - base.value
    change = rise if nats or not rise else rise / base.value if base.value else math.inf
    outcome: Outcome = "ok" if change <= limit * (1 + 1e-9) else "failed"
    told = f"{abs(change):.3g} nats" if nats else f"{abs(change):.1%}"
    how = f"{'rose' if change > 0 else 'fell'} by {told}" if change else "unchanged"
    allowed = f"{limit:g} nats more" if nats else f"{limit:+.1%}"
    sentence = (
        f"{new.file}: {base.metric} {how}, {base.value:.4g} -> {new.value:.4g} {base.unit}; "
        f"allowed is {allowed}"
    )
    return Verdict(
        new.file, base.metric, base.unit, base.value, new.value, change, None, limit, outcome,
        sentence,
    )  # fmt: skip


def _paired(base: Score, new: Score) -> tuple[str, Interval | None]:
    """Return which examples went over, in words, and the interval of the points lost."""
    if base.hits is None or new.hits is None or base.better == "lower":
        return "", None
    pairs = list(zip(base.hits, new.hits, strict=True))
    lost, gained = pairs.count(("1", "0")), pairs.count(("0", "1"))
    interval = drop_interval(lost, gained, len(pairs))
    low, high = interval
    return (
        f" ({lost} of {len(pairs)} examples lost, {gained} gained;"
        f" 95% of such data: {-high:+.2f} to {-low:+.2f})",
        interval,
    )


def _points(score: Score) -> float:
    """Return a score in points of 100.

    Raises:
        InputError: it is neither a share nor points.
    """
    if score.unit == "%" and 0 <= score.value <= 100:
        return score.value
    if score.unit == "1" and 0 <= score.value <= 1:
        return 100 * score.value
    raise InputError(
        f"gate: {score.file}: {score.metric}",
        got=f"{score.value:g}, unit {score.unit!r}",
        expected='a share of 1 (unit "1") or points of 100 (unit "%")',
    )


def _faster_or_slower(change: float) -> str:
    return f"{abs(change):.1%} {'slower' if change > 0 else 'faster'}" if change else "as fast"


def _suffix(file: str) -> str:
    return file.rpartition(".")[2]
