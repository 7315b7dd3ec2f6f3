"""BEAR, offline SAC and cloning on one medium batch of Hopper-v5, with BEAR's own settings.

The batch is made here, once: a soft actor-critic of ours is judged after every 500 steps, until
the mean return of 10 episodes by its mean action first lies from 1000 to 1500, a third to a half of
an expert's 3000, and it earns at least 2 a step: every step that it does not fall pays 1, and one
more for each metre in a second, so that a policy that stands still has a return of 1000, too, and
any policy that clones it can do no better. Then its stochastic policy takes 100,000 steps. The
settings are those of BEAR's authors; an update with D4RL's takes twice the time. The preset's
500,000 updates would take a core four hours; here are 30,000 of each algorithm, and the warm-up is
the same share of them, 8%. The preset was chosen on seed 11, the number for a batch before this
one. Needs MuJoCo, the extra of that name. Run: python benchmarks/bear_hopper.py [--smoke]
[--prepare]; the batch and finished cells are kept in runs/, and --prepare makes the batch alone.
"""

from __future__ import annotations

import argparse
import tempfile
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from batch_learner import BEGINNING, Learner, interval
from cells import kept
from edgekit.agents.apprentice import Apprenticeship
from edgekit.agents.batch import Batch, read_batch, write_batch
from edgekit.agents.collection import collect_within
from edgekit.environments import make
from edgekit.environments.episodes import act_at_random, play
from edgekit.families.bear import ALGORITHMS, FAMILY, Config
from edgekit.train.loop import seed_everything
from results import FOLDER, Row, write_results

RUNS = Path("runs") / "bear_hopper"
SEEDS = (1, 2, 3)  # of the algorithms; the batch is one
BATCH_SEED = 0
MEDIUM = (1000.0, 1500.0)  # the return at which the batch is made
PACE = 2.0  # reward by the step, at the least: it moves ahead by a metre in a second
UPDATES = 30_000
CALL = 250  # updates in one compiled call
EPISODES = 50  # of a judgement


@dataclass
class Study:
    """The batch, and cells by algorithm and seed."""

    place: Path
    smoke: bool = False
    updates: int = UPDATES
    call: int = CALL
    seeds: tuple[int, ...] = SEEDS
    episodes: int = EPISODES
    learners: dict[str, Learner] = field(default_factory=dict)

    def __post_init__(self) -> None:
        preset = FAMILY.preset("hopper-original")
        self.batch_size = preset.training["batch_size"]
        share = self.updates / (preset.training["epochs"] * preset.config.updates)
        self.config: Config = replace(
            preset.config, warm_up=round(share * preset.config.warm_up), transitions=100_000
        )
        if self.smoke:
            self.config = replace(self.config, transitions=500, hidden_units=(8,), vae_units=(8,),
                                  samples=2, target_samples=2, act_samples=4)  # fmt: skip

    def batch(self) -> Batch:
        """Return the batch, from disk if it is there."""
        path = self.place / "medium.npz"
        if not path.exists():
            how, returns, pace = Apprenticeship(steps=300_000, episodes=10), MEDIUM, PACE
            if self.smoke:
                how, returns, pace = replace(how, hidden=(8,), steps=1_500), (-1e3, 1e3), 0.0
            seed_everything(BATCH_SEED)
            made = collect_within(
                self.config.environment, returns, self.config.transitions, BATCH_SEED, how, pace
            )
            write_batch(path, made)
        return read_batch(path)

    def cell(self, algorithm: str, seed: int) -> dict[str, Any]:
        """Return what an algorithm made of the batch."""
        path = self.place / f"{algorithm}-{seed}-{self.updates}.json"
        return kept(path, lambda: self._learn(algorithm, seed))

    def chance(self) -> dict[str, Any]:
        """Return what random actions earn from the first seed's beginnings."""

        def found() -> dict[str, Any]:
            seed = self.seeds[0]
            outer = make(self.config.environment, self.episodes, seed + BEGINNING)
            return {"return": float(play(outer, act_at_random(outer, seed)).returns.mean())}

        return kept(self.place / "chance.json", found)

    def made(self) -> dict[str, Any]:
        """Return what is to be said of the batch, and the minutes that it took."""

        def found() -> dict[str, Any]:
            batch = self.batch()
            falls = float(batch.steps.ended.sum())
            return {**batch.origin, "sha256": batch.sha256, "transitions": len(batch),
                    "reward_by_fall": float(batch.steps.r.sum()) / max(falls, 1.0)}  # fmt: skip

        return kept(self.place / "medium.json", found)

    def _learn(self, algorithm: str, seed: int) -> dict[str, Any]:
        if algorithm not in self.learners:
            config = replace(self.config, algorithm=algorithm)
            self.learners[algorithm] = Learner(config, self.batch_size, self.call, self.episodes)
        learner = self.learners[algorithm]
        return {**learner.learn(self.batch(), seed, self.updates),
                "compiling_s": learner.compiling_s}  # fmt: skip


