"""d3rlpy's BEAR in an environment of its own: as shipped, and with its dual step mended.

As shipped the dual step's backward pass leaves its gradient in the actor, with the opposite sign of
the penalty's, so that after warm-up no divergence holds the actor. Mended, it sees a constant.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from peers import environment, run

PACKAGE = "d3rlpy==2.8.1"
VARIANTS = ("as shipped", "mended")

PROGRAM = """
import json, sys, time
import gymnasium, numpy as np, torch
torch.set_num_threads(1)
import d3rlpy
from d3rlpy.algos.qlearning.torch import bear_impl
from d3rlpy.models.torch import get_parameter
from d3rlpy.models.encoders import VectorEncoderFactory
told = json.loads(sys.argv[1])

def mended(self, batch, action):
    loss = super(bear_impl.BEARImpl, self).compute_actor_loss(batch, action)
    mmd = self._compute_mmd(batch.observations)
    log_alpha, optimizer = get_parameter(self._modules.log_alpha), self._modules.alpha_optim
    optimizer.zero_grad()
    (-log_alpha.exp() * (mmd.detach() - self._alpha_threshold).mean()).sum().backward()
    optimizer.step()
    log_alpha.data.clamp_(-5.0, 10.0)
    alpha = log_alpha.exp().detach()
    penalty = (alpha * (mmd - self._alpha_threshold)).mean()
    return bear_impl.BEARActorLoss(actor_loss=loss.actor_loss + penalty, temp_loss=loss.temp_loss,
                                   temp=loss.temp, mmd_loss=penalty, alpha=alpha[0][0])

if told["mended"]:
    bear_impl.BEARImpl.compute_actor_loss = mended
d3rlpy.seed(told["seed"])
c = told["config"]
nets = VectorEncoderFactory(hidden_units=c["hidden_units"])
agent = d3rlpy.algos.BEARConfig(
    actor_learning_rate=c["actor_rate"], critic_learning_rate=c["critic_rate"],
    imitator_learning_rate=c["vae_rate"], alpha_learning_rate=c["alpha_rate"],
    temp_learning_rate=c["actor_rate"], actor_encoder_factory=nets, critic_encoder_factory=nets,
    imitator_encoder_factory=VectorEncoderFactory(hidden_units=c["vae_units"]),
    batch_size=told["batch_size"], gamma=c["discount"], tau=c["tau"], n_critics=c["critics"],
    alpha_threshold=c["epsilon"], lam=c["minimum_share"], n_action_samples=c["act_samples"],
    n_target_samples=c["target_samples"], n_mmd_action_samples=c["samples"],
    mmd_kernel=c["kernel"], mmd_sigma=c["sigma"], warmup_steps=c["warm_up"],
    observation_scaler=d3rlpy.preprocessing.StandardObservationScaler(),
).create(device=False)
with np.load(told["batch"]) as file:
    s, a, r, following, ended = (file[n] for n in ("s", "a", "r", "following", "ended"))
# Rows in pairs of one step and the state it led to: d3rlpy keeps no next states of their own.
n = len(s)
seen = np.stack([s, following], 1).reshape(2 * n, -1)
twice = lambda x: np.stack([x, np.zeros_like(x)], 1).reshape(2 * n, -1)
out_of_time = np.tile([0.0, 1.0], n)
data = d3rlpy.dataset.MDPDataset(seen, twice(a), twice(r), np.zeros(2 * n), out_of_time)
buffer = d3rlpy.dataset.ReplayBuffer(d3rlpy.dataset.InfiniteBuffer(), episodes=data.episodes)
agent.build_with_dataset(buffer)
began = time.process_time()
for _ in agent.fitter(buffer, n_steps=told["updates"], n_steps_per_epoch=told["updates"],
                      logger_adapter=d3rlpy.logging.NoopAdapterFactory(), show_progress=False):
    pass
cpu_s = time.process_time() - began
members = [gymnasium.make(told["environment"]) for _ in range(told["episodes"])]
first = told["beginning"] * 1_000_003
seen = np.stack([m.reset(seed=first + i)[0] for i, m in enumerate(members)]).astype(np.float32)
total, going = np.zeros(len(members)), np.ones(len(members), bool)
while going.any():
    actions = agent.predict(seen) * members[0].action_space.high
    for i in np.flatnonzero(going):
        seen[i], reward, ended, over, _ = members[i].step(actions[i])
        total[i] += reward
        going[i] = not (ended or over)
print(json.dumps({"return": float(total.mean()), "cpu_s": cpu_s}))
"""


def python() -> Path:
    """Return the peer's Python; the first call installs it."""
    return environment("d3rlpy", PACKAGE)


def learn(told: dict[str, Any]) -> dict[str, float]:
    """Return the return of d3rlpy's BEAR and the CPU seconds of its updates."""
    found: dict[str, float] = run(python(), PROGRAM, json.dumps(told))
    return found
