"""Tumour phylogenies (Sadeqi Azer et al., iScience 2020): three questions to a mutation matrix.

branching: does the tree branch, or is it a chain? noise: is there a tree at all, or was the matrix
noised away from every one? elimination: which entries are wrong?
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from edgekit.errors import InputError
from edgekit.families import Family, Preset

NETWORKS = {
    "branching": ("invariant", "paper"),
    "noise": ("invariant", "paper", "exact"),
    "elimination": ("invariant", "pointer"),
}


@dataclass(frozen=True)
class Config:
    """What makes one network, and the matrices that it learns from."""

    problem: str = "branching"  # branching, noise or elimination
    network: str = "invariant"  # to the order of rows and columns; paper: the authors'; or exact
    rows: int = 25  # samples or cells, at the most
    columns: int = 25  # mutations, at the most
    channels: int = 32  # of the invariant network
    blocks: int = 2  # of its layers over all entries
    flips: int = 10  # of the pointer network, at the most
    alpha: float = 0.2  # of training data: the probability that a 0 is seen as 1
    beta: float = 0.2  # likewise that a 1 is seen as 0
    missing: float = 0.0  # likewise that an entry is unknown
    vary: bool = False  # draw sizes, rates and kind of tree of training matrices, up to these
    matrices: int = 20_000  # simulated for an epoch; other ones for the next
    train_rows: int = 0  # of training matrices, where fewer than `rows`; likewise columns:
    train_columns: int = 0  # the weights of an order-free network do not know the size

    def __post_init__(self) -> None:
        """Check the names and numbers.

        Raises:
            InputError: one of them makes no network or no data.
        """
        if self.problem not in NETWORKS:
            raise InputError("phylogeny: problem", got=self.problem,
                             expected="one of " + ", ".join(NETWORKS))  # fmt: skip
        known = NETWORKS[self.problem]
        wrong: list[tuple[bool, str, object, str]] = [
            (self.network not in known, "network", self.network, " or ".join(known)),
            (self.rows < 4, "rows", self.rows, "at least 4"),
            (self.columns < 2, "columns", self.columns, "at least 2"),
            (self.channels < 4, "channels", self.channels, "at least 4"),
            (self.blocks < 1, "blocks", self.blocks, "at least 1"),
            (self.flips < 1, "flips", self.flips, "at least 1"),
            (not 0 < self.alpha < 0.5, "alpha", self.alpha, "between 0 and 0.5"),
            (not 0 < self.beta < 0.5, "beta", self.beta, "between 0 and 0.5"),
            (not 0 <= self.missing < 1, "missing", self.missing, "from 0 to below 1"),
            (
                self.network == "paper" and self.for_training != self,
                "network",
                self.network,
                "invariant, to train at another size",
            ),
            (self.matrices < 2, "matrices", self.matrices, "at least 2"),
        ]
        for failed, name, got, expected in wrong:
            if failed:
                raise InputError(f"phylogeny: {name}", got=got, expected=expected)

    @property
    def for_training(self) -> Config:
        """The configuration at the size of the training matrices."""
        rows = min(self.train_rows or self.rows, self.rows)
        columns = min(self.train_columns or self.columns, self.columns)
        if (rows, columns) == (self.rows, self.columns):
            return self
        return replace(self, rows=rows, columns=columns, train_rows=0, train_columns=0)


def _describe(config: Config) -> Mapping[str, Any]:
    """Return what the task must know of a network."""
    return {"problem": config.problem, "alpha": config.alpha, "beta": config.beta}


_TRAINING = {"epochs": 4, "batch_size": 64, "learning_rate": 2e-3}

# Config, parameters, MAdds, and what of the training differs.
_PRESETS: dict[str, tuple[Config, int, int, dict[str, Any]]] = {
    "branching": (
        Config(rows=320, columns=24, channels=16, alpha=0.05, beta=0.3, missing=0.2, vary=True,
               matrices=9_600, train_columns=8),
        5_057, 6_449_472, {"epochs": 6},
    ),
    "branching-25x25": (Config(), 19_329, 2_762_692, {"epochs": 3}),
    "branching-10x10": (Config(rows=10, columns=10, alpha=0.1, beta=0.1), 19_329, 423_712, {}),
    "noise": (Config("noise", rows=10, columns=10, alpha=0.002, beta=0.1), 1_217, 117_200, {}),
    "noise-exact": (
        Config("noise", "exact", rows=200, columns=50, alpha=0.002, beta=0.1), 0, 1_000_000, {}
    ),
    "elimination": (
        Config("elimination", rows=50, columns=50, channels=16, alpha=0.002, beta=0.1, vary=True,
               matrices=6_400, train_rows=25, train_columns=25),
        6_315, 15_974_584, {"epochs": 6},
    ),
    # The paper's embedding is 128 wide, and all entries are pointed at.
    "elimination-pointer": (
        Config("elimination", "pointer", rows=10, columns=10, channels=64, flips=6, alpha=0.002,
               beta=0.1, matrices=12_800),
        180_160, 19_631_792, {"epochs": 6, "batch_size": 128, "learning_rate": 1e-3},
    ),
}  # fmt: skip

FAMILY = Family(
    name="phylogeny",
    task="phylogeny",
    source="Sadeqi Azer et al., iScience 2020",
    schemes=("f32", "f16", "w8", "w8a8"),
    presets={
        name: Preset(config, params, madds, _TRAINING | training)
        for name, (config, params, madds, training) in _PRESETS.items()
    },
    tiny=Config(rows=12, columns=8, channels=96, blocks=1, matrices=64),
    mean=None,
    std=None,
    max_drop=0.5,
    module=__name__,
    data="simulation",
    heeds=("epochs", "batch_size", "learning_rate", "optimizer", "weight_decay", "schedule",
           "warmup_epochs", "seed", "checkpoint_steps", "checkpoint_seconds"),
    source_module=f"{__name__}.source",
    refuses={
        "weights": "nothing is published to start from",
        "sha256": "nothing is published to start from",
        "qat": "w8a8 is calibrated",
    },
    finishes=True,
    tails=True,
    describe=_describe,
)  # fmt: skip
