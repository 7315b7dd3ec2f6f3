"""PEARL's buffers and their rules, meta-training that resumes, meta-test, presets."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras

from edgekit.environments.tasks import tasks
from edgekit.environments.trajectories import Policy, play
from edgekit.errors import InputError
from edgekit.families.pearl import Config, Plan
from edgekit.families.pearl.agent import Pearl
from edgekit.families.pearl.meta_test import meta_test
from edgekit.families.pearl.meta_train import MetaTraining
from edgekit.families.pearl.presets import PRESETS, preset
from edgekit.families.pearl.replay import TaskReplay, sampler
from edgekit.families.pearl.rollout import Players, unknown
from edgekit.families.pearl.scout import Scouts, hold
from edgekit.play.spread import Spread

SMALL = Config(latent=2, hidden_units=(8,), encoder_units=(8,), factors="precision")
PLAN = Plan("point-robot", 4, 2, iterations=3, updates=4, tasks_collected=2, initial_steps=40,
            prior_steps=20, posterior_steps=40, extra_steps=60, meta_batch=3, batch=5, context=60,
            replay=400)  # fmt: skip


def run(plan: Plan = PLAN, config: Config = SMALL, seed: int = 0) -> MetaTraining:
    keras.utils.set_random_seed(seed)
    family = tasks(plan.tasks)
    goals = family.draw(plan.train_tasks, np.random.default_rng(9))
    return MetaTraining(Pearl(2, 2, config), family, goals, plan, seed=seed)


def filled(task: int, count: int) -> list[np.ndarray]:
    return [np.full((1, count, 1), 10.0 * task) + np.arange(count)[None, :, None]]


def test_rings_are_apart_and_overwrite_their_oldest() -> None:
    replay = TaskReplay(3, 4, ((1,),))
    replay.add(np.array([1]), filled(1, 3))
    replay.add(np.array([2]), filled(2, 4))
    replay.add(np.array([1]), [np.array([[[97.0], [98.0]]])])
    drawn = replay.sample(tf.constant([1, 2], tf.int64), 300, tf.constant([0, 1]))[0]
    assert set(np.ravel(drawn[0])) == {98.0, 11.0, 12.0, 97.0}
    assert set(np.ravel(drawn[1])) == {20.0, 21.0, 22.0, 23.0}


def test_a_cleared_task_is_refilled_from_the_first_place() -> None:
    replay = TaskReplay(2, 4, ((1,),))
    replay.add(np.array([0]), filled(5, 3))
    replay.clear(np.array([0]))
    replay.add(np.array([0]), filled(0, 1))
    drawn = replay.sample(tf.constant([0], tf.int64), 50, tf.constant([0, 1]))[0]
    assert set(np.ravel(drawn)) == {0.0}


@pytest.mark.parametrize("context_of", ["transitions", "trajectories", "session"])
def test_what_a_context_is_made_of(context_of: str) -> None:
    plan = replace(PLAN, context_of=context_of, train_tasks=2, prior_steps=20, posterior_steps=20,
                   shown_steps=20)  # fmt: skip
    widths = ((2,), (2,), (), (2,), ())
    steps, contexts = TaskReplay(2, 80, widths), TaskReplay(2, 80, ((5,),))
    both = np.arange(2)
    steps.add(both, [np.ones((2, 40, *w), np.float32) for w in widths])
    marked = np.tile(np.arange(1, 61, dtype=np.float32)[None, :, None], (2, 1, 5))
    contexts.add(both, [marked])  # three trajectories of 20, the last of them shown
    *batch, context, seen, first = sampler(steps, contexts, plan, 20)(64, tf.constant([0, 1]))
    assert [tuple(x.shape) for x in batch] == [(64, 5, *w) for w in widths]
    lengths = set(np.asarray(tf.reduce_sum(seen, 1)))
    assert lengths == {"transitions": {60.0}, "trajectories": {20.0, 40.0, 60.0},
                       "session": {40.0, 60.0}}[context_of]  # fmt: skip
    assert not np.any(np.asarray(context)[np.asarray(seen) == 1] == 0), "nothing empty is seen"
    if context_of == "session":
        np.testing.assert_array_equal(context[0, :60, 0], np.arange(1, 61))
        assert set(np.asarray(tf.reduce_sum(first, 1))) == {20.0, 40.0}
        for one, other in zip(np.asarray(seen), np.asarray(first), strict=True):
            np.testing.assert_array_equal(one, np.where(np.arange(60) >= 40, 1.0, other))


def test_a_thinned_context_has_a_share_of_its_own() -> None:
    """Shares are even from the least to 1: their mean is .6, what lies below .4 a quarter."""
    plan = replace(PLAN, context_of="trajectories", least_seen=0.2, train_tasks=2, context=1000)
    steps, contexts = TaskReplay(2, 80, ((2,),)), TaskReplay(2, 1000, ((5,),))
    steps.add(np.arange(2), [np.ones((2, 40, 2), np.float32)])
    contexts.add(np.arange(2), [np.ones((2, 1000, 5), np.float32)])
    sample = sampler(steps, contexts, plan, 1000)  # one trajectory of 1000
    *_, seen, first = sample(2000, tf.constant([0, 1]))
    shares = np.asarray(tf.reduce_mean(seen, 1))
    np.testing.assert_array_equal(seen, first)
    assert shares.mean() == pytest.approx(0.6, abs=0.02)
    assert (shares < 0.4).mean() == pytest.approx(0.25, abs=0.04)
    assert shares.min() > 0.15
    even, odd = np.asarray(seen)[:, ::2].mean(), np.asarray(seen)[:, 1::2].mean()
    assert even == pytest.approx(odd, abs=0.01)


@pytest.fixture(scope="module")
def begun() -> MetaTraining:
    """Return a run after one iteration; shared, since its updates take seconds to compile."""
    training = run(replace(PLAN, sparse=True, scouts=True, shown_steps=40, initial_steps=400))
    training.iterate()
    return training


def test_extra_steps_go_to_the_critics_alone(begun: MetaTraining) -> None:
    steps, contexts = begun.steps.added.numpy(), begun.contexts.added.numpy()
    picked = steps > 400
    assert picked.sum() == 2
    np.testing.assert_array_equal(steps, np.where(picked, 400 + 20 + 40 + 40 + 60, 400))
    np.testing.assert_array_equal(contexts, np.where(picked, 20 + 40 + 40, 400))


def test_contexts_hold_sparse_rewards_and_critics_dense_ones(begun: MetaTraining) -> None:
    dense, sparse = begun.steps.columns[2].numpy(), begun.contexts.columns[0].numpy()[:, 4]
    assert dense.max() <= 0
    assert dense.min() < -1
    assert sparse.min() == 0
    assert np.count_nonzero(sparse), "80 directions find a goal"
    assert sparse[sparse > 0].min() >= 0.8


def test_a_resumed_run_goes_on_as_if_nothing_had_happened(
    begun: MetaTraining, tmp_path: Path
) -> None:
    """Another run takes all of the state over; and from the same state the same curve follows."""
    begun.checkpoints(tmp_path).save()
    other = run(begun.plan, seed=1)
    assert other.checkpoints(tmp_path).restore()
    for one, two in zip(begun.variables, other.variables, strict=True):
        np.testing.assert_array_equal(one.numpy(), two.numpy())
    losses = [begun.iterate() for _ in range(2)]
    begun.agent.policy.variables[0].assign_add(tf.ones_like(begun.agent.policy.variables[0]))
    again = begun.run(folder=tmp_path)
    assert len(again) == 2
    for one, two in zip(losses, again, strict=True):
        assert all(one[name] == two[name] for name in begun.agent.REPORTS)


def test_meta_test_scores_every_trajectory_and_changes_no_weight() -> None:
    agent, family = Pearl(2, 2, SMALL), tasks("point-robot")
    goals = family.draw(3, np.random.default_rng(1))
    before = [v.numpy() for v in agent.variables]
    played = meta_test(agent, family, goals, trajectories=4, seed=5, sparse=True)
    for then, now in zip(before, agent.variables, strict=True):
        np.testing.assert_array_equal(then, now.numpy())
    assert [e.r.shape for e in played] == [(3, 20)] * 4
    last = played[-1]
    distance = np.linalg.norm(last.following - goals[:, None], axis=2)
    np.testing.assert_allclose(last.r, -distance, rtol=1e-5)
    np.testing.assert_allclose(last.sparse, np.where(distance <= 0.2, 1 - distance, 0), rtol=1e-5)
    again = meta_test(agent, family, goals, trajectories=4, seed=5, sparse=True)
    np.testing.assert_array_equal(played[-1].a, again[-1].a)


def test_exploring_latents_are_spread_and_widened(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first of them, by the prior: twice the evenly spread noise.

    Trajectories that are scored draw from the posterior as it is.
    """
    drawn = []

    def policy(self: Players, z: np.ndarray, *, stochastic: bool) -> Policy:
        drawn.append((stochastic, z))
        return hold(np.zeros((3, 2), np.float32))

    monkeypatch.setattr(Players, "policy", policy)
    family = tasks("point-robot")
    goals = family.draw(3, np.random.default_rng(1))
    meta_test(Pearl(2, 2, SMALL), family, goals, trajectories=2, seed=5, explore=True, spread=True,
              widen=2.0)  # fmt: skip
    assert [stochastic for stochastic, _ in drawn] == [False, True, False]
    rng = np.random.default_rng(5)
    spread = Spread(3, 2, rng)
    np.testing.assert_allclose(drawn[0][1], rng.standard_normal((3, 2)), rtol=1e-5)
    np.testing.assert_allclose(drawn[1][1], 2.0 * spread.draw(), rtol=1e-5)
    drawn.clear()
    meta_test(Pearl(2, 2, SMALL), family, goals, trajectories=1, seed=5, spread=True, widen=2.0)
    spread = Spread(3, 2, np.random.default_rng(5))
    np.testing.assert_allclose(drawn[0][1], 2.0 * spread.draw(), rtol=1e-5)


