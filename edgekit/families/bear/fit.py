"""Training: an agent from a batch alone, then its student by DAgger."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from edgekit.agents import Agent, Scaling
from edgekit.agents.batch import Batch, read_batch, write_batch
from edgekit.agents.cloning import BehaviourCloning
from edgekit.agents.distillation import Lessons, actor_of, distil
from edgekit.agents.playing import actor, compile_choice
from edgekit.agents.replay import Replay, Transitions
from edgekit.agents.sac import SoftActorCritic
from edgekit.agents.training import Course, train
from edgekit.agents.updates import compile_updates, with_noise
from edgekit.environments import make
from edgekit.environments.episodes import Act, act_at_random, play
from edgekit.errors import InputError
from edgekit.families.bear import FAMILY, Config
from edgekit.families.bear.agent import Bear
from edgekit.families.bear.data import load
from edgekit.families.bear.network import build_sampling, build_student, set_agent, set_scaling
from edgekit.families.run import CALIBRATION, Run, claim, open_run, write_run
from edgekit.files import write_file
from edgekit.train import Options
from edgekit.train.checkpoint import save_weights
from edgekit.train.loop import seed_everything

BATCH, AGENT = "batch.npz", "agent.h5"
JUDGED, TESTED = 20, 100  # episodes after an epoch, and at the end
_VALIDATION, _TEST = 10_000, 20_000  # added to the seed: where episodes begin
_CALL = 250  # updates in one compiled call, at the most


def fit(run: Run, *, sha256: str | None, resume: bool, distributed: bool) -> Run:
    """Train an agent and its student; see `Family.fit`. Scores are returns over test episodes.

    Raises:
        SetupError: the environment is not installed.
    """
    folder, config, options = run.folder, run.config, run.options
    if not resume:
        claim(folder)
    environment = make(config.environment, JUDGED, options.seed + _VALIDATION)
    config = replace(config, observations=environment.observations, actions=environment.actions)
    seed_everything(options.seed)
    batch = _batch(folder, config, options, run.data, resume)
    run = replace(
        run, config=config,
        task={**FAMILY.describe(config),
              "batch": {**batch.origin, "transitions": len(batch), "sha256": batch.sha256}},
    )  # fmt: skip
    write_run(run)
    scaling = Scaling.of(batch.steps.s, environment.limit, normalise=config.normalise)
    seed_everything(options.seed)
    agent = build_agent(config)
    choose = compile_choice(agent, scaling)

    def judge() -> dict[str, float]:
        again = make(config.environment, JUDGED, options.seed + _VALIDATION)
        return {"return": float(play(again, actor(choose, options.seed)).returns.mean())}

    last = train(agent, compile_training(agent, batch, scaling, config, options), judge,
                 course(folder, config, options), resume=resume)  # fmt: skip
    sampling = build_sampling(config)
    set_scaling(sampling, scaling)
    set_agent(sampling, agent)
    save_weights(sampling, folder / AGENT)
    student = build_student(config)
    set_scaling(student, scaling)
    teacher = actor(choose, options.seed + 1)
    lessons = Lessons(config.rounds, seed=options.seed)
    states = distil(student, teacher, environment, lessons) if config.rounds else batch.steps.s
    save_weights(student, run.weights_path("float"))
    _write_calibration(folder, states, config, options.seed)
    scores = test(config, options.seed, actor(choose, options.seed + 2),
                  actor_of(student) if config.rounds else None)  # fmt: skip
    run = replace(run, best={"float": last["return"]}, test={"float": scores})
    write_run(run)
    return run


def build_agent(config: Config) -> Agent:
    """Return the untrained agent of `config.algorithm`."""
    sizes = (config.observations, config.actions)
    if config.algorithm == "bear":
        return Bear(*sizes, config)
    if config.algorithm == "bc":
        return BehaviourCloning(*sizes, config.hidden_units, learning_rate=config.actor_rate)
    return SoftActorCritic(
        *sizes, config.hidden_units, learning_rate=config.actor_rate, discount=config.discount,
        tau=config.tau,
    )  # fmt: skip


def course(folder: Path, config: Config, options: Options) -> Course:
    """Return the epochs as compiled calls of equal length.

    Raises:
        InputError: an epoch's updates do not divide into such calls.
    """
    calls = -(-config.updates // _CALL)
    if config.updates % calls:
        raise InputError("bear: updates", got=config.updates, expected=f"a multiple of {calls}")
    return Course(folder, options.epochs, calls, config.updates // calls, options.seed)


def compile_training(
    agent: Agent, batch: Batch, scaling: Scaling, config: Config, options: Options
) -> Any:
    """Return the compiled updates of an agent on a batch."""
    steps = batch.steps
    replay = Replay(len(batch), config.observations, config.actions)
    replay.add(Transitions(scaling.normalise(steps.s), np.clip(steps.a, -1, 1), steps.r,
                           scaling.normalise(steps.following), steps.ended))  # fmt: skip
    return compile_updates(
        with_noise(replay.sample, agent.draw), agent.update, agent.REPORTS,
        count=course(Path(), config, options).count, batch=options.batch_size,
    )  # fmt: skip


def test(config: Config, seed: int, agent: Act, student: Act | None) -> dict[str, float]:
    """Return mean returns of agent, chance and student over the same 100 beginnings.

    Retention is (student - chance) / (agent - chance).
    """

    def returns(act: Act) -> float:
        return float(play(make(config.environment, TESTED, seed + _TEST), act).returns.mean())

    chance = make(config.environment, TESTED, seed + _TEST)
    found = {"return": returns(agent), "chance": returns(act_at_random(chance, seed))}
    if student:
        found["student"] = returns(student)
        found["retention"] = ((found["student"] - found["chance"])
                              / (found["return"] - found["chance"]))  # fmt: skip
    return found


def _batch(folder: Path, config: Config, options: Options, data: str, resume: bool) -> Batch:
    """Return the run's batch, which it keeps if it was made for it.

    Raises:
        InputError: a resumed run's batch is another than before.
    """
    kept = folder / BATCH
    if resume and kept.exists():
        return read_batch(kept)
    batch = load(data, config, seed=options.seed)
    if resume:
        before = open_run(folder).task["batch"]["sha256"]
        if batch.sha256 != before:
            raise InputError(f"{data}: another batch than the run began with",
                             got=f"SHA-256 {batch.sha256[:12]}", expected=before[:12])  # fmt: skip
    if not Path(data).exists():
        write_batch(kept, batch)
    return batch


def _write_calibration(folder: Path, states: Any, config: Config, seed: int) -> None:
    """Keep states that the student met, with noise for the sampling form."""
    rng = np.random.default_rng(seed)
    chosen = states[np.sort(rng.permutation(len(states))[:200])].astype(np.float32)
    noise = rng.standard_normal((len(chosen), config.act_samples, config.actions))
    buffer = io.BytesIO()
    np.savez_compressed(buffer, observation=chosen, noise=noise.astype(np.float32))
    write_file(folder / CALIBRATION, buffer.getvalue())
