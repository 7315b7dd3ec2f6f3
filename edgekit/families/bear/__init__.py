"""BEAR: bootstrapping error accumulation reduction (Kumar et al., arXiv:1906.00949)."""

from __future__ import annotations

from dataclasses import dataclass

from edgekit.errors import InputError

KERNELS = ("laplacian", "gaussian")


@dataclass(frozen=True)
class Config:
    """What makes one agent; the defaults are those for Pendulum-v1."""

    hidden_units: tuple[int, ...] = (64, 64)  # of actor and critics
    vae_units: tuple[int, ...] = (128, 128)  # of encoder and decoder
    critics: int = 2  # members of the ensemble
    actor_rate: float = 1e-3  # learning rates, of Adam
    critic_rate: float = 1e-3
    vae_rate: float = 1e-3
    alpha_rate: float = 1e-3
    kernel: str = "laplacian"  # of the MMD, or gaussian
    sigma: float = 10.0  # its width
    samples: int = 4  # actions of actor and behaviour each, in the MMD
    target_samples: int = 10  # actions of the target actor in a next state
    minimum_share: float = 0.75  # of the least value in the target; the rest is the greatest's
    epsilon: float = 0.05  # the MMD that is allowed
    warm_up: int = 500  # updates of the actor by the MMD alone
    discount: float = 0.99
    tau: float = 0.005  # by which target networks follow
    spread: float = 0.0  # of the critics' standard deviation, subtracted from the actor's value

    def __post_init__(self) -> None:
        """Check the numbers.

        Raises:
            InputError: one of them makes no agent.
        """
        wrong: list[tuple[bool, str, object, str]] = [
            (self.kernel not in KERNELS, "kernel", self.kernel, " or ".join(KERNELS)),
            (self.sigma <= 0, "sigma", self.sigma, "above 0"),
            (self.critics < 2, "critics", self.critics, "2 or more"),
            (min(self.samples, self.target_samples) < 1, "samples", self.samples, "1 or more"),
            (not 0 <= self.minimum_share <= 1, "minimum_share", self.minimum_share, "from 0 to 1"),
            (self.warm_up < 0, "warm_up", self.warm_up, "0 or more"),
            (not 0 <= self.discount <= 1, "discount", self.discount, "from 0 to 1"),
            (not 0 < self.tau <= 1, "tau", self.tau, "above 0, up to 1"),
        ]
        for failed, name, got, expected in wrong:
            if failed:
                raise InputError(f"bear: {name}", got=got, expected=expected)
