"""The network against published counts, against MobileNetV2's own body, and its resizes by hand."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("tf_keras")
import tensorflow as tf
import tf_keras as keras

from edgekit.errors import InputError
from edgekit.families.deeplab_v3 import Config
from edgekit.families.deeplab_v3.network import build, finish, resize
from edgekit.families.mobilenet_v2.network import body
from edgekit.profile.cost.summary import summarize
from edgekit.profile.graph import read_graph
from edgekit.sources.preset import spread_activations


def parameters(network, per_channel: int) -> int:
    """Kernels and biases, and so many numbers a channel of batch norm."""
    norms = [x for x in network.layers if isinstance(x, keras.layers.BatchNormalization)]
    channels = sum(int(norm.gamma.shape[0]) for norm in norms)
    return network.count_params() - (4 - per_channel) * channels


def test_counts_are_the_published_files_to_the_unit():
    """deeplabv3_mnv2_pascal_quant.tflite: 2,740,709,056 MAdds, 2,097,013 weights and biases."""
    network = build(Config())
    assert summarize(read_graph(network)).madds == 2_740_709_056
    assert parameters(network, per_channel=1) == 2_097_013


@pytest.mark.parametrize(("aspp", "millions"), [(False, 2.11), (True, 4.52)])
def test_parameters_are_the_papers(aspp, millions):
    network = build(Config(aspp=aspp))
    assert parameters(network, per_channel=2) / 1e6 == pytest.approx(millions, abs=0.005)


@pytest.mark.parametrize(("resolution", "stride", "side"), [
    (513, 16, 33), (257, 16, 17), (257, 8, 33), (96, 16, 6), (100, 16, 7), (100, 8, 13),
])  # fmt: skip
def test_any_size_has_a_map_of_its_stride(resolution, stride, side):
    config = Config(0.35, resolution, 5, output_stride=stride)
    network = build(config)
    assert network.output_shape == (None, side, side, 5)
    assert finish(network, config).output_shape == (None, resolution, resolution)


@pytest.mark.parametrize("stride", [8, 16])
def test_dilation_sees_what_strides_saw(stride):
    """At 1 + 32k every 32 / stride-th place of the finer map is the coarse map's."""
    config = Config(0.35, 97, output_stride=stride).backbone
    image = keras.layers.Input((97, 97, 3))
    fine = keras.Model(image, body(image, config, stride))
    coarse = keras.Model(image, body(image, config))
    keras.utils.set_random_seed(0)
    spread_activations(fine, 0)
    coarse.set_weights(fine.get_weights())
    picture = np.random.default_rng(0).uniform(-1, 1, (1, 97, 97, 3)).astype(np.float32)
    step = 32 // stride
    found, expected = fine(picture).numpy()[:, ::step, ::step], coarse(picture).numpy()
    assert expected.std() > 0.1
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_dilations_are_those_of_the_papers():
    def of(stride):
        layers = build(Config(0.35, 65, output_stride=stride, aspp=True)).layers
        return {x.name: x.dilation_rate[0] for x in layers
                if getattr(x, "dilation_rate", (1,))[0] > 1}  # fmt: skip

    late = {f"block_{i}_depthwise": 2 for i in (14, 15, 16)}
    assert of(16) == {**late, "aspp1": 6, "aspp2": 12, "aspp3": 18}
    middle = {f"block_{i}_depthwise": 2 for i in range(7, 14)}
    assert of(8) == {**middle, **dict.fromkeys(late, 4),
                     "aspp1": 12, "aspp2": 24, "aspp3": 36}  # fmt: skip


def test_resizes_by_hand():
    """One row of 0 and 4 at five places: corners on corners, or half a pixel inside."""
    row = tf.constant([[[[0.0], [4.0]]]])
    aligned = resize(row, (1, 5), align_corners=True)
    np.testing.assert_allclose(aligned.numpy().reshape(-1), [0, 1, 2, 3, 4], atol=1e-6)
    # Place i is at (i + 0.5) * 2 / 5 - 0.5 of the row, kept between its ends.
    half = resize(row, (1, 5), align_corners=False)
    np.testing.assert_allclose(half.numpy().reshape(-1), [0, 0.4, 2, 3.6, 4], atol=1e-6)


def test_what_a_file_answers_is_as_declared():
    config = Config(0.35, 65, 6, answer="logits", answer_stride=16)
    network = build(config)
    spread_activations(network, 0)
    picture = np.random.default_rng(0).uniform(-1, 1, (1, 65, 65, 3)).astype(np.float32)
    plain = network(picture)

    def answer(**changes):
        changed = Config(0.35, 65, 6, **changes)
        return finish(network, changed)(picture).numpy()

    coarse = answer(answer="logits", answer_stride=16)
    close = 1e-5 * np.abs(plain).max()
    np.testing.assert_allclose(coarse, plain, atol=close)
    grown = answer(answer="logits")
    assert grown.shape == (1, 65, 65, 6)
    np.testing.assert_allclose(grown[:, ::16, ::16], plain, atol=close)  # corners on corners
    labels = answer()
    assert labels.dtype == np.int32
    np.testing.assert_array_equal(labels, grown.argmax(axis=-1))
    quarter = answer(answer_stride=4)
    assert quarter.shape == (1, 17, 17)
    np.testing.assert_array_equal(quarter, labels[:, ::4, ::4])
    sums = answer(answer="probabilities", answer_stride=8).sum(axis=-1)
    np.testing.assert_allclose(sums, 1, atol=1e-5)


@pytest.mark.parametrize(("changes", "says"), [
    ({"classes": 256}, "classes: got 256"), ({"output_stride": 32}, "8 or 16"),
    ({"answer": "mask"}, "labels or logits or probabilities"), ({"answer_stride": 0}, "from 1"),
    ({"resolution": 20}, "at least 32 pixels"), ({"class_weights": "x"}, "none or balanced"),
])  # fmt: skip
def test_what_makes_no_network_is_refused(changes, says):
    with pytest.raises(InputError, match=says):
        Config(**changes)
