"""The head with less work against the network's own answers, and labels repeated, by hand."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("tf_keras")
import tf_keras as keras

from edgekit.errors import InputError
from edgekit.families.deeplab_v3 import Config
from edgekit.families.deeplab_v3.lean import lean
from edgekit.families.deeplab_v3.network import build, finish, nearest
from edgekit.profile.cost.summary import summarize
from edgekit.profile.graph import read_graph
from edgekit.quantize.qat import quantize_aware
from edgekit.sources.preset import spread_activations


def pictures(size: int) -> np.ndarray:
    return np.random.default_rng(0).uniform(-1, 1, (2, size, size, 3)).astype(np.float32)


@pytest.mark.parametrize(("alpha", "aspp", "product"), [
    (1.0, False, True), (0.35, False, False), (1.0, True, False),
])  # fmt: skip
def test_the_same_answers_with_less_work(alpha: float, aspp: bool, product: bool) -> None:
    network = build(Config(alpha, 65, aspp=aspp))
    spread_activations(network, 0)
    for norm in (x for x in network.layers if isinstance(x, keras.layers.BatchNormalization)):
        gamma, beta, mean, variance = norm.get_weights()
        norm.set_weights([gamma * 1.1, beta + 0.1, mean + 0.05, variance * 0.9])
    small = lean(network)
    expected = network(pictures(65)).numpy()
    assert expected.std() > 0.1
    tolerance = 1e-5 * np.abs(expected).max()
    np.testing.assert_allclose(small(pictures(65)).numpy(), expected, atol=tolerance)
    names = {layer.name for layer in small.layers}
    assert ("block_16_project" in names) is not product
    assert not {"image_spread", "aspp0_BN"} & names


def test_multiply_adds_by_hand() -> None:
    """At 5 x 5 places: 960 -> 320 -> 256 becomes 960 -> 256, and the projection reads half."""
    network = build(Config(1.0, 65))
    before, after = (summarize(read_graph(n)).madds for n in (network, lean(network)))
    assert before is not None
    assert after is not None
    place = (960 * 320 + 320 * 256 + 512 * 256) - (960 * 256 + 256 * 256)
    picture = (960 * 256 + 256 * 256) - 320 * 256  # of the mean, once
    assert before - after == 25 * place - picture


def test_a_fake_quantized_copy_keeps_the_tensors_whose_ranges_it_learned() -> None:
    copy = quantize_aware(build(Config(0.35, 33, 4)))
    assert lean(copy) is copy


def test_the_nearest_of_two_to_each_of_five() -> None:
    # Corners on corners they lie at 0, 1/4, 1/2, 3/4, 1; a half is rounded up.
    assert nearest(2, 5, align_corners=True).tolist() == [0, 0, 1, 1, 1]
    # Half a pixel inside at .2, .6, 1, 1.4, 1.8 pixels of the row.
    assert nearest(2, 5, align_corners=False).tolist() == [0, 0, 1, 1, 1]
    assert nearest(3, 9, align_corners=True).tolist() == [0, 0, 1, 1, 1, 1, 2, 2, 2]
    assert nearest(3, 9, align_corners=False).tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2]


def test_labels_found_at_a_quarter_are_repeated() -> None:
    network = build(Config(0.35, 65, 6))
    spread_activations(network, 0)
    few, many = (
        finish(network, Config(0.35, 65, 6, **changes))(pictures(65)).numpy()
        for changes in ({"answer_stride": 4}, {"argmax_stride": 4})
    )
    assert few.shape == (2, 17, 17)
    assert many.shape == (2, 65, 65)
    np.testing.assert_array_equal(many[:, ::4, ::4], few)  # corners on corners
    np.testing.assert_array_equal(many[:, 1::4, 1::4], few[:, :-1, :-1])
    np.testing.assert_array_equal(many[:, 3::4, 3::4], few[:, 1:, 1:])


@pytest.mark.parametrize(("changes", "says"), [
    ({"answer": "logits", "argmax_stride": 4}, "argmax_stride: got 4, expected 0, for logits"),
    ({"answer_stride": 4, "argmax_stride": 2}, "argmax_stride: got 2, expected from 4"),
    ({"argmax_stride": 1000}, "argmax_stride: got 1000"),
])  # fmt: skip
def test_an_arg_max_that_cannot_be_is_refused(changes: dict, says: str) -> None:
    with pytest.raises(InputError, match=says):
        Config(**changes)
