"""The network's counts against the paper's cells, and what its files answer."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tf_keras as keras

from edgekit.errors import InputError
from edgekit.families import family
from edgekit.families.ssdlite import Config
from edgekit.profile.cost.summary import summarize
from edgekit.profile.graph import read_graph
from edgekit.tasks import detect

FAMILY = family("ssdlite")


@pytest.mark.parametrize("name", FAMILY.presets)
def test_presets_state_their_counts(name: str) -> None:
    preset = FAMILY.presets[name]
    network = FAMILY.build(preset.config)
    assert network.count_params() == preset.params
    assert summarize(read_graph(network)).madds == preset.madds
    anchors = preset.config.anchors.count
    shapes = [tuple(output.shape[1:]) for output in network.outputs]
    assert shapes == [(anchors, 4), (anchors, preset.config.classes)]


def test_the_whole_detector_is_the_papers() -> None:
    """Table 6: 4.3M parameters and 0.8B MAdds at 320, whose 80 classes have a background."""
    preset = FAMILY.presets["1.0-320"]
    network = FAMILY.build(replace(preset.config, classes=81))
    kernels = sum(int(np.prod(w.shape)) for layer in network.layers for w in layer.weights
                  if "kernel" in w.name)  # fmt: skip
    assert 4.25e6 < kernels < 4.35e6
    assert round(summarize(read_graph(network)).madds / 1e9, 1) == 0.8


def test_boxes_in_the_graph_are_those_of_the_task() -> None:
    config = replace(FAMILY.tiny, min_score=0.001)
    network = FAMILY.build(config)
    rng = np.random.default_rng(0)
    for layer in network.layers:
        if layer.name.startswith(("class_", "box_")) and len(layer.weights) == 2:
            kernel, bias = layer.get_weights()
            layer.set_weights([rng.normal(0, 0.5, kernel.shape), rng.normal(0, 1, bias.shape)])
    image = rng.uniform(-1, 1, (1, 64, 64, 3)).astype(np.float32)
    picture = np.zeros((64, 64, 3), np.uint8)
    answers = {}
    outputs = FAMILY.finish(network, config)(image, training=False)
    for kind in ("raw", "boxes", "postprocess"):
        asked = replace(config, answer=kind)
        build = FAMILY.tail(network, asked)
        found = build("tflite")([outputs["codes"], outputs["logits"]]) if build else outputs
        arrays = {name: value.numpy() for name, value in found.items()}
        answers[kind] = detect.decode(arrays, FAMILY.describe(asked), picture)
    assert len(answers["raw"].boxes) > 10
    for kind in ("boxes", "postprocess"):
        np.testing.assert_allclose(rows(answers[kind]), rows(answers["raw"]), atol=1e-3)


def rows(answer: detect.Boxes) -> np.ndarray:
    """Return class, box and score of each, in an order that does not hang on the last bits.

    The network is random, and places whose filters see zeros alone answer alike: of those that tie
    for the last rank any may be there.
    """
    found = np.column_stack([answer.classes, answer.boxes, answer.scores])
    found = found[answer.scores > answer.scores.min() + 1e-5]
    return found[np.lexsort(np.round(found[:, :5], 2).T)]


def test_it_begins_from_a_bodys_weights_or_from_all(tmp_path: Path) -> None:
    """A file without predictors gives the body alone its weights; its maps are then the same."""
    config = FAMILY.tiny
    body = family("mobilenet_v2").build(config.backbone)
    body.save_weights(tmp_path / "body.h5")
    network = FAMILY.build(config)
    fresh = network.get_layer("class_0").get_weights()[0]
    FAMILY.load_weights(network, config, str(tmp_path / "body.h5"))
    image = np.random.default_rng(0).uniform(-1, 1, (1, 64, 64, 3)).astype(np.float32)
    top = keras.Model(network.input, network.get_layer("out_relu").output)
    np.testing.assert_allclose(top(image), body(image), atol=1e-6)
    np.testing.assert_array_equal(network.get_layer("class_0").get_weights()[0], fresh)
    network.save_weights(tmp_path / "all.h5")
    other = FAMILY.build(config)
    FAMILY.load_weights(other, config, str(tmp_path / "all.h5"))
    np.testing.assert_array_equal(other.get_layer("class_0").get_weights()[0], fresh)
    with pytest.raises(InputError, match="not found"):
        FAMILY.load_weights(other, config, str(tmp_path / "none.h5"))


def test_maps_follow_the_resolution() -> None:
    assert Config().anchors.maps == (19, 10, 5, 3, 2, 1)
    assert Config(resolution=320).anchors.maps == (20, 10, 5, 3, 2, 1)
