"""The point robot of PEARL (Rakelly et al. 2019, section 6.3): find a goal on the half circle.

The robot starts at (0, 0) and moves by up to .1 along each axis a step, 20 steps long. Goals lie at
distance 1, at angles from 0 to pi; the robot does not see where. Dense reward: -distance. Sparse
reward: 1 - distance within .2 of the goal, else 0.
"""

from __future__ import annotations

import numpy as np

from edgekit.environments import Array, Step, check_actions, register

HORIZON = 20
RADIUS = 0.2  # of the sparse reward; who ends within it has found the goal
GOALS = 100  # 80 to train on, 20 held out
STRIDE = 0.1


class PointRobot:
    """N robots, each with a goal of its own; see `Environment`."""

    observations, actions, horizon = 2, 2, HORIZON

    def __init__(self, goals: Array, *, sparse: bool = False) -> None:
        self.goals = np.asarray(goals, np.float32)  # [N, 2]
        self.count, self.sparse = len(self.goals), sparse
        self.limit = np.full(2, STRIDE, np.float32)
        self._at = np.zeros_like(self.goals)
        self._steps = 0

    def reset(self) -> Array:
        """Put every robot at (0, 0)."""
        self._steps = 0
        self._at = np.zeros_like(self.goals)
        return self._at.copy()

    def step(self, actions: Array) -> Step:
        """Move by `[N, 2]`; all episodes are over together."""
        actions = check_actions("point-robot", actions, self.count, 2)
        self._at = self._at + np.clip(actions, -STRIDE, STRIDE)
        self._steps += 1
        following = self._at.copy()
        reward = self.reward(following)
        over = np.full(self.count, self._steps >= HORIZON)
        observation = self.reset() if over[0] else following
        return Step(following, reward, np.zeros(self.count, bool), over, observation)

    def reward(self, at: Array) -> Array:
        """Return the reward for being `at` `[N, 2]`, by whichever mode this is."""
        distance: Array = np.linalg.norm(at - self.goals, axis=1)
        if self.sparse:
            return sparse_reward(distance)
        dense: Array = -distance
        return dense


def sparse_reward(distance: Array) -> Array:
    """Return 1 - distance within RADIUS, else 0."""
    found: Array = np.where(distance <= RADIUS, 1.0 - distance, 0.0).astype(np.float32)
    return found


def draw_goals(count: int, rng: np.random.Generator) -> Array:
    """Return `count` goals on the upper half of the unit circle, `[count, 2]`."""
    angles = rng.uniform(0.0, np.pi, count)
    goals: Array = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    return goals


register("point-robot", lambda count, seed: PointRobot(
    draw_goals(count, np.random.default_rng(seed))))  # fmt: skip
register("point-robot-sparse", lambda count, seed: PointRobot(
    draw_goals(count, np.random.default_rng(seed)), sparse=True))  # fmt: skip
