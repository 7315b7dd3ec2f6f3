"""PEARL: probabilistic embeddings for actor-critic RL (Rakelly et al., arXiv:1903.08254).

A task is inferred from a few transitions as a Gaussian of latent variables z; policy and critics
see z beside the state.
"""

from __future__ import annotations

from dataclasses import dataclass

from edgekit.errors import InputError

FACTORS = ("variance", "precision", "embedding")
VALUES = ("network", "twin")
CONTEXTS = ("transitions", "trajectories", "session")


@dataclass(frozen=True)
class Config:
    """What makes one agent; the defaults are the authors'."""

    latent: int = 5  # dimensions of z
    hidden_units: tuple[int, ...] = (300, 300, 300)  # of policy, critics and value
    encoder_units: tuple[int, ...] = (200, 200, 200)
    # What the encoder says of one transition. variance: a Gaussian by its variance (the authors').
    # precision: by its precision; the prior is one more factor of the product, and a transition
    # that says nothing weighs nothing. embedding: z is the mean, without bottleneck: an ablation.
    factors: str = "variance"
    next_state: bool = False  # whether the context holds the states that followed
    kl_weight: float = 0.1  # lambda, of the KL summed over tasks and dimensions
    # Nats of a task below which the KL costs nothing: the bottleneck's width, whatever the scale of
    # rewards (Kingma et al., arXiv:1606.04934, equation 15, over all dimensions together).
    free_nats: float = 0.0
    # Of KL(q(z | whole context) | q(z | its first trajectories)) summed likewise: what is believed
    # before the task is known covers what may turn out (Garnelo et al., arXiv:1807.01622, equation
    # 9). The critics then see z of whole contexts alone. 0: not in the loss, as the authors'.
    prefix_weight: float = 0.0
    # SAC of 2018 has a network for V; twin takes it from two target critics (SAC of 2019).
    value: str = "network"
    temperature: float | None = 1.0  # of the entropy; None: learned
    reward_scale: float = 5.0  # of rewards in the critics' targets, not in the context
    penalty: float = 1e-3  # of mean^2 and log std^2 of the policy
    learning_rate: float = 3e-4  # of Adam, for every network
    decay: int = 0  # updates over which it falls to 0 by half a cosine; 0: it stays
    clip: float | None = None  # greatest norm of all of a loss's gradients together
    discount: float = 0.99
    tau: float = 0.005  # by which target networks follow

    def __post_init__(self) -> None:
        """Check the numbers.

        Raises:
            InputError: one of them makes no agent.
        """
        heat = self.temperature
        _check([
            (self.latent < 1, "latent", self.latent, "1 or more"),
            (self.factors not in FACTORS, "factors", self.factors, " or ".join(FACTORS)),
            (self.value not in VALUES, "value", self.value, " or ".join(VALUES)),
            (heat is not None and heat < 0, "temperature", heat, "0 or more, or None"),
            (self.free_nats < 0, "free_nats", self.free_nats, "0 or more"),
            (self.kl_weight < 0, "kl_weight", self.kl_weight, "0 or more"),
            (self.reward_scale <= 0, "reward_scale", self.reward_scale, "above 0"),
            (self.learning_rate <= 0, "learning_rate", self.learning_rate, "above 0"),
            (not 0 <= self.discount <= 1, "discount", self.discount, "from 0 to 1"),
            (not 0 < self.tau <= 1, "tau", self.tau, "above 0, up to 1"),
        ])  # fmt: skip


@dataclass(frozen=True)
class Plan:
    """How an agent is meta-trained; steps are of one task."""

    tasks: str  # a name in edgekit.environments.tasks
    train_tasks: int
    test_tasks: int
    sparse: bool = False  # the context holds sparse rewards; the critics learn from dense ones
    iterations: int = 500
    updates: int = 2000  # gradient steps of an iteration
    tasks_collected: int = 5  # tasks that gather new data in an iteration
    initial_steps: int = 2000  # of every task, before the first iteration
    scouts: bool = False  # who gather these; else the policy with z from the prior, as the authors'
    prior_steps: int = 400  # z from the prior, for encoder and critics
    posterior_steps: int = 0  # z from the posterior, for encoder and critics
    # Whether the latents of those are spread evenly (see `spread`); else independent, as the
    # authors'.
    spread: bool = False
    # By scouts, for encoder and critics, after those: what was looked for is shown in the end.
    shown_steps: int = 0
    extra_steps: int = 400  # z from the posterior, for the critics alone
    meta_batch: int = 16  # tasks of a gradient step
    batch: int = 256  # transitions of each
    context: int = 64  # transitions that the encoder sees of each
    # transitions: the context is drawn from all of the encoder's buffer, as the authors do.
    # trajectories: it is its first 1, 2, ... trajectories, as many as at meta-test. session: those
    # that are shown are seen beside them, and `prefix_weight` speaks of what was before.
    context_of: str = "transitions"
    # Of a context's transitions, the least share that z is inferred from; each context's own is
    # drawn between it and 1. An encoder that always meets whole trajectories learns those of its
    # training tasks by heart; the authors draw transitions at random.
    least_seen: float = 1.0
    # Of latents at meta-test, as many times the posterior's deviation: above 1 tasks at the border
    # of the prior are looked for too.
    widen: float = 1.0
    replay: int = 100_000  # transitions of each task that are kept (the authors': a million)

    def __post_init__(self) -> None:
        """Check the numbers.

        Raises:
            InputError: one of them trains nothing.
        """
        counts = ("train_tasks", "test_tasks", "iterations", "updates", "tasks_collected",
                  "initial_steps", "prior_steps", "meta_batch", "batch", "context",
                  "replay")  # fmt: skip
        _check([
            *((getattr(self, n) < 1, n, getattr(self, n), "1 or more") for n in counts),
            (self.widen <= 0, "widen", self.widen, "above 0"),
            (not 0 <= self.least_seen <= 1, "least_seen", self.least_seen, "from 0 to 1"),
            (self.posterior_steps < 0, "posterior_steps", self.posterior_steps, "0 or more"),
            (self.shown_steps < 0, "shown_steps", self.shown_steps, "0 or more"),
            (self.extra_steps < 0, "extra_steps", self.extra_steps, "0 or more"),
            (self.tasks_collected > self.train_tasks, "tasks_collected", self.tasks_collected,
             f"up to {self.train_tasks}, the tasks that there are"),
            (self.context_of not in CONTEXTS, "context_of", self.context_of,
             " or ".join(CONTEXTS)),
            (self.context_of == "session" and self.context < self.collected, "context",
             self.context, f"{self.collected} of a session, what one collection brings"),
        ])  # fmt: skip

    @property
    def collected(self) -> int:
        """Return how many transitions the encoder's buffer is given of a task that is picked."""
        return self.prior_steps + self.posterior_steps + self.shown_steps


def _check(wrong: list[tuple[bool, str, object, str]]) -> None:
    for failed, name, got, expected in wrong:
        if failed:
            raise InputError(f"pearl: {name}", got=got, expected=expected)
