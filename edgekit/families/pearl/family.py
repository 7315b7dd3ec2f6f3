"""PEARL as a family: an agent that is meta-trained, and a smaller one that it teaches."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from edgekit.errors import InputError
from edgekit.families import Family
from edgekit.families import Preset as Row
from edgekit.families.pearl import Config, Plan
from edgekit.families.pearl.presets import PRESETS, Preset

FORMS = ("student", "teacher")


@dataclass(frozen=True)
class Recipe(Plan, Config):
    """What makes an agent, how it is trained and what is exported: all that a run knows."""

    tasks: str = "point-robot"
    train_tasks: int = 80
    test_tasks: int = 20
    observations: int = 2  # sizes of the tasks' vectors; training reads them from there
    actions: int = 2
    trajectories: int = 3  # of meta-test, by which the task should be known
    student_units: tuple[int, ...] = (26, 26)  # of its encoder, and of its policy
    rounds: int = 0  # of its lessons; 0: no student
    lesson: int = 15_000  # updates of a round
    form: str = "teacher"  # of the files: teacher, the agent itself, or student

    def __post_init__(self) -> None:
        """Check the numbers.

        Raises:
            InputError: one of them makes no agent, or trains none.
        """
        for name in ("hidden_units", "encoder_units", "student_units"):
            object.__setattr__(self, name, tuple(getattr(self, name)))  # JSON has lists
        Config.__post_init__(self)
        Plan.__post_init__(self)
        units = (*self.hidden_units, *self.encoder_units, *self.student_units)
        least = {"observations": 1, "actions": 1, "trajectories": 1, "rounds": 0, "lesson": 1}
        wrong = [(getattr(self, n) < low, n, getattr(self, n), f"{low} or more")
                 for n, low in least.items()]  # fmt: skip
        wrong += [(min(units, default=1) < 1, "units", min(units, default=1), "1 or more")]
        wrong += [(self.form not in FORMS, "form", self.form, " or ".join(FORMS))]
        for failed, name, got, expected in wrong:
            if failed:
                raise InputError(f"pearl: {name}", got=got, expected=expected)

    def of_form(self) -> Recipe:
        """Return the recipe with the sizes of what is exported."""
        if self.form == "teacher":
            return self
        return dataclasses.replace(
            self, hidden_units=self.student_units, encoder_units=self.student_units
        )

    def count(self) -> tuple[int, int]:
        """Return parameters and MAdds of encoder and mean policy, with the scale of actions."""
        own = self.of_form()
        width = own.observations * (1 + own.next_state) + own.actions + 1
        encoder = (width, *own.encoder_units, 2 * own.latent)
        policy = (own.observations + own.latent, *own.hidden_units, own.actions)
        madds = _products(encoder) + _products(policy)
        return madds + sum(encoder[1:]) + sum(policy[1:]) + 4 * own.actions, madds


def _products(widths: Sequence[int]) -> int:
    return sum(a * b for a, b in pairwise(widths))


# Of the tasks' vectors: what is observed, and what is done.
_SIZES = {
    "point-robot": (2, 2), "cheetah-dir": (17, 6), "cheetah-vel": (17, 6), "ant-dir": (27, 8),
    "ant-goal": (107, 8), "humanoid-dir": (348, 17), "walker-rand-params": (17, 6),
    "hopper-rand-params": (11, 3),
}  # fmt: skip


def _row(name: str, preset: Preset) -> Row:
    small = {"rounds": 8, "form": "student"} if name.endswith("-small") else {}
    observations, actions = _SIZES[preset.plan.tasks]
    recipe = Recipe(
        **{f.name: getattr(preset.config, f.name) for f in dataclasses.fields(Config)},
        **{f.name: getattr(preset.plan, f.name) for f in dataclasses.fields(Plan)},
        observations=observations, actions=actions,
        trajectories=10 if preset.plan.sparse else 3, **small,  # type: ignore[arg-type]
    )  # fmt: skip
    return Row(recipe, *recipe.count())


def _describe(recipe: Recipe) -> Mapping[str, Any]:
    return {"environment": recipe.tasks, "rewards": "sparse" if recipe.sparse else "dense",
            "trajectories": recipe.trajectories, "spread": recipe.spread,
            "widen": recipe.widen}  # fmt: skip


FAMILY = Family(
    name="pearl",
    task="control",
    source="arXiv:1903.08254",
    schemes=("f32", "f16", "w8", "w8a8"),
    # The small ones first: they are for a computer without an accelerator.
    presets={
        name: _row(name, preset)
        for name, preset in sorted(PRESETS.items(), key=lambda p: not p[0].endswith("-small"))
    },
    tiny=Recipe(student_units=(160, 160), hidden_units=(16,), encoder_units=(16,),
                factors="precision", rounds=1, form="student"),
    mean=None,
    std=None,
    max_drop=10.0,
    module="edgekit.families.pearl",
    data="its own tasks",
    heeds=("seed", "checkpoint_seconds"),
    refuses={
        "weights": "an agent begins with random ones",
        "sha256": "an agent begins with random weights",
        "qat": "w8a8 is calibrated on what the agent lived through",
        "distributed": "one process steps the environments",
    },
    source_module="edgekit.families.pearl.source",
    dial=("form",),
    divides=True,
    describe=_describe,
)  # fmt: skip
