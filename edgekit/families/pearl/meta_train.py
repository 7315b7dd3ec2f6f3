"""Meta-training (algorithm 1): collect from some tasks, take gradient steps on all, again."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from edgekit.agents.updates import compile_updates
from edgekit.environments import Environment
from edgekit.environments.tasks import TaskFamily
from edgekit.environments.trajectories import Policy, Trajectories, play
from edgekit.errors import InputError
from edgekit.families.pearl import Plan
from edgekit.families.pearl.agent import Pearl
from edgekit.families.pearl.replay import TaskReplay, sampler
from edgekit.families.pearl.rollout import Players, unknown
from edgekit.families.pearl.scout import Scouts, hold
from edgekit.train.checkpoint import Checkpoints

Array = npt.NDArray[Any]
Report = dict[str, float]
CALL = 100  # gradient steps of one compiled call, at the most


@dataclass(frozen=True)
class Place:
    """Where data of some tasks is gathered."""

    tasks: Array  # their numbers, [K]
    environment: Environment


class MetaTraining(tf.Module):  # type: ignore[misc]
    """A run: the agent, its buffers and how far it has come."""

    def __init__(
        self, agent: Pearl, family: TaskFamily, parameters: Array, plan: Plan, *, seed: int
    ) -> None:
        """Begin a run.

        Args:
            agent: untrained.
            family: of the tasks.
            parameters: of the training tasks, `[T, P]`.
            plan: how it is trained.
            seed: of all that is drawn.

        Raises:
            InputError: the plan is for sparse rewards, which these tasks have not, for another
                number of tasks, or for less than one trajectory; or the agent is for other
                observations or actions.
        """
        super().__init__("meta_training")
        if plan.sparse and family.sparse is None:
            raise InputError(f"pearl: sparse rewards of {family.name}", got="none",
                             do="set sparse to False")  # fmt: skip
        if len(parameters) != plan.train_tasks:
            raise InputError("pearl: tasks", got=len(parameters),
                             expected=str(plan.train_tasks))  # fmt: skip
        self.agent, self.family, self.parameters = agent, family, parameters
        self.plan, self.seed = plan, seed
        one = family.make(parameters[:1], seed)
        self.horizon, o, a = one.horizon, agent.observations, agent.actions
        if (o, a) != (one.observations, one.actions):
            raise InputError(f"pearl: observations and actions of {family.name}", got=f"{o}, {a}",
                             expected=f"{one.observations}, {one.actions}")  # fmt: skip
        if min(plan.initial_steps, plan.prior_steps) < self.horizon:
            raise InputError("pearl: steps", got=min(plan.initial_steps, plan.prior_steps),
                             expected=f"at least a trajectory's, {self.horizon}")  # fmt: skip
        self.steps = TaskReplay(plan.train_tasks, plan.replay, ((o,), (a,), (), (o,), ()))
        self.contexts = TaskReplay(plan.train_tasks, self._context_places(),
                                   ((agent.context_width,),))  # fmt: skip
        self.scouts = Scouts(plan.train_tasks, a)
        self.iteration = tf.Variable(0, dtype=tf.int64, trainable=False)
        sample = sampler(self.steps, self.contexts, plan, self.horizon)
        self._call = max(n for n in range(1, CALL + 1) if plan.updates % n == 0)
        self._updates = compile_updates(sample, agent.update, agent.REPORTS, count=self._call,
                                        batch=plan.meta_batch)  # fmt: skip
        self._players = Players(agent, sparse=plan.sparse, rng=np.random.default_rng())

    def checkpoints(self, folder: Path) -> Checkpoints:
        """Return what saves and restores all of the run: networks, Adam's moments and buffers."""
        state = tf.train.Checkpoint(run=self, epoch=self.iteration, step=tf.Variable(0))
        return Checkpoints(folder, state)

    def run(
        self, watch: Callable[[int, Report], bool | None] | None = None, folder: Path | None = None,
        between: Callable[[int], None] | None = None,
    ) -> list[Report]:  # fmt: skip
        """Train to the end of the plan and return the losses of each iteration.

        Args:
            watch: called with the number of complete iterations and their losses; True ends the
                run there.
            folder: where every iteration leaves a checkpoint; a run goes on from the newest.
            between: see `iterate`.

        Raises:
            InputError: the checkpoint is damaged or of another run, or losses are not finite.
        """
        kept = self.checkpoints(folder) if folder else None
        if kept:
            kept.restore()
        told = []
        while int(self.iteration) < self.plan.iterations:
            told.append(self.iterate(between))
            if kept:
                kept.save()
            if watch and watch(int(self.iteration), told[-1]):
                break
        return told

    def iterate(self, between: Callable[[int], None] | None = None) -> Report:
        """Collect, then take the gradient steps of one iteration; return mean losses and seconds.

        All that is drawn follows from the seed and the iteration's number.

        Args:
            between: called after each compiled call with the gradient steps of the run so far. What
                it raises ends the run in the middle of the iteration, which does not count.
        """
        number = int(self.iteration)
        rng = self._players.rng = np.random.default_rng((self.seed, number))
        began = time.perf_counter()
        everyone = np.arange(self.plan.train_tasks)
        if number == 0:
            self._collect_first(everyone)
        self._collect(np.sort(rng.choice(everyone, self.plan.tasks_collected, replace=False)))
        collected = time.perf_counter()
        told = []
        for taken in range(0, self.plan.updates, self._call):
            first = number * self.plan.updates + taken
            told.append(self._updates(self.seed, first))
            if between:
                between(first + self._call)
        self.iteration.assign_add(1)
        losses = {name: float(np.mean([t[name] for t in told])) for name in told[0]}
        if not np.isfinite(list(losses.values())).all():
            raise InputError(f"pearl: iteration {number + 1}", got="a loss that is not finite",
                             do="lower learning_rate or reward_scale")  # fmt: skip
        return losses | {"collect_seconds": collected - began,
                         "update_seconds": time.perf_counter() - collected}  # fmt: skip

    def _context_places(self) -> int:
        """Return what the encoder's buffer holds of a task: all that one collection brings."""
        return max(self.plan.collected, self.plan.initial_steps, self.plan.context)

    def _collect_first(self, tasks: Array) -> None:
        """Gather the first data of every task, by scouts or with z from the prior."""
        place = self._place(tasks)
        for _ in range(self.plan.initial_steps // self.horizon):
            if self.plan.scouts:
                self._scout(place, self.scouts.look(tasks, self._players.rng))
            else:
                self._explore(place, self._players.prior(len(tasks)))

    def _collect(self, tasks: Array) -> None:
        """Gather data of K tasks (lines 4 to 9); the encoder forgets what it had of them."""
        players, plan, place = self._players, self.plan, self._place(tasks)
        self.contexts.clear(tasks)
        noise = players.noise(len(tasks), spread=plan.spread)
        belief = nothing = unknown(len(tasks), self.agent.config.latent)
        for _ in range(plan.prior_steps // self.horizon):
            episodes = self._explore(place, players.posterior(nothing, noise()))
            belief = players.see(belief, episodes)
        for _ in range(plan.posterior_steps // self.horizon):
            episodes = self._explore(place, players.posterior(belief, noise()))
            belief = players.see(belief, episodes)
        for _ in range(plan.shown_steps // self.horizon):
            shown = self._scout(place, self.scouts.show(tasks, players.rng))
            belief = players.see(belief, shown)
        for _ in range(plan.extra_steps // self.horizon):
            policy = players.policy(players.posterior(belief), stochastic=True)
            self.steps.add(tasks, self._play(place, policy).transitions())

    def _explore(self, place: Place, z: Array) -> Trajectories:
        """Play a trajectory that both buffers keep."""
        return self._keep(place, self._players.policy(z, stochastic=True))

    def _scout(self, place: Place, held: Array) -> Trajectories:
        """Let scouts hold actions `[K, A]` for one; both buffers keep it."""
        episodes = self._keep(place, hold(held))
        self.scouts.learn(place.tasks, held, episodes.r)
        return episodes

    def _keep(self, place: Place, policy: Policy) -> Trajectories:
        episodes = self._play(place, policy)
        self.steps.add(place.tasks, episodes.transitions())
        context = episodes.context(sparse=self.plan.sparse,
                                   next_state=self.agent.config.next_state)  # fmt: skip
        self.contexts.add(place.tasks, [context])
        return episodes

    def _place(self, tasks: Array) -> Place:
        seed = int(self._players.rng.integers(1 << 31))
        return Place(tasks, self.family.make(self.parameters[tasks], seed))

    def _play(self, place: Place, policy: Policy) -> Trajectories:
        rare = self.family.sparse
        sparse = partial(rare, self.parameters[place.tasks]) if rare else None
        return play(place.environment, policy, sparse)
