"""BEAR: bootstrapping error accumulation reduction (Kumar et al., arXiv:1906.00949).

A policy is learned from a batch alone: values are maximized, but only by actions that the batch
supports. Behaviour cloning and soft actor-critic learn from the same batches, to compare with.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from edgekit.errors import InputError
from edgekit.families import Family, Preset

ALGORITHMS = ("bear", "bc", "sac")
KERNELS = ("laplacian", "gaussian")
FORMS = ("student", "sampling")


@dataclass(frozen=True)
class Config:
    """What makes one agent; the defaults are those for Pendulum-v1."""

    environment: str = "Pendulum-v1"  # where the agent is judged and its student taught
    observations: int = 3  # sizes of the environment's vectors; training reads them from it
    actions: int = 1
    algorithm: str = "bear"  # or bc, behaviour cloning; or sac, soft actor-critic
    updates: int = 500  # of an epoch
    hidden_units: tuple[int, ...] = (64, 64)  # of actor and critics
    vae_units: tuple[int, ...] = (128, 128)  # of encoder and decoder
    critics: int = 2  # members of the ensemble
    actor_rate: float = 1e-3  # learning rates, of Adam
    critic_rate: float = 1e-3
    vae_rate: float = 1e-3
    alpha_rate: float = 1e-2
    kernel: str = "laplacian"  # of the MMD, or gaussian
    sigma: float = 20.0  # its width
    relative: bool = True  # the width is in mean distances of the behaviour's actions in a state
    samples: int = 10  # actions of actor and behaviour each, in the MMD
    unbiased: bool = True  # the MMD, without the pairs of an action with itself
    target_samples: int = 10  # actions of the target actor in a next state
    act_samples: int = 100  # actions among which the agent chooses
    minimum_share: float = 0.75  # of the least value in the target; the rest is the greatest's
    epsilon: float = 0.1  # the MMD that is allowed
    warm_up: int = 500  # updates of the actor by the MMD alone
    discount: float = 0.99
    tau: float = 0.005  # by which target networks follow
    spread: float = 0.0  # of the critics' standard deviation, subtracted from the actor's value
    normalise: bool = True  # observations, by the batch's mean and deviation
    transitions: int = 10_000  # of each behaviour, where the batch is made here
    behaviour_steps: int = 15_000  # for which the soft actor-critic that makes it learns
    student_units: tuple[int, ...] = (60, 60)  # of the deterministic student
    rounds: int = 8  # of its lessons; 0: no student
    form: str = "student"  # of the files: student, or sampling: the agent with noise as an input

    def __post_init__(self) -> None:
        """Check the numbers.

        Raises:
            InputError: one of them makes no agent.
        """
        for name in ("hidden_units", "vae_units", "student_units"):
            object.__setattr__(self, name, tuple(getattr(self, name)))  # JSON has lists
        units = (*self.hidden_units, *self.vae_units, *self.student_units)
        rates = (self.actor_rate, self.critic_rate, self.vae_rate, self.alpha_rate)
        wrong: list[tuple[bool, str, object, str]] = [
            (self.algorithm not in ALGORITHMS, "algorithm", self.algorithm,
             " or ".join(ALGORITHMS)),
            (self.kernel not in KERNELS, "kernel", self.kernel, " or ".join(KERNELS)),
            (self.form not in FORMS, "form", self.form, " or ".join(FORMS)),
            (min(self.observations, self.actions) < 1, "sizes", 0, "1 or more"),
            (min(units, default=1) < 1, "units", min(units, default=1), "1 or more"),
            (min(rates) <= 0, "learning rates", min(rates), "above 0"),
            (self.updates < 1, "updates", self.updates, "1 or more"),
            (self.sigma <= 0, "sigma", self.sigma, "above 0"),
            (self.critics < 2, "critics", self.critics, "2 or more"),
            (min(self.samples, self.target_samples, self.act_samples) < 1, "samples",
             min(self.samples, self.target_samples, self.act_samples), "1 or more"),
            (not 0 <= self.minimum_share <= 1, "minimum_share", self.minimum_share, "from 0 to 1"),
            ((self.unbiased or self.relative) and self.samples < 2, "samples", self.samples,
             "2 or more where the MMD is unbiased or relative"),
            (self.warm_up < 0, "warm_up", self.warm_up, "0 or more"),
            (not 0 <= self.discount <= 1, "discount", self.discount, "from 0 to 1"),
            (not 0 < self.tau <= 1, "tau", self.tau, "above 0, up to 1"),
            (self.transitions < 1, "transitions", self.transitions, "1 or more"),
            (self.behaviour_steps < 2_000, "behaviour_steps", self.behaviour_steps, "2000 or more"),
            (self.rounds < 0, "rounds", self.rounds, "0 or more"),
        ]  # fmt: skip
        for failed, name, got, expected in wrong:
            if failed:
                raise InputError(f"bear: {name}", got=got, expected=expected)


def _describe(config: Config) -> Mapping[str, Any]:
    return {"environment": config.environment}


_PUBLISHED: dict[str, Any] = {
    "samples": 4, "unbiased": False, "relative": False, "epsilon": 0.05, "alpha_rate": 1e-3,
}  # fmt: skip
_D4RL: dict[str, Any] = {  # Fu et al., arXiv:2004.07219: what their runs of BEAR had
    **_PUBLISHED,
    "updates": 1_000, "hidden_units": (256, 256), "vae_units": (750, 750), "actor_rate": 1e-4,
    "critic_rate": 3e-4, "vae_rate": 3e-4, "warm_up": 40_000,
    "transitions": 1_000_000, "behaviour_steps": 1_000_000,
}  # fmt: skip
_ORIGINAL: dict[str, Any] = {  # the authors' own
    **_PUBLISHED,
    "updates": 1_000, "hidden_units": (400, 300), "vae_units": (750, 750), "sigma": 10.0,
    "warm_up": 40_000, "transitions": 1_000_000, "behaviour_steps": 1_000_000,
}  # fmt: skip
_LONG = {"epochs": 500, "batch_size": 256}

# Config, the student's parameters and MAdds, training.
_PRESETS: dict[str, tuple[Config, int, int, dict[str, Any]]] = {
    "pendulum": (Config(), 3_969, 3_840, {"epochs": 8, "batch_size": 128}),
    "hopper": (Config("Hopper-v5", 11, 3, **_D4RL), 4_591, 4_440, _LONG),
    "hopper-original": (Config("Hopper-v5", 11, 3, **_ORIGINAL), 4_591, 4_440,
                        {"epochs": 500, "batch_size": 100}),
    "walker2d": (Config("Walker2d-v5", 17, 6, **_D4RL), 5_152, 4_980, _LONG),
    "halfcheetah": (Config("HalfCheetah-v5", 17, 6, **{**_D4RL, "kernel": "gaussian"}), 5_152,
                    4_980, _LONG),
}  # fmt: skip

FAMILY = Family(
    name="bear",
    task="control",
    source="arXiv:1906.00949",
    schemes=("f32", "f16", "w8", "w8a8"),
    presets={
        name: Preset(config, params, madds, training)
        for name, (config, params, madds, training) in _PRESETS.items()
    },
    tiny=Config(student_units=(160, 160), hidden_units=(16,), vae_units=(16,), act_samples=10),
    mean=None,
    std=None,
    max_drop=10.0,
    module=__name__,
    data="random+medium",
    heeds=("epochs", "batch_size", "seed"),
    refuses={
        "weights": "an agent learns from its batch alone",
        "sha256": "an agent learns from its batch alone",
        "qat": "w8a8 is calibrated on the batch",
        "distributed": "one process steps the environments",
    },
    source_module=f"{__name__}.source",
    dial=("form",),
    describe=_describe,
)
