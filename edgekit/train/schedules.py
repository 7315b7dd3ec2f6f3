"""Optimizers and the course of their learning rate."""

from __future__ import annotations

from typing import Any

import tf_keras as keras

from edgekit.train import Options

_POWER = {"poly": 0.9, "constant": 0.0}


def learning_rate(options: Options, steps: int) -> Any:
    """Return the schedule over the whole run; `steps` are those of one epoch.

    With W warm-up steps of T, step t has rate * t / W below W. From there, for "cosine",
    rate * (1 + cos(pi * (t - W) / (T - W))) / 2 (Loshchilov and Hutter, arXiv:1608.03983, eq. 5);
    for "poly" rate * (1 - (t - W) / (T - W))^0.9 (Chen et al., arXiv:1706.05587, section 4.1).
    """
    total = options.epochs * steps
    warmup = min(round(options.warmup_epochs * steps), total - 1)
    if options.schedule in _POWER:
        return _Power(options.learning_rate, warmup, total, _POWER[options.schedule])
    if warmup == 0:
        return keras.optimizers.schedules.CosineDecay(options.learning_rate, total)
    return keras.optimizers.schedules.CosineDecay(
        0.0, total - warmup, warmup_target=options.learning_rate, warmup_steps=warmup
    )


def build_optimizer(options: Options, steps: int) -> Any:
    """Return the optimizer; batch norm and biases are exempt from weight decay."""
    rate = learning_rate(options, steps)
    decay = options.weight_decay or None
    if options.optimizer == "sgd":
        optimizer = keras.optimizers.SGD(rate, momentum=0.9, nesterov=True, weight_decay=decay)
    elif options.optimizer == "rmsprop":
        optimizer = keras.optimizers.RMSprop(rate, rho=0.9, momentum=0.9, weight_decay=decay)
    else:
        optimizer = keras.optimizers.AdamW(rate, weight_decay=options.weight_decay)
    if decay:
        optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta", "min", "max"])
    return optimizer


class _Power(keras.optimizers.schedules.LearningRateSchedule):  # type: ignore[misc]
    """Linear warm-up, then a power of what is left of the run; power 0 is one rate."""

    def __init__(self, rate: float, warmup: int, total: int, power: float) -> None:
        self.rate, self.warmup, self.total, self.power = rate, warmup, total, power

    def __call__(self, step: Any) -> Any:
        backend = keras.backend
        step = backend.cast(step, "float32")
        risen = backend.minimum(step / self.warmup, 1.0) if self.warmup else 1.0
        done = (step - self.warmup) / (self.total - self.warmup)
        return self.rate * risen * backend.pow(1.0 - backend.clip(done, 0.0, 1.0), self.power)

    def get_config(self) -> dict[str, Any]:
        return {
            "rate": self.rate, "warmup": self.warmup, "total": self.total, "power": self.power,
        }  # fmt: skip
