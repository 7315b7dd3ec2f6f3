"""How every family of pictures is trained: the same steps with its own data, network and loss."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from edgekit.errors import InputError
from edgekit.families.phases import train_phases
from edgekit.families.pictures import MEAN, STD
from edgekit.families.run import Run, claim
from edgekit.train.distribute import choose_strategy, shard
from edgekit.train.loop import Loss, Predict, seed_everything


@dataclass(frozen=True)
class Recipe:
    """What is a family's own."""

    load: Callable[..., Any]  # (source, config, options) -> PictureData
    build: Callable[[Any], Any]  # config -> untrained network
    load_pretrained: Callable[..., str]  # (network, config, weights, sha256=)
    loss: Callable[[Run, Any], Loss]  # of a run on its data
    evaluate: Callable[[Predict, Any], Mapping[str, float]]  # on a part of the data
    watch: str  # the score on validation that says which epoch is best


def train_on_pictures(
    run: Run, recipe: Recipe, *, sha256: str | None, resume: bool, distributed: bool
) -> Run:
    """Train the float network, then its quantization-aware copy; see `Family.fit`."""
    strategy = choose_strategy(distributed)
    if not resume and shard(strategy).index == 0:
        claim(run.folder)
    pictures = recipe.load(run.data, run.config, run.options)
    run = _with_classes(run, pictures.classes)
    seed_everything(run.options.seed)
    network = recipe.build(run.config)
    if run.weights and not resume:
        recipe.load_pretrained(network, run.config, run.weights, sha256=sha256)

    def judge(predict: Predict, part: str) -> Mapping[str, float]:
        return recipe.evaluate(predict, getattr(pictures, part))

    return train_phases(run, network, recipe.loss(run, pictures), pictures, judge,
                        strategy=strategy, watch=recipe.watch, resume=resume)  # fmt: skip


def _with_classes(run: Run, classes: tuple[str, ...]) -> Run:
    """Return the run of a network with the data's number of classes.

    Raises:
        InputError: the configuration asks for another number.
    """
    config = run.config
    if config.classes not in (type(config).classes, len(classes)):
        raise InputError(
            f"{run.family}: classes", got=config.classes, expected=f"the data's {len(classes)}",
            do=f"give --classes {len(classes)}, or a preset without a number of its own",
        )  # fmt: skip
    return replace(
        run, config=replace(config, classes=len(classes)), classes=classes,
        input={"mean": [MEAN], "std": [STD], "layout": "NHWC"},
    )  # fmt: skip