def test_any_number_of_tasks_has_the_same_graph() -> None:
    """Graphs of one number each differ in the last bit, by which a resumed run went astray."""
    players = Players(Pearl(2, 2, SMALL), sparse=False, rng=np.random.default_rng(0))
    for count in (4, 2):
        policy = players.policy(players.prior(count), stochastic=True)
        goals = np.ones((count, 2), np.float32)
        players.see(unknown(count, 2), play(tasks("point-robot").make(goals, 0), policy))
    for compiled in (players._act, players._encode):
        assert compiled.experimental_get_tracing_count() == 1


def test_a_run_may_end_between_updates() -> None:
    """Four updates of an iteration are one call; an iteration that was cut short does not count."""
    started, seen = run(), []

    def between(updates: int) -> None:
        seen.append(updates)
        if updates == 8:
            raise StopIteration

    with pytest.raises(StopIteration):
        started.run(between=between)
    assert (seen, int(started.iteration)) == ([4, 8], 1)


def test_a_belief_is_a_running_sum() -> None:
    agent, family = Pearl(2, 2, SMALL), tasks("point-robot")
    goals = family.draw(2, np.random.default_rng(1))
    players = Players(agent, sparse=False, rng=np.random.default_rng(0))
    policy = players.policy(players.prior(2), stochastic=True)
    episodes = [play(family.make(goals, 0), policy) for _ in range(2)]
    belief = unknown(2, 2)
    for each in episodes:
        belief = players.see(belief, each)
    contexts = [e.context(sparse=False, next_state=False) for e in episodes]
    precision, weighted = agent.encoder(np.concatenate(contexts, 1).reshape(-1, 5))
    np.testing.assert_allclose(belief.precision, tf.reduce_sum(tf.reshape(precision, (2, -1, 2)),
                                                               1), rtol=1e-5)  # fmt: skip
    np.testing.assert_allclose(belief.weighted, tf.reduce_sum(tf.reshape(weighted, (2, -1, 2)), 1),
                               rtol=1e-4, atol=1e-5)  # fmt: skip


