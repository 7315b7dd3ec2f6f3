"""Which tensor is which layer's, and how far it lies from it, on arrays made here."""

from __future__ import annotations

import numpy as np
import pytest

from edgekit.parity.layers import LayerParity, Layers, compare_layers

RNG = np.random.default_rng(0)


def values(*names: str, shape: tuple[int, ...] = (2, 4, 5, 3)) -> dict[str, np.ndarray]:
    return {name: RNG.normal(size=shape) for name in names}


def found(layers: Layers, tensors: dict[str, np.ndarray]) -> list[LayerParity]:
    return list(compare_layers(layers, tensors, warn_db=20, fail_db=10))


def names(layers: Layers, tensors: dict[str, np.ndarray]) -> dict[str, str]:
    return {layer.layer: layer.verdict for layer in found(layers, tensors)}


def own(answers: dict[str, np.ndarray]) -> tuple[dict[str, str]]:
    return ({name: name for name in answers},)


def test_figures_and_order() -> None:
    answers = values("conv", "add")
    noise = RNG.normal(size=answers["add"].shape)
    tensors = {
        "net/add/add": answers["add"] + 0.5 * noise,
        "net/conv/Conv2D1": answers["conv"] * 1.001,
        "net/unknown/Relu": answers["conv"],
        "constant": np.zeros(3),
    }
    conv, add = found(Layers(answers, own(answers)), tensors)
    # an error of 0.1% is 60 dB; one of half the signal about 6 dB
    assert (conv.layer, conv.tensor, conv.verdict) == ("conv", "net/conv/Conv2D1", "ok")
    assert conv.sqnr_db == pytest.approx(60.0)
    assert (add.layer, add.verdict, add.fail_db) == ("add", "diverges", 10)
    ratio = np.square(answers["add"]).sum() / np.square(0.5 * noise).sum()
    assert add.sqnr_db == pytest.approx(10 * np.log10(ratio))
    assert add.max_error == pytest.approx(0.5 * np.abs(noise).max())


def test_the_first_name_counts_and_owners_of_shared_constants_do_not() -> None:
    answers = values("a", "b")
    tensors = {"net/a/Relu;net/b/Conv2D;net/a/Conv2D1": answers["a"]}
    assert names(Layers(answers, own(answers)), tensors) == {"a": "ok"}


def test_scopes_that_keras_3_numbers() -> None:
    answers = values("conv2d", "conv2d_1")
    scopes = (*own(answers), {"conv2d_1": "conv2d", "conv2d_1_1": "conv2d_1"})
    tensors = {
        "net_1/conv2d_1/convolution": answers["conv2d"],
        "StatefulPartitionedCall/net_1/conv2d_1_1/convolution:0": answers["conv2d_1"],
    }
    assert names(Layers(answers, scopes), tensors) == {"conv2d": "ok", "conv2d_1": "ok"}
    # A file that bears the layers' own names holds fewer of the numbered ones.
    tensors = {f"net/{name}/convolution": answers[name] for name in answers}
    assert names(Layers(answers, scopes), tensors) == {"conv2d": "ok", "conv2d_1": "ok"}


def test_what_lies_inside_a_layer_is_no_answer_of_it() -> None:
    answers = values("conv")
    tensors = {
        "net/conv/Relu": np.maximum(answers["conv"], 0),
        "net/conv/BiasAdd": answers["conv"] - 0.5,
    }
    layers = Layers({"conv": np.maximum(answers["conv"], 0)}, own(answers))
    assert names(layers, tensors) == {"conv": "ok"}
    assert names(layers, {**tensors, "net/conv/Relu": -answers["conv"]}) == {"conv": "diverges"}


def test_names_with_slashes() -> None:
    answers = values("block/conv", "block")
    tensors = {"net/block/conv/Conv2D": answers["block/conv"]}
    assert names(Layers(answers, own(answers)), tensors) == {"block/conv": "ok"}


def test_a_fused_tensor_is_the_layer_of_the_chain_that_it_is_nearest_to() -> None:
    answers = values("conv", "norm")
    answers["relu"] = np.maximum(answers["norm"], 0)
    layers = Layers(answers, own(answers), followers={"conv": ("norm", "relu")})
    for name, value in answers.items():
        assert names(layers, {"net/conv/Conv2D": value}) == {name: "ok"}
    wrong = RNG.normal(size=answers["conv"].shape)
    ((_, verdict),) = names(layers, {"net/conv/Conv2D": wrong}).items()
    assert verdict == "diverges"


def test_what_lies_inside_of_fused_layers_is_no_divergence() -> None:
    answers = values("norm", "relu")
    layers = Layers(answers, own(answers), followers={"norm": ("relu",)})
    noise = RNG.normal(size=answers["norm"].shape)
    inside = {"net/norm/mul_1:0": answers["norm"] + 0.5 * noise}
    assert names(layers, {**inside, "net/relu/Relu:0": answers["relu"]}) == {"relu": "ok"}
    assert names(layers, {**inside, "net/relu/Relu:0": -answers["relu"]}) == {
        "norm": "diverges",
        "relu": "diverges",
    }


def test_outputs_are_known_by_their_own_name() -> None:
    answers = values("dense")
    layers = Layers(answers, own(answers), outputs={"scores": "dense"})
    tensors = {"scores": answers["dense"], "net/dense/MatMul": -answers["dense"]}
    (layer,) = found(layers, tensors)
    assert (layer.tensor, layer.verdict) == ("scores", "ok")


@pytest.mark.parametrize("shape", [(2, 4, 5, 3), (2, 3, 3, 3)])
def test_channels_first_is_turned_before_comparing(shape: tuple[int, ...]) -> None:
    answers = values("conv", shape=shape)
    for value in (answers["conv"], answers["conv"].transpose(0, 3, 1, 2)):
        (layer,) = found(Layers(answers, own(answers)), {"n/conv/out": value})
        assert layer.sqnr_db == 999.0


def test_ones_in_the_shape_do_not_matter_and_others_do() -> None:
    answers = values("pool", shape=(2, 3))
    layers = Layers(answers, own(answers))
    assert names(layers, {"n/pool/Mean": answers["pool"][:, :, None, None]}) == {"pool": "ok"}
    assert names(layers, {"n/pool/Mean": answers["pool"].reshape(3, 2)}) == {}
    assert names(layers, {"n/pool/Mean": answers["pool"].astype(np.int8)}) == {}


def test_not_a_number_diverges() -> None:
    answers = values("conv")
    bad = answers["conv"].copy()
    bad[0, 0, 0, 0] = np.nan
    (layer,) = found(Layers(answers, own(answers)), {"n/conv/out": bad})
    assert (layer.verdict, layer.sqnr_db, layer.max_error) == ("diverges", -999.0, None)
