"""An algorithm that learns from batches, one after another, and is judged in their environment."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from scipy.stats import t

from edgekit.agents import Scaling
from edgekit.agents.batch import Batch
from edgekit.agents.playing import actor, compile_choice
from edgekit.agents.replay import Replay, Transitions
from edgekit.agents.updates import compile_updates, with_noise
from edgekit.environments import make
from edgekit.environments.episodes import Act, play
from edgekit.families.bear import Config
from edgekit.families.bear.fit import build_agent
from edgekit.train.loop import seed_everything

BEGINNING = 50_000  # added to the seed: where the episodes of a judgement begin


class Learner:
    """One algorithm, compiled once: a new seed gets new weights."""

    def __init__(self, config: Config, batch_size: int, count: int, episodes: int) -> None:
        """Compile `count` updates in a call, of an agent judged by so many episodes."""
        self.config, self.count, self.episodes = config, count, episodes
        self.agent: Any = build_agent(config)
        self.replay = Replay(2 * config.transitions, config.observations, config.actions)
        self.updates = compile_updates(
            with_noise(self.replay.sample, self.agent.draw), self.agent.update,
            self.agent.REPORTS, count=count, batch=batch_size,
        )  # fmt: skip
        began = time.process_time()
        self.replay.added.assign(1)
        self.updates(0, 0)
        self.compiling_s = time.process_time() - began

    def learn(self, batch: Batch, seed: int, updates: int) -> dict[str, float]:
        """Begin anew, take the updates, and return the return and their CPU seconds."""
        self.begin(batch, seed)
        began = time.process_time()
        for first in range(0, updates, self.count):
            self.updates(seed, first)
        cpu_s = time.process_time() - began
        return {"return": self.judge(seed), "cpu_s": cpu_s}

    def begin(self, batch: Batch, seed: int) -> None:
        """Take the weights of a new agent, and optimizers that have seen nothing."""
        seed_everything(seed)
        fresh: Any = build_agent(self.config)
        for mine, theirs in zip(self.agent.variables, fresh.variables, strict=True):
            mine.assign(theirs)
        for name, optimizer in self.agent.optimizers.items():
            for mine, theirs in zip(optimizer.variables, fresh.optimizers[name].variables,
                                    strict=True):  # fmt: skip
                mine.assign(theirs)
        steps = batch.steps
        limit = make(self.config.environment).limit
        self.scaling = Scaling.of(steps.s, limit)
        self.replay.added.assign(0)
        self.replay.add(Transitions(
            self.scaling.normalise(steps.s), np.clip(steps.a, -1, 1), steps.r,
            self.scaling.normalise(steps.following), steps.ended,
        ))  # fmt: skip

    def act(self, seed: int) -> Act:
        """Return who acts as the agent does."""
        return actor(compile_choice(self.agent, self.scaling), seed)

    def judge(self, seed: int) -> float:
        """Return the mean return over episodes that nothing was chosen on."""
        environment = make(self.config.environment, self.episodes, seed + BEGINNING)
        return float(play(environment, self.act(seed)).returns.mean())


def interval(values: Any) -> tuple[float, float]:
    """Return the 95% interval of the mean by Student's t."""
    n = len(values)
    if n < 2:
        return float(values.mean()), float(values.mean())
    half = float(t.ppf(0.975, n - 1) * values.std(ddof=1) / n**0.5)
    return float(values.mean() - half), float(values.mean() + half)
