"""The gate, on results with known answers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from result_files import bench_json, counts_json, evaluation_json, write
from tiny_models import write_tflite

from edgekit.cli import run
from edgekit.errors import InputError
from edgekit.report.gate import Limits, compare
from edgekit.report.results import Results, read_results


def results(tmp_path: Path, name: str, raw: Any) -> Results:
    return read_results([write(tmp_path / f"{name}.json", raw)])


def rounds(median_ms: float, noise: float = 0.001, seed: int = 0) -> list[list[float]]:
    """Return five rounds whose medians differ by about `noise`."""
    rng = np.random.default_rng(seed)
    return [[median_ms * float(np.exp(noise * rng.standard_normal()))] * 9 for _ in range(5)]


@pytest.mark.parametrize(
    ("factor", "noise", "outcome"),
    [
        (1.0, 0.001, "ok"), (1.04, 0.001, "ok"), (0.5, 0.001, "ok"), (0.5, 0.1, "ok"),
        (1.06, 0.001, "failed"), (3.0, 0.1, "failed"),
        (1.05, 0.02, "unclear"), (1.0, 0.2, "unclear"), (1.1, 0.2, "unclear"),
    ],
)  # fmt: skip
def test_times(factor: float, noise: float, outcome: str, tmp_path: Path) -> None:
    base = results(tmp_path, "base", bench_json({"m.w8a8.tflite": rounds(10.0, noise)}))
    new = results(
        tmp_path, "new", bench_json({"m.w8a8.tflite": rounds(10.0 * factor, noise, seed=1)})
    )
    (verdict,) = compare(base, new, Limits(max_slowdown=0.05))
    assert verdict.outcome == outcome
    assert verdict.change == pytest.approx(factor - 1, abs=2 * noise)
    assert ("cannot tell" in verdict.sentence) == (outcome == "unclear")


def test_the_sentence(tmp_path: Path) -> None:
    base = results(tmp_path, "base", bench_json({"m.w8a8.tflite": [[10.0], [10.0]]}))
    new = results(tmp_path, "new", bench_json({"m.w8a8.tflite": [[12.5], [12.5]]}))
    (verdict,) = compare(base, new, Limits())
    assert verdict.sentence == (
        "m.w8a8.tflite: 25.0% slower, 10 -> 12.5 ms (95%: +25.0% to +25.0%); allowed is +5.0%"
    )


def test_without_samples_the_intervals_serve(tmp_path: Path) -> None:
    base = results(tmp_path, "base", bench_json({"m.tflite": [[1.0]] * 2}, samples=False))
    new = results(tmp_path, "new", bench_json({"m.tflite": [[1.04]] * 2}, samples=False))
    (verdict,) = compare(base, new, Limits(max_slowdown=0.05))
    # 1.04 * 1.01 / 0.99 = 1.061
    assert verdict.interval == pytest.approx((1.04 * 0.99 / 1.01 - 1, 1.04 * 1.01 / 0.99 - 1))
    assert verdict.outcome == "unclear"


@pytest.mark.parametrize(
    ("change", "part"),
    [({"cpu": "Other"}, "cpu differs: got Other, expected Test CPU"), ({"threads": 4}, "threads"),
     ({"version": "2.4.0"}, "version")],
)  # fmt: skip
def test_other_conditions(change: dict[str, Any], part: str, tmp_path: Path) -> None:
    times = {"m.tflite": [[1.0], [1.0]]}
    base = results(tmp_path, "base", bench_json(times))
    new = results(tmp_path, "new", bench_json(times, **change))
    with pytest.raises(InputError, match=part):
        compare(base, new, Limits())
    assert compare(base, new, Limits(allow_different_device=True))[0].outcome == "ok"


def test_measured_and_simulated_never_compare(tmp_path: Path) -> None:
    times = {"m.tflite": [[1.0], [1.0]]}
    base = results(tmp_path, "base", bench_json(times))
    new = results(tmp_path, "new", bench_json(times, kind="simulated"))
    with pytest.raises(InputError, match="kind differs"):
        compare(base, new, Limits(allow_different_device=True))


@pytest.mark.parametrize(
    ("new", "better", "outcome", "text"),
    [
        (0.975, "higher", "ok", "unchanged"), (0.970, "higher", "ok", "lost 0.50 points"),
        (0.969, "higher", "failed", "lost 0.60 points, 97.50 -> 96.90"),
        (0.999, "higher", "ok", "gained 2.40 points"), (0.981, "lower", "failed", "lost 0.60"),
    ],
)  # fmt: skip
def test_scores(new: float, better: str, outcome: str, text: str, tmp_path: Path) -> None:
    base = results(tmp_path, "base", evaluation_json({"m.tflite": 0.975}, better=better))
    fresh = results(tmp_path, "new", evaluation_json({"m.tflite": new}, better=better))
    (verdict,) = compare(base, fresh, Limits(max_drop=0.5))
    assert verdict.outcome == outcome
    assert text in verdict.sentence


def test_scores_that_name_their_examples_are_paired(tmp_path: Path) -> None:
    before, after = "1" * 40 + "0" * 60, "1" * 30 + "0" * 65 + "1" * 5
    base = results(tmp_path, "base", evaluation_json({"m.tflite": 0.40}, n=100, hits=before))
    fresh = results(tmp_path, "new", evaluation_json({"m.tflite": 0.35}, n=100, hits=after))
    (verdict,) = compare(base, fresh, Limits(max_drop=10))
    assert "(10 of 100 examples lost, 5 gained; 95% of such data: " in verdict.sentence
    # The differences' variance is (0.10 + 0.05) - 0.05^2; normal, 1.96 standard errors.
    error = 100 * ((0.15 - 0.05**2) / 100) ** 0.5
    assert verdict.interval == pytest.approx((5 - 1.96 * error, 5 + 1.96 * error), abs=0.6)
    assert verdict.outcome == "ok"


def test_hits_of_another_length_are_refused(tmp_path: Path) -> None:
    raw = evaluation_json({"m.tflite": 0.5}, n=4, hits="101")
    with pytest.raises(InputError, match="hits: 3 characters, expected 4 of 0 and 1"):
        results(tmp_path, "base", raw)


def test_percent_and_share_are_units(tmp_path: Path) -> None:
    base = results(tmp_path, "base", evaluation_json({"m.tflite": 97.5}, unit="%"))
    fresh = results(tmp_path, "new", evaluation_json({"m.tflite": 96.9}, unit="%"))
    assert compare(base, fresh, Limits(max_drop=0.5))[0].outcome == "failed"
    bare = results(tmp_path, "bare", evaluation_json({"m.tflite": 97.5}))
    with pytest.raises(InputError, match="unit"):
        compare(bare, bare, Limits())


@pytest.mark.parametrize(
    ("unit", "old", "new", "outcome", "text"),
    [
        ("mm", 2.0, 2.1, "ok", "rose by 5.0%, 2 -> 2.1 mm; allowed is +5.0%"),
        ("mm", 2.0, 2.12, "failed", "rose by 6.0%"), ("mm", 2.0, 1.0, "ok", "fell by 50.0%"),
        ("entries", 0.0, 0.0, "ok", "unchanged"), ("entries", 0.0, 0.5, "failed", "rose by inf%"),
        # Of a logarithm the difference counts, and its sign says nothing.
        ("nats", -0.10, -0.06, "ok", "rose by 0.04 nats, -0.1 -> -0.06 nats"),
        ("nats", -0.02, 0.04, "failed", "rose by 0.06 nats"),
    ],
)  # fmt: skip
def test_errors_in_their_own_unit(
    unit: str, old: float, new: float, outcome: str, text: str, tmp_path: Path
) -> None:
    def errors(name: str, value: float) -> Results:
        return results(
            tmp_path, name, evaluation_json({"m.tflite": value}, unit=unit, better="lower")
        )

    (verdict,) = compare(errors("base", old), errors("new", new), Limits(max_rise=0.05))
    assert verdict.outcome == outcome
    assert text in verdict.sentence


def test_one_file_in_each_needs_no_common_name(tmp_path: Path) -> None:
    """Two metrics of f32 beside two of w8a8: each beside its own."""
    raws = {}
    for name, shift in (("m.f32.tflite", 0.0), ("m.w8a8.tflite", 0.01)):
        one, other = (
            evaluation_json({name: value - shift}, metric=metric)
            for metric, value in (("top-1 accuracy", 0.9), ("top-5 accuracy", 0.99))
        )
        raws[name] = results(tmp_path, name, {**one, "rows": one["rows"] + other["rows"]})
    verdicts = compare(raws["m.f32.tflite"], raws["m.w8a8.tflite"], Limits(max_drop=2))
    assert [v.measure for v in verdicts] == ["top-1 accuracy", "top-5 accuracy"]
    assert [v.change for v in verdicts] == pytest.approx([1.0, 1.0])


def test_other_data_is_refused(tmp_path: Path) -> None:
    base = results(tmp_path, "base", evaluation_json({"m.tflite": 0.9}, n=1000))
    fresh = results(tmp_path, "new", evaluation_json({"m.tflite": 0.9}, n=999))
    with pytest.raises(InputError, match="n of the score differs"):
        compare(base, fresh, Limits())


def test_rows_pair_by_name_then_by_scheme(tmp_path: Path) -> None:
    one = {"a.f32.tflite": [[4.0]] * 2, "a.w8a8.tflite": [[1.0]] * 2}
    two = {"b.w8a8.tflite": [[1.0]] * 2, "b.f32.tflite": [[4.0]] * 2}
    base, new = (results(tmp_path, n, bench_json(f)) for n, f in (("1", one), ("2", two)))
    verdicts = compare(base, new, Limits())
    assert [v.file for v in verdicts] == ["b.f32.tflite", "b.w8a8.tflite"]
    assert {v.outcome for v in verdicts} == {"ok"}


def test_a_file_that_the_new_result_lacks_is_no_pass(tmp_path: Path) -> None:
    base = results(tmp_path, "b", bench_json({f"{n}.tflite": [[1.0]] * 2 for n in "ab"}))
    new = results(tmp_path, "n", bench_json({"a.tflite": [[1.0]] * 2}))
    with pytest.raises(InputError, match=r"b\.tflite"):
        compare(base, new, Limits())


@pytest.mark.parametrize(
    ("factor", "noise", "arguments", "code"),
    [
        (1.0, 0.001, [], 0), (1.2, 0.001, [], 1), (1.2, 0.001, ["--max-slowdown", "30%"], 0),
        (1.2, 0.001, ["--max-slowdown", "0.3"], 0), (1.0, 0.2, [], 1),
        (1.0, 0.2, ["--allow-unclear"], 0), (1.0, 0.001, ["--max-slowdown", "fast"], 2),
        (1.0, 0.001, ["--max-drop", "-1"], 2),
    ],
)  # fmt: skip
def test_exit_codes(
    factor: float, noise: float, arguments: list[str], code: int, tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    base = write(tmp_path / "b.json", bench_json({"m.tflite": rounds(10.0, noise)}))
    new = write(tmp_path / "n.json", bench_json({"m.tflite": rounds(10 * factor, noise, 1)}))
    assert run(["gate", str(base), str(new), *arguments]) == code
    assert len(capsys.readouterr().err.splitlines()) == (code != 0)


def test_json_alone_on_stdout(tmp_path: Path) -> None:
    import json

    from edgekit.cli import cli

    base = write(tmp_path / "b.json", bench_json({"m.tflite": rounds(10.0)}))
    done = CliRunner().invoke(cli, ["gate", str(base), str(base), "--json"])
    data = json.loads(done.stdout)
    assert data["passed"] is True
    assert data["verdicts"][0]["outcome"] == "ok"


@pytest.mark.parametrize(
    ("factor", "arguments", "code"),
    [
        (1.0, [], 0), (1.009, [], 0), (1.011, [], 1), (0.5, [], 0),
        (1.011, ["--max-instructions", "2%"], 0), (1.001, ["--max-instructions", "0"], 1),
    ],
)  # fmt: skip
def test_instructions_are_exact(
    factor: float, arguments: list[str], code: int, tmp_path: Path
) -> None:
    base = write(tmp_path / "b.json", counts_json({"m.tflite": 50e6}))
    new = write(tmp_path / "n.json", counts_json({"m.tflite": 50e6 * factor}))
    assert run(["gate", str(base), str(new), *arguments]) == code


def test_the_sentence_of_instructions(tmp_path: Path) -> None:
    base = results(tmp_path, "base", counts_json({"m.tflite": 50e6}))
    new = results(tmp_path, "new", counts_json({"m.tflite": 60e6}))
    (verdict,) = compare(base, new, Limits())
    assert verdict.interval is None
    assert verdict.sentence == (
        "m.tflite: 20.00% more instructions on cortex-a76, 50 -> 60 M an inference; "
        "allowed is +1.0%"
    )


def test_counts_pair_by_core_and_refuse_another(tmp_path: Path) -> None:
    a72, a76 = (counts_json({"m.tflite": n}, cpu=c) for n, c in ((1e8, "a72"), (5e7, "a76")))
    both = {**a72, "counts": a72["counts"] + a76["counts"],
            "devices": a72["devices"] | a76["devices"]}  # fmt: skip
    two = results(tmp_path, "two", both)
    assert [v.change for v in compare(two, two, Limits())] == [0.0, 0.0]
    with pytest.raises(InputError, match="cpu differs"):
        compare(results(tmp_path, "1", a72), results(tmp_path, "2", a76), Limits())


def test_a_drift_cancels_where_files_took_turns(tmp_path: Path) -> None:
    """Rounds that differ twofold, and a new file that is 2% slower in each of them."""
    drift = [1.0, 2.0, 1.5, 1.2, 1.9]
    old, new = ([[f * ms] * 9 for ms in drift] for f in (1.0, 1.02))
    both = results(tmp_path, "both", bench_json({"old.tflite": old, "new.tflite": new}))
    base, fresh = (Results(timings=(timing,)) for timing in both.timings)
    (verdict,) = compare(base, fresh, Limits(max_slowdown=0.03))
    assert verdict.outcome == "ok"
    assert verdict.interval == pytest.approx((0.02, 0.02))
    other = results(tmp_path, "other", bench_json({"new.tflite": new}))
    (verdict,) = compare(base, other, Limits(max_slowdown=0.03))
    assert verdict.outcome == "unclear"
    assert verdict.sentence.endswith("bench both in turn: edgekit gate --on")


def test_turns_that_only_one_has_are_left_out(tmp_path: Path) -> None:
    """A file that was noisy got more rounds: they have no partner."""
    raw = bench_json({"old.tflite": [[1.0], [2.0], [9.0]], "new.tflite": [[1.1], [2.2]]})
    base, new = results(tmp_path, "both", raw).timings
    (verdict,) = compare(Results(timings=(base,)), Results(timings=(new,)), Limits())
    assert verdict.interval == pytest.approx((0.1, 0.1))


def test_two_models_in_turn(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    small = write_tflite(tmp_path / "small.tflite", size=1000)
    large = write_tflite(tmp_path / "large.tflite", size=4_000_000)
    where = ["--on", "local", "--rounds", "3"]
    assert run(["gate", str(small), str(large), *where]) == 1
    assert "slower" in capsys.readouterr().out
    assert run(["gate", str(large), str(small), *where]) == 0
    assert "faster" in capsys.readouterr().out
    assert run(["gate", str(small), str(tmp_path / "none.tflite"), *where]) == 2


def test_a_drift_between_calls_cancels_beside_what_did_not_change(tmp_path: Path) -> None:
    """The machine is 1.3 times slower in the second call; the new file is 2% slower on top."""
    drift = [1.0, 1.2, 1.1]
    base = {"m.tflite": [[ms] * 9 for ms in drift], "same.tflite": [[2 * ms] * 9 for ms in drift]}
    new = {
        "m.tflite": [[1.02 * 1.3 * ms] * 9 for ms in drift],
        "same.tflite": [[1.3 * 2 * ms] * 9 for ms in drift],
    }
    raws = [bench_json(base), bench_json(new)]
    raws[1]["rows"][0]["sha256"] = "1" * 64  # m.tflite is another file now
    first, second = (results(tmp_path, str(i), raw) for i, raw in enumerate(raws))
    changed, same = compare(first, second, Limits(max_slowdown=0.03))
    assert changed.outcome == "ok"
    assert changed.change == pytest.approx(0.02)
    assert changed.sentence.startswith("m.tflite: 2.0% slower beside same.tflite, ")
    assert same.outcome == "failed"  # nothing else stayed the same: the drift counts as its own