def test_presets_are_the_authors() -> None:
    """Tasks, meta batch, prior, posterior and extra steps, updates, context: configs/*.json."""
    expected = {
        "cheetah-dir": (2, 2, 4, 1000, 0, 1000, 2000, 256),
        "cheetah-vel": (100, 30, 16, 400, 0, 600, 2000, 100),
        "ant-dir": (2, 2, 4, 400, 0, 600, 4000, 256),
        "ant-goal": (150, 30, 10, 400, 0, 600, 4000, 256),
        "humanoid-dir": (100, 30, 16, 400, 0, 600, 4000, 256),
        "walker-rand-params": (40, 10, 10, 400, 0, 600, 4000, 100),
        "hopper-rand-params": (40, 10, 10, 400, 0, 600, 4000, 100),
        "point-robot": (80, 20, 16, 200, 0, 200, 1000, 64),
        "sparse-point-robot": (80, 20, 16, 100, 900, 0, 1000, 1024),
    }
    for name, row in expected.items():
        p = PRESETS[name].plan
        assert row == (p.train_tasks, p.test_tasks, p.meta_batch, p.prior_steps, p.posterior_steps,
                       p.extra_steps, p.updates, p.context), name  # fmt: skip
    sparse = PRESETS["sparse-point-robot"].config
    assert (sparse.discount, sparse.reward_scale, sparse.kl_weight) == (0.9, 100.0, 1.0)
    assert PRESETS["ant-goal"].config.kl_weight == 1.0


