"""PEARL on the point robot: are held-out goals found, and how soon, from dense and sparse rewards?

Every seed draws 80 goals to train on and 100 others to be scored on, which nothing else looks at.
Trajectory k acts by the policy's mean after k - 1 others, which drew actions from the policy as in
meta-training; with sparse rewards their latents are evenly spread draws of a widened posterior.
Training runs on one thread; its CPU minutes count compilation too. Run:
python benchmarks/pearl_point_robot.py [--smoke] [--reward dense|sparse] [--train CASE --seed N];
runs are kept in runs/, and --train makes only one of them.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf
import tf_keras as keras

from edgekit.environments.point_robot import RADIUS, STRIDE, PointRobot
from edgekit.environments.tasks import tasks
from edgekit.environments.trajectories import play
from edgekit.families.pearl.agent import Pearl
from edgekit.families.pearl.distill import Lessons, distill
from edgekit.families.pearl.meta_test import meta_test
from edgekit.families.pearl.meta_train import MetaTraining
from edgekit.families.pearl.presets import Preset, preset
from edgekit.profile.timing.statistics import student
from results import FOLDER, Row, write_results

RUNS = Path("runs") / "pearl_point_robot"
SEEDS = (4, 5, 6)  # goals of 0 to 3 and 11 to 13 were seen while settings were chosen
HELD_OUT = 100  # goals a seed
Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Case:
    """A way to train, and how it is scored."""

    name: str
    preset: Preset
    seeds: tuple[int, ...] = SEEDS
    agents: str = ""  # the case whose agents it scores, where that is another
    adapt: bool = True
    spread: bool = False
    widen: float = 1.0


def sparse_cases() -> list[Case]:
    """Return the method and its ablations."""
    full = preset("sparse-point-robot-small")
    no_kl = replace(full.config, kl_weight=0.0, prefix_weight=0.0)
    point = replace(full.config, factors="embedding")
    method = Case("sparse", full, spread=True, widen=full.plan.widen)
    return [
        method,
        replace(method, name="sparse, z from the prior alone", agents="sparse", adapt=False),
        Case("sparse, z drawn independently", full, agents="sparse"),
        replace(method, name="sparse, deterministic z", preset=replace(full, config=point),
                seeds=SEEDS[:1]),
        replace(method, name="sparse, no KL", preset=replace(full, config=no_kl),
                seeds=SEEDS[:1]),
    ]  # fmt: skip


def main() -> int:
    """Train what is not trained yet; write results/pearl_{dense,sparse}.json."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--smoke", action="store_true", help="a few updates of one seed")
    parser.add_argument("--reward", choices=("dense", "sparse"), help="that one alone")
    parser.add_argument("--train", help="the name of one case to train, and nothing else")
    parser.add_argument("--seed", type=int, help="with --train")
    parser.add_argument("--runs", type=Path, default=RUNS, help="where runs are kept")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where to write")
    options = parser.parse_args()
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    cases = {"dense": [Case("dense", preset("point-robot-small"))], "sparse": sparse_cases()}
    if options.train:
        (case,) = (c for each in cases.values() for c in each if c.name == options.train)
        trained(case, options.seed, options.runs)
        return 0
    with tempfile.TemporaryDirectory() as scratch:
        runs = Path(scratch) if options.smoke else options.runs
        folder = Path(scratch) if options.smoke else options.folder
        for reward in [options.reward] if options.reward else cases:
            began = time.monotonic()
            chosen = [shrunk(c) for c in cases[reward][:1]] if options.smoke else cases[reward]
            rows = [row for case in chosen for row in judged(case, runs)]
            write_results(f"pearl_{reward}", rows, minutes=(time.monotonic() - began) / 60,
                          seeds=chosen[0].seeds, folder=folder)  # fmt: skip
            for row in rows:
                print(f"{row.case}: {row.metric} {row.value:.4g} {row.unit}, "
                      f"{row.target}: {row.met}")  # fmt: skip
    return 0


def shrunk(case: Case) -> Case:
    """Return the case in little."""
    plan = replace(case.preset.plan, iterations=2, updates=10)
    return replace(case, preset=replace(case.preset, plan=plan), seeds=SEEDS[:1])


def goals(seed: int, held_out: bool) -> Array:
    """Return the goals of a seed."""
    rng = np.random.default_rng((seed, int(held_out)))
    return tasks("point-robot").draw(HELD_OUT if held_out else 80, rng)


def trained(case: Case, seed: int, runs: Path) -> tuple[Pearl, dict[str, Any]]:
    """Return an agent and the record of its training, by what is in `runs` where that is there."""
    keras.utils.set_random_seed(seed)
    agent = Pearl(PointRobot.observations, PointRobot.actions, case.preset.config)
    name = case.agents or case.name
    place = runs / f"{name.replace(', ', '-').replace(' ', '-')}-{seed}"
    weights, record = tf.train.Checkpoint(agent=agent), place / "record.json"
    if record.exists():
        weights.read(str(place / "agent")).expect_partial()
        return agent, dict(json.loads(record.read_text(encoding="utf-8")))
    began = time.process_time()
    run = MetaTraining(agent, tasks("point-robot"), goals(seed, held_out=False), case.preset.plan,
                       seed=seed)  # fmt: skip
    curve = run.run(telling(case, seed))
    told = {"cpu_minutes": (time.process_time() - began) / 60, "curve": curve}
    place.mkdir(parents=True, exist_ok=True)
    weights.write(str(place / "agent"))
    record.write_text(json.dumps(told), encoding="utf-8")
    return agent, told


