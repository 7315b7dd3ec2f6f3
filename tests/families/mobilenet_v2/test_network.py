"""The network against keras.applications, and published weights without a network."""

from __future__ import annotations

import functools
import hashlib
import http.server
import threading
from dataclasses import replace

import numpy as np
import pytest

keras = pytest.importorskip("tf_keras")

from edgekit.errors import InputError, SetupError  # noqa: E402
from edgekit.families.mobilenet_v2 import Config, pretrained  # noqa: E402
from edgekit.families.mobilenet_v2.network import build  # noqa: E402

ALPHAS = (0.35, 0.5, 0.75, 1.0, 1.3, 1.4)


def published(config: Config, path):
    """Write keras.applications' own network with random weights and statistics, and return it."""
    model = keras.applications.MobileNetV2(
        (config.resolution, config.resolution, 3), alpha=config.alpha, weights=None,
        include_top=config.include_top, classes=config.classes,
    )  # fmt: skip
    generator = np.random.default_rng(5)
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            gamma, beta, mean, _ = layer.get_weights()
            layer.set_weights(
                [generator.uniform(0.5, 1.5, gamma.shape), generator.normal(0, 0.3, beta.shape),
                 generator.normal(0, 0.3, mean.shape), generator.uniform(0.5, 1.5, mean.shape)]
            )  # fmt: skip
    model.save_weights(path)
    return model


@pytest.mark.parametrize("include_top", [True, False])
@pytest.mark.parametrize("alpha", ALPHAS)
def test_parameters_equal_those_of_keras_applications(alpha: float, include_top: bool):
    ours = build(Config(alpha, 96, include_top=include_top))
    theirs = keras.applications.MobileNetV2(
        (96, 96, 3), alpha=alpha, weights=None, include_top=include_top
    )
    assert ours.count_params() == theirs.count_params()
    expected = {0.35: 1_691_208, 1.0: 3_538_984, 1.4: 6_156_712}
    assert not include_top or ours.count_params() == expected.get(alpha, ours.count_params())
    assert not any("pad" in layer.name for layer in ours.layers)


@pytest.mark.parametrize("resolution", [96, 160])
@pytest.mark.parametrize("alpha", [0.35, 1.0, 1.4])
def test_outputs_equal_those_of_keras_applications(tmp_path, alpha: float, resolution: int):
    config = Config(alpha, resolution)
    theirs = published(config, tmp_path / "w.h5")
    ours = build(config)
    pretrained.load_pretrained(ours, config, str(tmp_path / "w.h5"))
    images = np.random.default_rng(0).uniform(-1, 1, (2, resolution, resolution, 3))
    a, b = ours.predict_on_batch(images), theirs.predict_on_batch(images)
    assert b.std() > 1e-6  # the random network says something
    np.testing.assert_allclose(a, b, atol=1e-5)
    logits = lambda p: np.log(p) - np.log(p).mean(axis=1, keepdims=True)  # noqa: E731
    np.testing.assert_allclose(logits(a), logits(b), rtol=1e-3, atol=1e-4)


def test_without_top_and_with_any_number_of_classes(tmp_path):
    config = Config(0.35, 96, include_top=False)
    theirs = published(config, tmp_path / "w.h5")
    images = np.random.default_rng(0).uniform(-1, 1, (2, 96, 96, 3))
    ours = build(config)
    pretrained.load_pretrained(ours, config, str(tmp_path / "w.h5"))
    assert ours.output_shape == (None, 3, 3, 1280)
    expected = theirs.predict_on_batch(images)
    np.testing.assert_allclose(ours.predict_on_batch(images), expected, atol=1e-5)
    config = Config(0.35, 96, classes=7)
    ours = build(config)
    fresh = ours.get_layer("predictions").get_weights()[0]
    pretrained.load_pretrained(ours, config, str(tmp_path / "w.h5"))
    assert (ours.get_layer("predictions").get_weights()[0] == fresh).all()
    assert ours.output_shape == (None, 7)
    features = keras.Model(ours.input, ours.get_layer("out_relu").output)
    np.testing.assert_allclose(features.predict_on_batch(images), expected, atol=1e-5)


TINY = Config(0.35, 96, include_top=False)


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """A local server with the published file, its URL, and what it has sent."""
    folder = tmp_path_factory.mktemp("server")
    published(TINY, folder / pretrained.published_name(TINY))
    sent = []

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *args):
            sent.append(self.path)

    handler = functools.partial(Handler, directory=str(folder))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield folder, f"http://127.0.0.1:{server.server_port}/", sent
    server.shutdown()


