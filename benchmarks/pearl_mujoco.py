"""PEARL's MuJoCo presets as they are published: learning curves, and starts.

cheetah-dir and cheetah-vel are meta-trained for 20 minutes on one thread, or on as many as
--threads says, from which nothing is taken away but the later iterations. "Learns upwards" was
defined before the first run: of the points behind the untrained agent's, the last third's mean
return must be above the first third's by more than half of the difference's 95% interval, and above
the untrained agent's. The other presets start: data of every task as published, 10 gradient steps
instead of 4000, a checkpoint, and the next iteration, once by the run itself and once by a new one
that resumes; both must end with the same weights. Needs MuJoCo, the extra of that name.

Run: python benchmarks/pearl_mujoco.py [--smoke] [--threads N] [--make NAME --seed N]; runs are kept
in runs/, and --make makes only one of them. Two threads' results are pearl_mujoco_2_threads.json
and its curves.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from cells import kept
from meta_curve import Budget, recipe_of, record, rise
from meta_start import keep_to, start
from results import FOLDER, Row, write_results

RUNS = Path("runs") / "pearl_mujoco"
SEEDS = (1, 2, 3)
# By the clock. Between meta-tests lies half a minute on one core, of which they are a tenth.
LEARNED = {"cheetah-dir": Budget(20, 400), "cheetah-vel": Budget(20, 100)}
STARTED = ("ant-dir", "ant-goal", "humanoid-dir", "walker-rand-params", "hopper-rand-params")
FEW = 10  # gradient steps of an iteration that only starts


def main() -> int:
    """Make what is missing; write results/pearl_mujoco.json and pearl_mujoco_curves.json."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--smoke", action="store_true", help="small networks, few steps")
    parser.add_argument("--make", metavar="NAME", help="one preset to run, and nothing else")
    parser.add_argument("--seed", type=int, default=SEEDS[0], help="with --make")
    parser.add_argument("--presets", default=",".join([*LEARNED, *STARTED]), metavar="NAMES",
                        help="these alone are in the results")  # fmt: skip
    parser.add_argument("--threads", type=int, default=1, help="of TensorFlow, for the curves")
    parser.add_argument("--runs", type=Path, default=RUNS, help="where runs are kept")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where to write")
    options = parser.parse_args()
    keep_to(options.threads)
    with tempfile.TemporaryDirectory() as scratch:
        runs = Path(scratch) if options.smoke else options.runs / f"{options.threads}-threads"
        folder = Path(scratch) if options.smoke else options.folder
        if options.make:
            made(options.make, options.seed, runs, smoke=options.smoke)
            return 0
        threads = f"_{options.threads}_threads" if options.threads > 1 else ""
        write(runs, folder, options.presets.split(","), f"pearl_mujoco{threads}",
              smoke=options.smoke)  # fmt: skip
    return 0


def write(runs: Path, folder: Path, presets: list[str], name: str, *, smoke: bool) -> None:
    """Write results of a name and their curves; print the first."""
    learned = [preset for preset in presets if preset in LEARNED]
    started = [preset for preset in presets if preset in STARTED]
    if smoke:
        learned, started = learned[:1], started[-1:]
    curves = {(n, s): made(n, s, runs, smoke=smoke) for n in learned for s in SEEDS}
    starts = {preset: made(preset, SEEDS[0], runs, smoke=smoke) for preset in started}
    minutes = sum(found["minutes"] for found in [*curves.values(), *starts.values()])
    rows = [row for (n, seed), found in curves.items() for row in verdicts(n, seed, found)]
    rows += [row for preset, found in starts.items() for row in start_rows(preset, found)]
    points = [row for (n, seed), found in curves.items() for row in curve(n, seed, found)]
    for each, of in ((rows, ""), (points, "_curves")):
        write_results(name + of, each, minutes=minutes, seeds=SEEDS, folder=folder)
    for row in rows:
        print(f"{row.case}: {row.metric} {row.value:.4g} {row.unit}, {row.target}: {row.met}")


def made(name: str, seed: int, runs: Path, *, smoke: bool) -> dict[str, Any]:
    """Return what a run found, from disk if it is there."""
    return kept(runs / f"{name}-{seed}.json", _maker(name, seed, runs, smoke=smoke))


def _maker(name: str, seed: int, runs: Path, *, smoke: bool) -> Callable[[], dict[str, Any]]:
    recipe = recipe_of(name)
    if smoke:
        recipe = replace(recipe, hidden_units=(8,), encoder_units=(8,), initial_steps=200, batch=4,
                         train_tasks=2, test_tasks=2, tasks_collected=2, context=8, replay=2_000,
                         updates=2, trajectories=2)  # fmt: skip
    if name in LEARNED:
        budget = Budget(0.0, 2) if smoke else LEARNED[name]
        return lambda: record(recipe, seed, budget)
    return lambda: start(replace(recipe, updates=2 if smoke else FEW, iterations=2), seed, runs)


def verdicts(name: str, seed: int, found: dict[str, Any]) -> list[Row]:
    """Return what came of a run: its beginning, its end, and whether it learned upwards."""
    points = found["points"]
    untrained, *rest = (p["held_out"] for p in points)
    returns = np.array(rest or [untrained])
    risen, half = rise(returns)
    third = max(1, len(returns) // 3)
    end = float(returns[-third:].mean())
    case = f"{name}, seed {seed}"
    return [
        Row(case, "held-out return, untrained", "reward", untrained),
        Row(case, f"held-out return, first third of {len(returns)} points", "reward",
            float(returns[:third].mean())),
        Row(case, "held-out return, last third", "reward", end),
        Row(case, "held-out return, last point", "reward", float(returns[-1])),
        Row(case, "last third less first third", "reward", risen,
            interval=(risen - half, risen + half), target=f"> {half:.3f}"),
        Row(case, "last third less untrained", "reward", end - untrained, target="> 0"),
        Row(case, "steps of environments", "steps", points[-1]["steps"]),
        Row(case, "gradient steps", "steps", points[-1]["updates"]),
        Row(case, "all of the run", "minutes", found["minutes"]),
        Row(case, "all of the run", "CPU minutes", found["cpu_minutes"]),
        Row(case, "meta-tests among it", "CPU minutes", found["test_minutes"]),
    ]  # fmt: skip


def curve(name: str, seed: int, found: dict[str, Any]) -> list[Row]:
    """Return a row of each point."""
    return [
        Row(f"{name}, seed {seed}, {p['cpu_minutes']:.1f} CPU minutes, {p['steps']} environment "
            f"steps, {p['updates']} gradient steps", "held-out return", "reward", p["held_out"])
        for p in found["points"]
    ]  # fmt: skip


def start_rows(name: str, found: dict[str, Any]) -> list[Row]:
    """Return how a preset started and went on."""
    case = f"{name} starts, checkpoints and goes on"
    return [
        Row(case, "greatest difference of weights, resumed or not", "1", found["difference"],
            target="== 0"),
        Row(case, "weights that its second iteration changed", "%", found["changed_percent"],
            target="> 0"),
        Row(case, "both iterations and the resumed one", "CPU minutes", found["cpu_minutes"]),
        Row(case, "checkpoint", "MB", found["checkpoint_mb"]),
    ]  # fmt: skip


if __name__ == "__main__":
    raise SystemExit(main())
