"""Published weights by every way in which they come, against other code than ours."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pytest

keras = pytest.importorskip("tf_keras")
pytest.importorskip("ai_edge_litert")

from edgekit.errors import InputError  # noqa: E402
from edgekit.families.mobilenet_v2.layers import ALPHAS, convolutions  # noqa: E402
from edgekit.families.mobilenet_v2.network import build  # noqa: E402
from edgekit.families.mobilenet_v2.pretrained import assign  # noqa: E402
from edgekit.families.mobilenet_v2.published import read_published  # noqa: E402

State = dict[str, np.ndarray]

# torchvision's inverted_residual_setting, as published: t, c, n, s
SETTING = [(1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1),
           (6, 160, 3, 2), (6, 320, 1, 1)]  # fmt: skip


def torch_state(alpha: float, classes: int, seed: int = 0) -> State:
    """A state dict with torchvision's names and shapes, and random values."""
    rng = np.random.default_rng(seed)
    state: State = {}

    def width(channels: float) -> int:
        rounded = max(8, int(channels + 4) // 8 * 8)
        return rounded + 8 if rounded < 0.9 * channels else rounded

    def convolution(name: str, out: int, into: int, size: int) -> None:
        spread = (into * size * size) ** -0.5
        state[f"{name}.weight"] = rng.normal(0, 1.6 * spread, (out, into, size, size))

    def norm(name: str, channels: int) -> None:
        ranges = {"weight": (0.5, 1.5), "bias": (-0.5, 0.5), "running_mean": (-0.3, 0.3),
                  "running_var": (1e-4, 1.5)}  # fmt: skip
        for part, (low, high) in ranges.items():
            state[f"{name}.{part}"] = rng.uniform(low, high, channels)
        state[f"{name}.num_batches_tracked"] = np.array(7)

    into = width(32 * alpha)
    convolution("features.0.0", into, 3, 3)
    norm("features.0.1", into)
    index = 1
    for t, c, n, _ in SETTING:
        for _ in range(n):
            hidden, out, at = into * t, width(c * alpha), 0
            if t > 1:
                convolution(f"features.{index}.conv.0.0", hidden, into, 1)
                norm(f"features.{index}.conv.0.1", hidden)
                at = 1
            convolution(f"features.{index}.conv.{at}.0", hidden, 1, 3)
            norm(f"features.{index}.conv.{at}.1", hidden)
            convolution(f"features.{index}.conv.{at + 1}", out, hidden, 1)
            norm(f"features.{index}.conv.{at + 2}", out)
            into, index = out, index + 1
    last = width(1280 * max(1.0, alpha))
    convolution("features.18.0", last, into, 1)
    norm("features.18.1", last)
    state["classifier.1.weight"] = rng.normal(0, 0.05, (classes, last))
    state["classifier.1.bias"] = rng.normal(0, 0.1, classes)
    return {name: v.astype(np.float32) if v.ndim else v for name, v in state.items()}


def torch_forward(state: Mapping[str, np.ndarray], image: np.ndarray) -> np.ndarray:
    """Torchvision's MobileNetV2.forward in NumPy, `[N, 3, H, W]` to logits, padding written out."""

    def convolve(x: np.ndarray, name: str, stride: int = 1) -> np.ndarray:
        kernel = state[f"{name}.weight"].astype(np.float64)
        size = kernel.shape[2]
        pad = (size - 1) // 2  # on every side, as nn.Conv2d(padding=1)
        x = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
        windows = np.lib.stride_tricks.sliding_window_view(x, (size, size), axis=(2, 3))
        windows = windows[:, :, ::stride, ::stride]
        if kernel.shape[1] == 1 and x.shape[1] > 1:  # groups = channels
            return np.einsum("nchwij,cij->nchw", windows, kernel[:, 0])
        return np.einsum("nchwij,ocij->nohw", windows, kernel, optimize=True)

    def norm(x: np.ndarray, name: str) -> np.ndarray:
        gamma, beta, mean, variance = (
            state[f"{name}.{part}"].astype(np.float64)[:, None, None]
            for part in ("weight", "bias", "running_mean", "running_var")
        )
        return (x - mean) / np.sqrt(variance + 1e-5) * gamma + beta

    def relu6(x: np.ndarray) -> np.ndarray:
        return np.clip(x, 0, 6)

    x = relu6(norm(convolve(image.astype(np.float64), "features.0.0", 2), "features.0.1"))
    index = 1
    for t, _, n, s in SETTING:
        for repeat in range(n):
            at, y, stride = f"features.{index}.conv", x, s if repeat == 0 else 1
            first = 0
            if t > 1:
                y, first = relu6(norm(convolve(y, f"{at}.0.0"), f"{at}.0.1")), 1
            y = relu6(norm(convolve(y, f"{at}.{first}.0", stride), f"{at}.{first}.1"))
            y = norm(convolve(y, f"{at}.{first + 1}"), f"{at}.{first + 2}")
            x = x + y if stride == 1 and x.shape == y.shape else y
            index += 1
    x = relu6(norm(convolve(x, "features.18.0"), "features.18.1")).mean(axis=(2, 3))
    return x @ state["classifier.1.weight"].T.astype(np.float64) + state["classifier.1.bias"]


def write(path: Path, state: State) -> Path:
    if path.suffix == ".npz":
        np.savez(path, **state)
    else:
        from safetensors.numpy import save_file

        save_file(state, path)
    return path


@pytest.fixture
def double() -> Iterator[None]:
    """Keras in double precision: random weights blow rounding up until only that is compared."""
    keras.backend.set_floatx("float64")
    yield
    keras.backend.set_floatx("float32")


@pytest.mark.usefixtures("double")
@pytest.mark.parametrize(
    ("suffix", "alpha", "resolution"),
    [(".npz", 0.35, 64), (".safetensors", 0.35, 51), (".safetensors", 0.5, 64)],
)
def test_torchvision(tmp_path: Path, suffix: str, alpha: float, resolution: int) -> None:
    """Even sizes, where SAME would look one pixel further, and odd ones."""
    state = torch_state(alpha, classes=11)
    found = read_published(write(tmp_path / f"w{suffix}", state), resolution=resolution)
    assert (found.config.alpha, found.config.classes) == (alpha, 11)
    assert found.mean == pytest.approx([255 * m for m in (0.485, 0.456, 0.406)])
    assert found.std == pytest.approx([255 * s for s in (0.229, 0.224, 0.225)])
    network = build(found.config)
    assign(network, found.arrays, "w")
    network.get_layer("predictions").activation = lambda logits: logits
    image = np.random.default_rng(1).normal(size=(2, 3, resolution, resolution))
    expected = torch_forward(state, image)
    assert expected.std(axis=0).max() > 0.1, "the random network says something"
    answer = network(image.transpose(0, 2, 3, 1), training=False)
    np.testing.assert_allclose(answer, expected, rtol=1e-6, atol=1e-6)


def test_symmetric_padding_matters(tmp_path: Path) -> None:
    """With SAME the same weights answer something else: the test above can fail."""
    from dataclasses import replace

    found = read_published(write(tmp_path / "w.npz", torch_state(0.35, 11)), resolution=64)
    image = np.random.default_rng(1).normal(size=(1, 64, 64, 3)).astype(np.float32)
    answers = []
    for padding in ("symmetric", "same"):
        network = build(replace(found.config, padding=padding))
        assign(network, found.arrays, "w")
        answers.append(np.asarray(network(image, training=False)))
    assert np.abs(answers[0] - answers[1]).max() > 1e-3


def test_what_is_no_state_dict_of_it(tmp_path: Path) -> None:
    state = torch_state(0.35, 11)
    short = {k: v for k, v in state.items() if k != "features.3.conv.1.1.running_var"}
    with pytest.raises(InputError, match=r"features\.3\.conv\.1\.1\.running_var: got no such"):
        read_published(write(tmp_path / "short.npz", short))
    with pytest.raises(InputError, match=r"tensor features\.19\.weight"):
        read_published(write(tmp_path / "more.npz", {**state, "features.19.weight": np.ones(3)}))
    bad = {**state, "features.0.0.weight": state["features.0.0.weight"][:-1]}
    found = read_published(write(tmp_path / "bad.npz", bad), resolution=32)
    network = build(found.config)
    with pytest.raises(InputError, match="Conv1 does not fit"):
        assign(network, found.arrays, "bad.npz")


@pytest.mark.parametrize("content", [b"", b"hello", b"\xff" * 64, b"\x10" + 7 * b"\0" + b"{" * 16])
@pytest.mark.parametrize("suffix", [".npz", ".safetensors", ".h5", ".tflite"])
def test_damaged_files_are_one_line(tmp_path: Path, suffix: str, content: bytes) -> None:
    path = tmp_path / f"w{suffix}"
    path.write_bytes(content)
    with pytest.raises(InputError) as caught:
        read_published(path)
    assert "\n" not in str(caught.value)
    assert path.name in str(caught.value)


def test_other_files(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no published weights"):
        read_published(tmp_path / "model.pth")
    with pytest.raises(InputError, match="not found"):
        read_published(tmp_path / "none.h5")


@pytest.mark.parametrize("include_top", [True, False])
@pytest.mark.parametrize("pooling", [None, "avg"])
def test_keras_applications(tmp_path: Path, include_top: bool, pooling: str | None) -> None:
    """Its own network's file, with and without top, answers as that network."""
    keras.utils.set_random_seed(3)
    theirs = keras.applications.MobileNetV2(
        (96, 96, 3), alpha=0.35, weights=None, include_top=include_top, pooling=pooling
    )
    path = tmp_path / "weights.h5"
    theirs.save_weights(path)
    if include_top and pooling:
        with pytest.raises(InputError, match="the top pools"):
            read_published(path, resolution=96, pooling=pooling)
        return
    found = read_published(path, resolution=96, pooling=pooling)
    assert (found.config.alpha, found.config.include_top) == (0.35, include_top)
    ours = build(found.config)
    assign(ours, found.arrays, path)
    image = np.random.default_rng(0).uniform(-1, 1, (2, 96, 96, 3)).astype(np.float32)
    expected = theirs(image, training=False)
    assert ours.output_shape == theirs.output_shape
    np.testing.assert_allclose(ours(image, training=False), expected, atol=1e-5)


@pytest.mark.parametrize("alpha", ALPHAS)
def test_the_list_of_convolutions_is_the_networks(alpha: float) -> None:
    layers = {layer.name: layer for layer in build(_headless(alpha)).layers}
    listed = list(convolutions(alpha))
    assert len(listed) == 52
    for one in listed:
        assert layers[one.name].output_shape[-1] == one.channels
        assert layers[one.norm].input_shape[-1] == one.channels
    state = torch_state(alpha, 3)
    assert {f"{one.torch}.weight" for one in listed} <= set(state)
    assert [state[f"{one.torch}.weight"].shape[0] for one in listed] == [
        one.channels for one in listed
    ]


def _headless(alpha: float):  # type: ignore[no-untyped-def]
    from edgekit.families.mobilenet_v2 import Config

    return Config(alpha, 32, include_top=False)