def test_fetched_once_recorded_and_checked_from_then_on(tmp_path, served):
    folder, url, sent = served
    name = pretrained.published_name(TINY)
    sha256 = hashlib.sha256((folder / name).read_bytes()).hexdigest()
    sent.clear()
    path = pretrained.fetch(TINY, url=url, cache=tmp_path)
    assert (tmp_path / f"{name}.sha256").read_text().split() == [sha256, name]
    assert pretrained.fetch(TINY, url=url, cache=tmp_path, sha256=sha256.upper()) == path
    assert len(sent) == 1
    pretrained.copy_weights(build(TINY), path)
    with pytest.raises(InputError, match="not the file that was pinned"):
        pretrained.fetch(TINY, url=url, cache=tmp_path, sha256="0" * 64)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(InputError, match=f"expected {sha256}"):
        pretrained.fetch(TINY, url=url, cache=tmp_path)


def test_a_pin_that_fails_is_not_recorded(tmp_path, served):
    with pytest.raises(InputError, match="pinned"):
        pretrained.fetch(TINY, url=served[1], cache=tmp_path, sha256="0" * 64)
    assert not list(tmp_path.glob("*.sha256"))


def test_no_network_is_a_setup_error_with_what_to_do(tmp_path):
    with pytest.raises(SetupError, match=r"cannot be downloaded.*--weights FILE") as caught:
        pretrained.fetch(TINY, url="http://127.0.0.1:9/", cache=tmp_path)
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == 3
    assert not list(tmp_path.iterdir())


def test_missing_on_the_server(tmp_path, served):
    with pytest.raises(SetupError, match="cannot be downloaded"):
        pretrained.fetch(Config(1.4, 96, include_top=False), url=served[1], cache=tmp_path)


@pytest.mark.parametrize(
    ("config", "name"),
    [
        (Config(), "1.0_224"),
        (Config(0.5, 128), "0.5_128"),
        (Config(0.5, 100), "0.5_128"),
        (Config(1.4, 300), "1.4_224"),
        (Config(1.4, 224, classes=10), "1.4_224_no_top"),
        (Config(0.35, 96, include_top=False), "0.35_96_no_top"),
    ],
)
def test_names_are_those_of_keras_applications(config, name):
    full = f"mobilenet_v2_weights_tf_dim_ordering_tf_kernels_{name}.h5"
    assert pretrained.published_name(config) == full


def test_the_address_is_that_of_keras_applications():
    from tf_keras.src.applications import mobilenet_v2

    assert mobilenet_v2.BASE_WEIGHT_PATH == pretrained.URL


@pytest.mark.parametrize("config", [Config(0.6, 96), Config(1.0, 96, channels=1)])
def test_no_published_weights(config):
    with pytest.raises(InputError, match="no published weights"):
        pretrained.published_name(config)


def test_files_that_do_not_fit_change_nothing(tmp_path, served):
    folder, _, _ = served
    path = folder / pretrained.published_name(TINY)
    network = build(replace(TINY, alpha=0.5))
    before = network.get_weights()
    with pytest.raises(InputError, match=r"layer block_1_project .*got \(1, 1, 48, 8\)"):
        pretrained.load_pretrained(network, TINY, str(path))
    assert all((a == b).all() for a, b in zip(before, network.get_weights(), strict=True))
    with pytest.raises(InputError, match="predictions does not fit: got no such layer"):
        pretrained.copy_weights(build(Config(0.35, 96)), path)
    (tmp_path / "text.h5").write_text("hello")
    with pytest.raises(InputError, match=r"text\.h5: not a Keras weights file"):
        pretrained.load_pretrained(network, TINY, str(tmp_path / "text.h5"))
    with pytest.raises(InputError, match="not found"):
        pretrained.load_pretrained(network, TINY, str(tmp_path / "none.h5"))


def test_nan_in_published_weights_is_named(tmp_path):
    model = build(TINY)
    layer = model.get_layer("block_3_project")
    layer.set_weights([np.full_like(layer.get_weights()[0], np.nan)])
    model.save_weights(tmp_path / "nan.h5")
    with pytest.raises(InputError, match="NaN or infinity in layer block_3_project"):
        pretrained.load_pretrained(build(TINY), TINY, str(tmp_path / "nan.h5"))
