"""PEARL through LiteRT alone: do files find goals that nobody learned on, in float and in 8 bits?

Every seed trains `pearl:point-robot-small` as `edgekit train` does, and converts the agent and the
student that it taught. Each file then adapts to 100 held-out goals one transition at a time, as on
a device: z from the prior, three trajectories, sums in float32. The agent in TensorFlow plays the
same goals with the same noise. Retention is (file - chance) / (agent - chance) of the dense return
of the last trajectory. Times are of a call from Python, tensors in and out. Run:
python benchmarks/pearl_device.py [--smoke]; runs are kept in runs/.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import tensorflow as tf

from edgekit.artifact import Artifact
from edgekit.environments import Array
from edgekit.environments.tasks import TaskFamily, draw_tasks, tasks
from edgekit.environments.trajectories import Trajectories, play
from edgekit.export.conversion import Plan, convert
from edgekit.families.pearl.family import FAMILY, FORMS, Recipe
from edgekit.families.pearl.meta_test import meta_test
from edgekit.families.pearl.rollout import Replayed, unknown
from edgekit.families.pearl.source import read_back
from edgekit.families.run import Run, open_run
from edgekit.play import opened
from edgekit.play.adaptation import Adaptation, adapt
from edgekit.profile.timing.statistics import student
from edgekit.quantize.scheme import parse_schemes
from edgekit.train import Options
from results import FOLDER, Row, write_results

RUNS = Path("runs") / "pearl_device"
SEEDS = (1, 2, 3)
HELD_OUT, TRAJECTORIES = 100, 3
SCHEMES = ("f32", "w8a8")
UNITS = {"retention": "1", "size": "KiB", "an act": "us", "an encode": "us"}
TARGETS = {
    ("student", "f32", "retention"): ">= 0.95", ("student", "w8a8", "retention"): ">= 0.9",
    ("teacher", "w8a8", "retention"): ">= 0.9", ("student", "f32", "size"): "<= 16",
    ("teacher", "f32", "success, trajectory 3"): ">= 0.95",
}  # fmt: skip
DIFFERENCE = "z, greatest difference from the workstation's"
OF_THE_SAME = "z of the same transitions, greatest difference from the workstation's"
WORST = (DIFFERENCE, OF_THE_SAME)
Figures = dict[str, float]


def main() -> int:
    """Train what is not trained yet, play, write results/pearl_device.json."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--smoke", action="store_true", help="a few updates of one seed")
    parser.add_argument("--runs", type=Path, default=RUNS, help="where runs are kept")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where to write")
    options = parser.parse_args()
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    if options.smoke:
        tf.config.run_functions_eagerly(True)  # a dozen updates: compiling would take longer
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as scratch:
        runs = Path(scratch) / "runs" if options.smoke else options.runs
        seeds, goals = (SEEDS[:1], 2) if options.smoke else (SEEDS, HELD_OUT)
        played = [judged(trained(seed, runs, options.smoke), goals) for seed in seeds]
        rows = rows_of(played, goals)
        folder = Path(scratch) if options.smoke else options.folder
        write_results("pearl_device", rows, minutes=(time.monotonic() - began) / 60, seeds=seeds,
                      folder=folder)  # fmt: skip
    for row in rows:
        print(f"{row.case}: {row.metric} {row.value:.4g} {row.unit}, {row.target}: {row.met}")
    return 0


def trained(seed: int, runs: Path, smoke: bool) -> Run:
    """Return the run of a seed, by what is in `runs` where that is there."""
    folder = runs / f"seed{seed}"
    if folder.exists() and (run := open_run(folder)).done:
        return run
    recipe: Recipe = FAMILY.preset("point-robot-small").config
    if smoke:
        recipe = replace(recipe, iterations=1, updates=2, train_tasks=4, tasks_collected=4,
                         test_tasks=2, rounds=1, lesson=2)  # fmt: skip
    run = Run(folder, FAMILY.name, recipe, Options(seed=seed), str(FAMILY.data))
    done: Run = FAMILY.fit(run, resume=folder.exists())
    return done