def telling(case: Case, seed: int) -> Callable[[int, dict[str, float]], None]:
    """Return what prints the losses now and then."""

    def tell(number: int, losses: dict[str, float]) -> None:
        if number % 10 == 0:
            text = ", ".join(f"{name} {value:.3g}" for name, value in losses.items())
            print(f"{case.name}, seed {seed}, iteration {number}: {text}", flush=True)

    return tell


def judged(case: Case, runs: Path) -> list[Row]:
    """Return the rows of a case: success by trajectory, return, minutes."""
    plan, found, returns, minutes, oracle = case.preset.plan, [], [], [], []
    trajectories = 10 if plan.sparse else 3  # as the authors' 60 steps of dense meta-test
    for seed in case.seeds:
        agent, told = trained(case, seed, runs)
        places = goals(seed, held_out=True)
        played = meta_test(agent, tasks("point-robot"), places, trajectories=trajectories,
                           seed=seed, sparse=plan.sparse, explore=True,
                           spread=case.spread, widen=case.widen, adapt=case.adapt)  # fmt: skip
        ends = np.stack([e.following[:, -1] for e in played])
        found.append((np.linalg.norm(ends - places, axis=2) <= RADIUS).mean(1))
        returns.append(np.stack([e.sparse.sum(1) for e in played if e.sparse is not None]).mean(1))
        minutes.append(told["cpu_minutes"])
        oracle.append(oracle_return(places))
    what = f"{case.name}, {len(case.seeds)} x {HELD_OUT} held-out goals"
    targets = {"dense": (3, ">= 0.95", 8, ">= 12"), "sparse": (10, ">= 0.9", 30, None)}
    last, aim, budget, least = targets.get(case.name, (trajectories, None, None, None))
    rows = [
        _row(what, f"success, trajectory {k + 1}", "1", [f[k] for f in found],
             target=aim if k + 1 == last else None)
        for k in range(trajectories)
    ]  # fmt: skip
    rows.append(
        _row(what, f"sparse return, trajectory {last}", "1", [r[-1] for r in returns],
             target=least, anchor=float(np.mean(oracle)),
             anchor_source="full speed along both axes to the goal")
    )  # fmt: skip
    if case.name == "dense":
        rows += students(what, case, runs)
    rows.append(
        _row(what, "CPU minutes of a training, at the most", "minutes", [max(minutes)],
             target=f"<= {budget}" if budget else None)
    )  # fmt: skip
    return rows


def students(what: str, case: Case, runs: Path) -> list[Row]:
    """Return rows of small encoders and policies that the agents teach on their training goals.

    Retention is (student - random) / (teacher - random) of the dense return of the last trajectory,
    on the same held-out goals with the same seeds.
    """
    family, kept = tasks("point-robot"), []
    lessons = (
        Lessons() if case.preset.plan.iterations > 2 else Lessons(rounds=2, updates=20, call=20)
    )
    for seed in case.seeds:
        teacher, _ = trained(case, seed, runs)
        student, _ = distill(teacher, family, goals(seed, held_out=False), lessons, seed=seed)
        places = goals(seed, held_out=True)
        best, small = (
            float(meta_test(actor, family, places, trajectories=3, seed=seed)[-1].r.sum(1).mean())
            for actor in (teacher, student)
        )
        rng = np.random.default_rng(seed)
        chance = play(PointRobot(places), lambda s: rng.uniform(-1, 1, s.shape))  # noqa: B023
        worst = float(chance.r.sum(1).mean())
        kept.append((small - worst) / (best - worst))
    size = student.encoder.count_params() + student.policy.count_params()
    return [
        _row(what, "retention of a student pair, closed loop", "1", kept, target=">= 0.95"),
        Row(what, "encoder and policy of a student, float32", "KiB", 4 * size / 1024,
            target="<= 16"),
    ]  # fmt: skip


def _row(case: str, metric: str, unit: str, values: Sequence[float], **rest: Any) -> Row:
    """Return the mean over seeds, with its 95% interval where there are three."""
    mean, interval = float(np.mean(values)), None
    if len(values) > 2:
        margin = student(0.95, len(values) - 1) * float(np.std(values, ddof=1)) / len(values) ** 0.5
        interval = (mean - margin, mean + margin)
    return Row(case, metric, unit, mean, interval=interval, **rest)


def oracle_return(places: Array) -> float:
    """Return the mean sparse return of who knows the goals, `[K, 2]`."""
    robots = PointRobot(places, sparse=True)

    def nearer(at: Array) -> Array:  # as fast as either axis allows
        return np.clip((places - at) / STRIDE, -1.0, 1.0)

    return float(play(robots, nearer).r.sum(1).mean())


if __name__ == "__main__":
    raise SystemExit(main())
