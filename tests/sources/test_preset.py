"""A preset as a source: random weights, or those of a file."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest

from edgekit.errors import InputError, SetupError
from edgekit.sources import load

keras = pytest.importorskip("tf_keras")
PRESET = "mobilenet_v2:0.35-96"


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """keras.applications' own network with its own random weights, saved as they publish theirs."""
    path = tmp_path_factory.mktemp("weights") / "weights.h5"
    keras.utils.set_random_seed(7)
    keras.applications.MobileNetV2((96, 96, 3), alpha=0.35, weights=None).save_weights(path)
    return path


def test_random_weights_are_said_and_repeat_by_seed() -> None:
    one, same, other = (load(PRESET, seed=seed) for seed in (3, 3, 4))
    assert "random weights" in one.remarks[0]
    assert one.provenance["weights"] == "random"
    image = np.random.default_rng(0).uniform(-1, 1, (1, 96, 96, 3)).astype(np.float32)
    first, second, third = (source.model(image).numpy() for source in (one, same, other))
    np.testing.assert_array_equal(first, second)
    assert np.abs(first - third).max() > 1e-4


def test_a_files_weights_answer_as_the_network_that_wrote_them(weights: Path) -> None:
    source = load(PRESET, weights=str(weights))
    keras.utils.set_random_seed(7)
    theirs = keras.applications.MobileNetV2((96, 96, 3), alpha=0.35, weights=None)
    image = np.random.default_rng(0).uniform(-1, 1, (2, 96, 96, 3)).astype(np.float32)
    np.testing.assert_allclose(source.model(image), theirs(image), atol=1e-6)
    assert source.provenance["weights_sha256"] == hashlib.sha256(weights.read_bytes()).hexdigest()
    assert not source.remarks


def test_another_hash_is_refused(weights: Path) -> None:
    with pytest.raises(InputError, match="SHA-256"):
        load(PRESET, weights=str(weights), sha256="0" * 64)


def test_imagenet_without_a_network_says_what_to_do(monkeypatch: pytest.MonkeyPatch,
                                                     tmp_path: Path) -> None:  # fmt: skip
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("EDGEKIT_CACHE", str(tmp_path))
    monkeypatch.setattr("socket.getaddrinfo", _no_network)
    with pytest.raises(SetupError) as caught:
        load(PRESET, weights="imagenet")
    assert "\n" not in str(caught.value)


def test_weights_go_with_a_preset_alone(weights: Path) -> None:
    with pytest.raises(InputError, match="only a preset"):
        load(str(weights), weights=str(weights))


def _no_network(*_: object, **__: object) -> None:
    raise OSError("Name or service not known")