def main() -> int:
    """Make the batch, learn, judge, compare; write results/bear_hopper.json."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--smoke", action="store_true", help="small networks, few updates")
    parser.add_argument("--prepare", action="store_true", help="the batch, and nothing else")
    parser.add_argument("--runs", type=Path, default=RUNS, help="where batch and cells are kept")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where to write")
    options = parser.parse_args()
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    with tempfile.TemporaryDirectory() as scratch:
        study = Study(options.runs)
        folder = options.folder
        if options.smoke:
            folder = Path(scratch)
            study = Study(folder, smoke=True, updates=4, call=2, seeds=(1,), episodes=2)
        made, chance = study.made(), study.chance()
        if options.prepare:
            return 0
        cells = {a: [study.cell(a, seed) for seed in study.seeds] for a in ALGORITHMS}
        minutes = sum(
            c["minutes"] for c in [made, chance, *(c for each in cells.values() for c in each)]
        )
        rows = [*batch_rows(made, chance, study.episodes), *rows_of(study, cells)]
        write_results("bear_hopper", rows, minutes=minutes, seeds=study.seeds, folder=folder)
    for row in rows:
        print(f"{row.case}: {row.metric} {row.value:.4g} {row.unit}, {row.target}: {row.met}")
    return 0


def batch_rows(made: dict[str, Any], chance: dict[str, Any], episodes: int) -> list[Row]:
    """Return what the batch is and who made it."""
    case = f"the batch, {made['transitions']} transitions, SHA-256 {made['sha256']}"
    return [
        Row("random actions", f"return, {episodes} episodes", "reward", chance["return"]),
        Row(case, "return of who made it, its mean action, 10 episodes", "reward", made["return"]),
        Row(case, "return by the step of who made it, its mean action", "reward", made["by_step"]),
        Row(case, "reward by fall, its stochastic policy", "reward", made["reward_by_fall"]),
        Row(case, "steps that it had learned for", "steps", made["steps"]),
    ]


def rows_of(study: Study, cells: dict[str, list[dict[str, Any]]]) -> list[Row]:
    """Return the algorithms' returns, their differences by seed, and the time."""
    returns = {a: np.array([c["return"] for c in each]) for a, each in cells.items()}
    seconds = {a: np.array([c["cpu_s"] for c in each]) for a, each in cells.items()}
    case = f"{study.updates} updates, {len(study.seeds)} seeds, {study.episodes} episodes each"
    rows = [
        Row(case, f"return of {a.upper()}", "reward", float(found.mean()),
            interval=interval(found))
        for a, found in returns.items()
    ]  # fmt: skip
    for rival in ("sac", "bc"):
        apart = returns["bear"] - returns[rival]
        low, high = interval(apart)
        target = "> 0" if rival == "sac" else ">= 0"
        rows.append(Row(case, f"return of BEAR less {rival.upper()}'s", "reward",
                        float(apart.mean()), interval=(low, high), target=target))  # fmt: skip
    rows += [
        Row(case, f"updates of {a.upper()}, one thread", "updates/CPU s",
            study.updates / float(found.mean()))
        for a, found in seconds.items()
    ]  # fmt: skip
    total = sum(float(found.sum()) for found in seconds.values()) / 60
    return [*rows, Row(case, "all updates, one thread", "CPU minutes", total)]


if __name__ == "__main__":
    raise SystemExit(main())
