"""The authors' configurations (katerakelly/oyster, configs/), and small ones for the point robot.

The authors' goals for the dense point robot are drawn from the unit square; here they lie on the
half circle, as in section 6.3. Steps count whole horizons; where the authors resample z at the end
of an episode that a fall cut short, it is kept to the horizon's. The authors keep a million
transitions of each task; here as many as a run brings, but for ant-goal and humanoid-dir, whose
newest are kept (2.7 and 2.9 GB).
"""

from __future__ import annotations

from dataclasses import dataclass

from edgekit.errors import InputError
from edgekit.families.pearl import Config, Plan


@dataclass(frozen=True)
class Preset:
    """An agent, and how it is meta-trained."""

    config: Config
    plan: Plan


PRESETS = {
    "cheetah-dir": Preset(
        Config(),
        Plan("cheetah-dir", 2, 2, tasks_collected=2, prior_steps=1000, extra_steps=1000,
             meta_batch=4, context=256, replay=1_000_000),
    ),
    "cheetah-vel": Preset(
        Config(),
        Plan("cheetah-vel", 100, 30, extra_steps=600, context=100, replay=30_000),
    ),
    "ant-dir": Preset(
        Config(),
        Plan("ant-dir", 2, 2, tasks_collected=2, extra_steps=600, meta_batch=4, updates=4000,
             context=256, replay=1_000_000),
    ),
    "ant-goal": Preset(
        Config(kl_weight=1.0),
        Plan("ant-goal", 150, 30, extra_steps=600, meta_batch=10, updates=4000, context=256,
             replay=20_000),
    ),
    "humanoid-dir": Preset(
        Config(),
        Plan("humanoid-dir", 100, 30, extra_steps=600, updates=4000, context=256, replay=10_000),
    ),
    "walker-rand-params": Preset(
        Config(next_state=True),
        Plan("walker-rand-params", 40, 10, extra_steps=600, meta_batch=10, updates=4000,
             context=100),
    ),
    "hopper-rand-params": Preset(
        Config(next_state=True),
        Plan("hopper-rand-params", 40, 10, extra_steps=600, meta_batch=10, updates=4000,
             context=100),
    ),
    "point-robot": Preset(
        Config(reward_scale=100.0),
        Plan("point-robot", 80, 20, initial_steps=200, prior_steps=200, extra_steps=200,
             updates=1000),
    ),
    "sparse-point-robot": Preset(
        Config(reward_scale=100.0, discount=0.9, kl_weight=1.0),
        Plan("point-robot", 80, 20, sparse=True, initial_steps=200, prior_steps=100,
             posterior_steps=900, extra_steps=0, tasks_collected=10, updates=1000, context=1024),
    ),
    # Ours, for minutes on one core: small networks, and new data of every task in each iteration.
    "point-robot-small": Preset(
        Config(hidden_units=(64, 64), encoder_units=(64, 64), factors="precision",
               kl_weight=1e-4, temperature=0.01, reward_scale=1.0, learning_rate=1e-3,
               discount=0.9, decay=120_000),
        Plan("point-robot", 80, 20, iterations=240, updates=500, tasks_collected=80,
             initial_steps=100, scouts=True, prior_steps=20, posterior_steps=40, extra_steps=0,
             batch=32, context=60, context_of="trajectories", least_seen=0.1, replay=20_000),
    ),
    # z is wide enough for a goal's place on the arc and no wider, so that what is drawn from the
    # prior lies where goals do. Scouts end every collection: all of it tells where the goal is, and
    # its first trajectories are taught that by prefix_weight.
    "sparse-point-robot-small": Preset(
        Config(latent=2, hidden_units=(64, 64), encoder_units=(32, 32), factors="precision",
               kl_weight=0.03, free_nats=2.5, prefix_weight=0.003, clip=5.0, temperature=0.01,
               reward_scale=1.0, learning_rate=1e-3, discount=0.9, decay=30_000),
        Plan("point-robot", 80, 20, sparse=True, iterations=120, updates=250, tasks_collected=80,
             initial_steps=1200, scouts=True, prior_steps=20, posterior_steps=160, spread=True,
             widen=1.4, shown_steps=20, extra_steps=20, batch=32, context=200, context_of="session",
             replay=20_000),
    ),
}  # fmt: skip


def preset(name: str) -> Preset:
    """Return the preset called `name`.

    Raises:
        InputError: there is none.
    """
    if name not in PRESETS:
        raise InputError(f"pearl:{name}: no such preset", expected="one of " + ", ".join(PRESETS))
    return PRESETS[name]