def judged(run: Run, goals: int) -> dict[tuple[str, str], Figures]:
    """Return the figures of each form's files."""
    family, seed = tasks(run.config.tasks), run.options.seed
    parameters = draw_tasks(family, goals, seed, "test")
    chance = by_chance(family, parameters, seed)
    shape = (TRAJECTORIES, goals, run.config.latent)
    noise = np.random.default_rng(seed).standard_normal(shape).astype(np.float32)
    found, best = {}, None
    for form in sorted(FORMS, reverse=True):  # the teacher first
        host = Replayed(read_back(run, form)[0], noise)
        *_, last = meta_test(host.agent, family, parameters, trajectories=TRAJECTORIES, seed=seed,
                             players=host)  # fmt: skip
        best = dense(last) if best is None else best
        with tempfile.TemporaryDirectory() as place:
            source = FAMILY.restore(run, {"form": form})
            plan = Plan(parse_schemes(",".join(SCHEMES)))
            artifact = convert(source, plan, Path(place) / "artifact").artifact
            for scheme in SCHEMES:
                told = through_file(artifact, scheme, family, parameters, noise, seed, host)
                told["retention"] = (told["return, trajectory 3"] - chance) / (best - chance)
                found[form, scheme] = told
    return found


def through_file(
    artifact: Artifact, scheme: str, family: TaskFamily, parameters: Array, noise: Array,
    seed: int, host: Replayed,
) -> Figures:  # fmt: skip
    """Return what a file reaches in LiteRT, its times, and how far its z are from the agent's."""
    with opened(artifact, scheme, "litert") as entries:
        adaptation = adapt(entries, family, parameters, noise, seed=seed)
        times = entries["act"].times("act") | entries["encode"].times("encode")
    found = {}
    for number, played in enumerate(adaptation.played, start=1):
        assert played.sparse is not None
        found[f"success, trajectory {number}"] = float((played.sparse[:, -1] > 0).mean())
    found["return, trajectory 3"] = dense(adaptation.played[-1])
    found["size"] = artifact.file(scheme=scheme).size_bytes / 1024
    found["an act"], found["an encode"] = times["median_act_us"], times["median_encode_us"]
    if scheme == "f32":
        device = np.array(adaptation.latents)
        found[DIFFERENCE] = float(np.abs(device - np.array(host.latents)).max())
        found[OF_THE_SAME] = float(np.abs(device - same_transitions(host, adaptation, noise)).max())
    return found


def same_transitions(host: Replayed, adaptation: Adaptation, noise: Array) -> Array:
    """Return the z `[T, K, Z]` that the agent infers from what the device lived through.

    Where each plays by itself, what differs in z comes back in what is seen, and grows.
    """
    belief, found = unknown(noise.shape[1], noise.shape[2]), []
    for drawn, lived in zip(noise, adaptation.played, strict=True):
        found.append(host.posterior(belief, drawn))
        belief = host.see(belief, lived)
    return np.array(found)


def dense(played: Trajectories) -> float:
    """Return the mean dense return."""
    return float(played.r.sum(axis=1).mean())


def by_chance(family: TaskFamily, parameters: Array, seed: int) -> float:
    """Return the mean dense return of random actions."""
    environment, rng = family.make(parameters, seed), np.random.default_rng(seed)
    shape = (len(parameters), environment.actions)
    return dense(play(environment, lambda _: rng.uniform(-1, 1, shape).astype(np.float32)))


def rows_of(played: Sequence[dict[tuple[str, str], Figures]], goals: int) -> list[Row]:
    """Return a row for each figure: means over seeds with intervals, of differences the worst."""
    rows = []
    for (form, scheme), figures in played[0].items():
        case = f"{form}, {scheme}, {len(played)} x {goals} held-out goals"
        for metric in figures:
            values = [of_seed[form, scheme][metric] for of_seed in played]
            value, interval = (max(values), None) if metric in WORST else mean(values)
            target = "<= 1e-5" if metric in WORST else TARGETS.get((form, scheme, metric))
            rows.append(Row(case, metric, UNITS.get(metric, "1"), value, interval=interval,
                            target=target))  # fmt: skip
    return rows


def mean(values: Sequence[float]) -> tuple[float, tuple[float, float] | None]:
    """Return the mean, and its 95% interval where there are three values."""
    middle = float(np.mean(values))
    if len(values) < 3:
        return middle, None
    margin = student(0.95, len(values) - 1) * float(np.std(values, ddof=1)) / len(values) ** 0.5
    return middle, (middle - margin, middle + margin)


if __name__ == "__main__":
    raise SystemExit(main())