def test_sizes_of_the_authors_networks() -> None:
    """Policy 3x300 and encoder 3x200 of a point robot, float32: 720 and 327 KiB (2 actions)."""
    agent = Pearl(2, 2, PRESETS["point-robot"].config)
    policy = (7 * 300 + 300) + 2 * (300 * 300 + 300) + 2 * (300 * 2 + 2)
    encoder = (5 * 200 + 200) + 2 * (200 * 200 + 200) + (200 * 10 + 10)
    assert agent.policy.count_params() == policy
    assert agent.encoder.count_params() == encoder
    assert policy * 4 / 1024 == pytest.approx(720, abs=1)
    assert encoder * 4 / 1024 == pytest.approx(327, abs=1)


def test_nonsense_is_refused() -> None:
    with pytest.raises(InputError, match="no such preset"):
        preset("cartpole")
    with pytest.raises(InputError, match="tasks cartpole: unknown"):
        tasks("cartpole")
    for wrong in (
        {"tasks_collected": 5},
        {"context_of": "all"},
        {"least_seen": 1.5},
        {"updates": 0},
        {"context_of": "session", "context": 40},
    ):
        with pytest.raises(InputError, match="pearl: "):
            replace(PLAN, **wrong)
    with pytest.raises(InputError, match="at least a trajectory"):
        run(replace(PLAN, prior_steps=10))
    family = tasks("point-robot")
    goals = family.draw(4, np.random.default_rng(0))
    with pytest.raises(InputError, match="got 3, 2, expected 2, 2"):
        MetaTraining(Pearl(3, 2, SMALL), family, goals, PLAN, seed=0)


def test_scouts_find_sparse_rewards_by_dense_ones() -> None:
    """In the last ten of 60 trajectories nearly every scout comes by its goal, and shows it."""
    family, rng, everyone = tasks("point-robot"), np.random.default_rng(0), np.arange(100)
    goals = family.draw(100, rng)
    environment, scouts = family.make(goals, 0), Scouts(100, 2)
    assert family.sparse is not None
    found = np.zeros((60, 100), bool)
    for k in range(60):
        held = scouts.look(everyone, rng)
        episodes = play(environment, hold(held), partial(family.sparse, goals))
        scouts.learn(everyone, held, episodes.r)
        assert episodes.sparse is not None
        found[k] = episodes.sparse.max(1) > 0
    assert found[50:].any(0).mean() > 0.9
    shown = play(environment, hold(scouts.show(everyone, rng)), partial(family.sparse, goals))
    assert shown.sparse is not None
    assert (shown.sparse.max(1) > 0).mean() > 0.9


def test_spread_noise_is_normal_and_leaves_no_gap() -> None:
    """Over tasks each draw is normal; of eight, one lies in every sixth of each dimension.

    Three-gap theorem: the quantiles of 8 golden steps are at most .618^4 = .146 apart.
    """
    spread = Spread(4000, 2, np.random.default_rng(0))
    drawn = np.stack([spread.draw() for _ in range(8)])
    np.testing.assert_allclose(drawn.mean(1), 0.0, atol=0.06)
    np.testing.assert_allclose(drawn.std(1), 1.0, atol=0.06)
    sixths = np.digitize(drawn, [-0.96742, -0.43073, 0.0, 0.43073, 0.96742])
    assert all((sixths == part).any(0).all() for part in range(6))
