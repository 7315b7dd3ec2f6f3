"""Soft actor-critic that learns in an environment, and is remembered as it was on its way."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf

from edgekit.agents import Scaling
from edgekit.agents.networks import act
from edgekit.agents.playing import actor, compile_choice
from edgekit.agents.replay import Array, Replay, Transitions
from edgekit.agents.sac import SoftActorCritic
from edgekit.agents.updates import compile_updates, with_noise
from edgekit.environments import Environment, make
from edgekit.environments.episodes import Episodes, play
from edgekit.errors import InputError

SHARE = 1 / 3  # of the expert's advantage over chance, that makes a medium agent
_ROUND = 10  # vector steps between updates
_log = logging.getLogger("edgekit")


@dataclass(frozen=True)
class Apprenticeship:
    """How the agent that makes batches learns."""

    steps: int = 15_000  # of the environment, and as many updates
    hidden: tuple[int, ...] = (64, 64)
    learning_rate: float = 1e-3
    batch_size: int = 128
    members: int = 10  # environments
    random_steps: int = 1_000  # before the first update
    judged_every: int = 5  # rounds, of ten steps in every environment
    episodes: int = 20  # of a judgement


class Apprentice:
    """Soft actor-critic that learns in an environment, and is remembered as it was."""

    def __init__(self, name: str, outer: Environment, how: Apprenticeship, seed: int) -> None:
        self.name, self.outer, self.how, self.seed = name, outer, how, seed
        first = at_random(outer, how.random_steps, np.random.default_rng([seed, 2]))
        self.scaling = Scaling.of(first.s, outer.limit)
        self.replay = Replay(how.steps + how.members * _ROUND, outer.observations, outer.actions)
        self.raw = [first]  # transitions in the environment's units
        self.replay.add(self._inner(first))
        self.agent = SoftActorCritic(
            outer.observations, outer.actions, how.hidden, learning_rate=how.learning_rate
        )
        count = how.members * _ROUND
        self.updates = compile_updates(
            with_noise(self.replay.sample, self.agent.draw), self.agent.update,
            self.agent.REPORTS, count=count, batch=how.batch_size,
        )  # fmt: skip
        self.explore = _compile_exploration(self.agent, self.scaling)
        self.choose = compile_choice(self.agent, self.scaling)
        self.seen = outer.reset()

    def batches(self, size: int) -> tuple[dict[str, Transitions], dict[str, float]]:
        """Learn; return the steps of medium, mixed and expert, and returns that tell them apart.

        Raises:
            InputError: the agent learned nothing.
        """
        chance, judged = _mean_return(self._judge(random=True)), []
        for episodes in self._learn():
            value = _mean_return(episodes)
            judged.append((len(self.raw), value, self.agent.policy.get_weights()))
        at_end = judged[-1][1]
        if not at_end > chance:
            raise InputError(f"{self.name}: the agent that makes batches did not learn",
                             got=f"return {at_end:.4g} after {self.how.steps} steps",
                             expected=f"above chance, {chance:.4g}",
                             do="give more --behaviour-steps")  # fmt: skip
        needed = chance + SHARE * (at_end - chance)
        parts, value, weights = next(one for one in judged if one[1] >= needed)
        expert = self.agent.policy.get_weights()
        found = {"mixed": joined(self.raw[:parts])}
        for name, policy in (("medium", weights), ("expert", expert)):
            self.agent.policy.set_weights(policy)
            found[name] = self._act_out(size)
        return found, {"chance": chance, "expert": at_end, "medium": value}

    def within(
        self, least: float, most: float, pace: float, size: int
    ) -> tuple[Transitions, dict[str, float]]:
        """Learn until a judgement lies there; return steps of the agent as it is, and that return.

        Raises:
            InputError: none lay there.
        """
        judged = [-np.inf]
        for episodes in self._learn():
            value, earned = _mean_return(episodes), _return_by_step(episodes)
            judged.append(value)
            if least <= value <= most and earned >= pace:
                told = {"return": value, "by_step": earned,
                        "steps": sum(len(part) for part in self.raw)}  # fmt: skip
                return self._act_out(size), told
        by_step = f", and {pace:.4g} a step" if np.isfinite(pace) else ""
        raise InputError(f"{self.name}: the agent that makes batches",
                         got=f"at best {max(judged):.4g} after {self.how.steps} steps",
                         expected=f"a return from {least:.4g} to {most:.4g}{by_step}",
                         do="let it take more steps, or judge it more often")  # fmt: skip

    def _learn(self) -> Iterator[Episodes]:
        """Learn for the apprenticeship's steps; yield the episodes of each judgement."""
        count = self.how.members * _ROUND
        for number, taken in enumerate(range(self.how.random_steps, self.how.steps, count)):
            self._step(_ROUND)
            self.updates(self.seed, taken)
            if (number + 1) % self.how.judged_every == 0:
                episodes = self._judge()
                _log.info("%s: apprentice at %d steps: return %.1f, %.2f a step", self.name, taken,
                          _mean_return(episodes), _return_by_step(episodes))  # fmt: skip
                yield episodes

    def _act_out(self, size: int) -> Transitions:
        """Return `size` transitions from new beginnings, with the policy's own noise."""
        before, self.seen = len(self.raw), self.outer.reset()
        self._step(-(-size // self.outer.count))
        return first_of(joined(self.raw[before:]), size)

    def _step(self, steps: int) -> None:
        """Take so many steps in every environment, with the policy's own noise."""
        for _ in range(steps):
            seed = tf.constant([self.seed, len(self.raw)])
            actions = self.explore(tf.constant(self.seen), seed).numpy()
            self.seen, taken = _taken(self.outer, self.seen, actions)
            self.raw.append(taken)
            self.replay.add(self._inner(taken))

    def _judge(self, *, random: bool = False) -> Episodes:
        judged = make(self.name, self.how.episodes, self.seed + 1)
        rng = np.random.default_rng(self.seed)
        shape = (self.how.episodes, judged.actions)
        act_out = (lambda _: rng.uniform(-1, 1, shape) * judged.limit) if random else actor(
            self.choose, self.seed)  # fmt: skip
        return play(judged, act_out)

    def _inner(self, steps: Transitions) -> Transitions:
        scaled = (self.scaling.normalise(x) for x in (steps.s, steps.following))
        s, following = scaled
        return Transitions(s, steps.a, steps.r, following, steps.ended)


def _mean_return(episodes: Episodes) -> float:
    return float(episodes.returns.mean())


def _return_by_step(episodes: Episodes) -> float:
    return float(episodes.returns.sum() / episodes.lengths.sum())


def _compile_exploration(agent: SoftActorCritic, scaling: Scaling) -> Any:
    mean, std = tf.constant(scaling.mean), tf.constant(scaling.std)

    @tf.function(autograph=False)  # type: ignore[untyped-decorator]
    def explore(observations: Any, seed: Any) -> Any:
        noise = tf.random.stateless_normal((observations.shape[0], agent.actions), seed)
        return tf.tanh(act(agent.policy, (observations - mean) / std, noise)[0])

    return explore


def at_random(outer: Environment, size: int, rng: np.random.Generator) -> Transitions:
    observation, parts = outer.reset(), []
    for _ in range(-(-size // outer.count)):
        actions = rng.uniform(-1, 1, (outer.count, outer.actions)).astype(np.float32)
        observation, taken = _taken(outer, observation, actions)
        parts.append(taken)
    return first_of(joined(parts), size)


def _taken(outer: Environment, seen: Array, actions: Array) -> tuple[Array, Transitions]:
    """Return what to act on next, and the step as transitions."""
    step = outer.step(actions * outer.limit)
    taken = Transitions(
        seen, actions, step.reward, step.following, np.asarray(step.ended, np.float32)
    )
    return step.observation, taken


def joined(parts: list[Transitions]) -> Transitions:
    columns = zip(*(part.arrays() for part in parts), strict=True)
    return Transitions(*(np.concatenate(column) for column in columns))


def first_of(steps: Transitions, size: int) -> Transitions:
    return Transitions(*(array[:size] for array in steps.arrays()))
