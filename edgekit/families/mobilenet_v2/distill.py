"""Quantization-aware fine-tuning without labels: the float network teaches its own copy."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import tensorflow as tf
import tf_keras as keras

from edgekit.errors import InputError
from edgekit.families.aligned import shift_inputs, whole_mean
from edgekit.families.equalized import equalized
from edgekit.families.mobilenet_v2.data import load_unlabelled
from edgekit.families.mobilenet_v2.layers import TOP
from edgekit.families.pictures import MEAN, STD
from edgekit.families.rebuild import rebuild
from edgekit.families.recovered import recovered
from edgekit.families.run import Run, write_run
from edgekit.quantize.qat import (
    hold_ranges,
    quantize_aware,
    set_input_range,
    set_ranges,
)
from edgekit.train.checkpoint import save_weights
from edgekit.train.distillation import Taught, agreement, imitation_loss
from edgekit.train.distribute import choose_strategy
from edgekit.train.loop import Phase, seed_everything, train


def distill(run: Run, *, resume: bool = False, distributed: bool = False) -> Run:
    """Fine-tune the fake-quantized copy of the run's float network on its own answers.

    The float network is shifted and equalized and takes pixels on whole steps: the same function,
    whose weights and mean the run keeps in place of the teacher's. Its copy begins with the weights
    that `--ptq round,bias` gives, and keeps them unless an epoch is better. The ranges that it
    begins with, those of `--ranges effect`, stay, and so do the statistics of batch norms, by which
    the teacher answers.

    Args:
        run: with the float weights in its folder, `data` with pictures, and options that say how.
        resume: go on from the newest checkpoint.
        distributed: over TF_CONFIG's workers or this machine's GPUs.

    Raises:
        InputError: the data or the options do not fit, or the network has no classifier.
        CheckFailedError: training diverged.
    """
    if not run.config.include_top:
        raise InputError("mobilenet_v2: nothing to imitate without the classifier", got="no top")
    strategy = choose_strategy(distributed)
    data = load_unlabelled(run.data, run.config, run.options)
    seed_everything(run.options.seed)
    options = run.options.for_qat()
    with strategy.scope():
        begin = rebuild(run)
        if not resume:
            begin, run = _prepared(begin, run, data.glance())
        shift = (run.input["mean"][0] - MEAN) / STD
        glance = [inputs - shift for inputs in data.glance()]
        student_begin, ranges = (begin, {}) if resume else recovered(begin, glance)
        teacher, network = _scores(begin), quantize_aware(student_begin)
        if not resume:
            set_ranges(network, student_begin, glance, ranges)
        set_input_range(network, *((pixel - run.input["mean"][0]) / STD for pixel in (0, 255)))
        hold_ranges(network)
        student = keras.Model(
            network.input, {"scores": _scores(network).output, "answers": network.output}
        )
    write_run(run)
    phase = Phase(
        "qat", run.folder, run.weights_path("qat"), watch="likeness",
        freeze_epoch=0, network=network, start_counts=True,
    )  # fmt: skip

    def judged(predict: Any, part: str) -> dict[str, float]:
        batches = (inputs - shift for inputs, _ in getattr(data, part).batches(options.batch_size))
        return agreement(lambda x: teacher.predict_on_batch(x), predict, batches)

    best = train(
        student, imitation_loss, Taught(data, teacher, shift), lambda p: judged(p, "validation"),
        options, phase, resume=resume, strategy=strategy,
    )  # fmt: skip
    scores = judged(lambda x: student.predict_on_batch(x), "test")
    run = replace(run, best={**run.best, "qat": best}, test={**run.test, "qat": scores})
    write_run(run)
    return run


def _prepared(network: Any, run: Run, glance: Iterable[Any]) -> tuple[Any, Run]:
    """Return the same function shifted, equalized and aligned, and the run that keeps it."""
    mean = float(run.input["mean"][0])
    shift = (mean - MEAN) / STD  # the teacher may have been aligned before
    network = equalized(network, (inputs - shift for inputs in glance))
    shift_inputs(network, (whole_mean(mean) - mean) / STD)
    save_weights(network, run.weights_path("float"))
    return network, replace(run, input={**run.input, "mean": [whole_mean(mean)]})


def _scores(network: Any) -> Any:
    """Return the network up to what its softmax takes; the layers, and the weights, are shared."""
    top = next(layer for layer in network.layers if layer.name in (TOP, f"quant_{TOP}"))
    return keras.Model(network.input, _Scores(top, name="scores")(top.input))


class _Scores(keras.layers.Layer):  # type: ignore[misc]
    """What a dense layer's softmax takes."""

    def __init__(self, top: Any, **options: Any) -> None:
        super().__init__(**options)
        self.top = top

    def call(self, features: Any) -> Any:
        """Return features times kernel, plus bias."""
        # Once tfmot has wrapped a layer, its attributes hold tensors of the last call.
        kernel, bias = (next(v for v in self.top.trainable_weights if part in v.name)
                        for part in ("kernel", "bias"))  # fmt: skip
        return tf.matmul(features, kernel) + bias
