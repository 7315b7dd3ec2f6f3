"""What is exported adapts as the agent does, in every runtime; sums stay in float32."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("tf_keras")

import tensorflow as tf
import tf_keras as keras

from edgekit.artifact import Artifact
from edgekit.environments.tasks import draw_tasks, tasks
from edgekit.errors import InputError
from edgekit.export.conversion import Plan, convert
from edgekit.export.source import Source
from edgekit.families.pearl.actor import Actor
from edgekit.families.pearl.calibration import _transitions
from edgekit.families.pearl.family import FAMILY, Recipe
from edgekit.families.pearl.meta_test import meta_test
from edgekit.families.pearl.network import assemble, divide, give_back, softplus
from edgekit.families.pearl.rollout import Replayed
from edgekit.play import Wish, opened, play_isolated
from edgekit.play.adaptation import adapt, draw_noise
from edgekit.play.spread import Spread
from edgekit.quantize.scheme import parse_scheme
from edgekit.runtime import RUNTIMES, open_model
from edgekit.runtime.sandbox import open_isolated

CONFIG = Recipe(latent=3, hidden_units=(16,), encoder_units=(16,), factors="precision")
LIMIT = np.full(2, 0.1, np.float32)
INPUTS = {"observation": 2, "action": 2, "reward": 1, "precision": 3, "precision_mean": 3,
          "noise": 3, "z": 3}  # fmt: skip


@pytest.fixture(scope="module")
def actor() -> Actor:
    """Return one that heeds z, and whose z heeds what it lives through."""
    keras.utils.set_random_seed(5)
    made = Actor(2, 2, CONFIG)
    for layer, scale in ((made.encoder.get_layer("encoder_raw"), 2.0),
                         (made.policy.get_layer("policy_mean"), 2.0)):  # fmt: skip
        layer.kernel.assign(scale * layer.kernel)
    made.encoder.get_layer("encoder_raw").bias.assign(tf.zeros(6))
    return made


def source(actor: Actor, folder: Path) -> Source:
    rng = np.random.default_rng(0)
    arrays = {n: rng.uniform(-1, 1, (100, width)).astype(np.float32)
              for n, width in INPUTS.items()}  # fmt: skip
    arrays["precision"] = 5 * np.abs(arrays["precision"])
    arrays["action"] *= LIMIT
    np.savez(folder / "lived.npz", **arrays)
    whole = Source("pair", assemble(actor, LIMIT), "tf_keras", {}, family=FAMILY.name,
                   task={"name": "control", **FAMILY.describe(CONFIG)},
                   data=str(folder / "lived.npz"))  # fmt: skip
    return divide(whole, CONFIG)


@pytest.fixture(scope="module")
def artifact(actor: Actor, tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    folder = tmp_path_factory.mktemp("pearl")
    plan = Plan((parse_scheme("f32"), parse_scheme("w8a8")), ("tflite", "onnx"))
    return convert(source(actor, folder), plan, folder / "artifact").artifact


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_a_device_adapts_as_the_workstation_does(
    artifact: Artifact, actor: Actor, runtime: str
) -> None:
    """Four tasks, three trajectories each, with the same noise: every z and return to 1e-5."""
    pytest.importorskip(runtime.replace("-", "_").replace("litert", "ai_edge_litert"))
    wish = Wish("point-robot", 4, 3, 3)
    found = play_isolated(artifact, wish, scheme="f32", runtime=runtime)
    assert found["runtime"] == runtime
    noise = np.random.default_rng(3).standard_normal((3, 4, 3)).astype(np.float32)
    host = Replayed(actor, noise)
    family = tasks("point-robot")
    played = meta_test(actor, family, draw_tasks(family, 4, 3, "test"), trajectories=3, seed=3,
                       players=host)  # fmt: skip
    np.testing.assert_allclose(found["latents"], host.latents, rtol=0, atol=1e-5)
    returns = np.stack([t.r.sum(axis=1) for t in played])
    np.testing.assert_allclose(found["returns"], returns, rtol=0, atol=1e-5 * 20)
    assert np.abs(host.latents[2] - noise[2]).max() > 0.1, "what was lived through counts"


def test_sparse_rewards_are_what_is_encoded(artifact: Artifact, actor: Actor) -> None:
    """Goals in the robot's way, so that some are found."""
    family, goals = tasks("point-robot"), np.array([[0.1, 0.1], [-1.0, 0.0]], np.float32)
    with opened(artifact, "f32") as entries:
        noise = draw_noise(entries, (2, 2), 0)
        here = {s: adapt(entries, family, goals, noise, seed=0, sparse=s) for s in (True, False)}
    host = Replayed(actor, noise, sparse=True)
    played = meta_test(actor, family, goals, trajectories=2, seed=0, sparse=True, players=host)
    assert played[0].sparse is not None
    assert played[0].sparse[0].max() > 0.8
    np.testing.assert_allclose(here[True].latents, host.latents, rtol=0, atol=1e-5)
    assert np.abs(here[True].latents[1] - here[False].latents[1]).max() > 0.01


def test_noise_is_spread_and_widened_where_the_manifest_says_so(artifact: Artifact) -> None:
    with opened(artifact, "f32") as entries:
        found = draw_noise(entries, (3, 2), 5, spread=True, widen=1.5)
    spread = Spread(2, 3, np.random.default_rng(5))
    np.testing.assert_allclose(found, 1.5 * np.stack([spread.draw() for _ in range(3)]))


def test_one_tflite_has_three_signatures_and_onnx_three_files(artifact: Artifact) -> None:
    found = {(f.format, f.scheme, *f.signatures) for f in artifact.manifest.files}
    both = ("f32", "w8a8")
    assert found == {("tflite", s, "encode", "fuse", "act") for s in both} | {
        ("onnx", s, name) for s in both for name in ("encode", "fuse", "act")
    }


def test_sums_are_float32_under_int8(artifact: Artifact) -> None:
    signatures = artifact.file(scheme="w8a8", format="tflite").signatures
    dtypes = {name: ({i.dtype for i in s.inputs}, {o.dtype for o in s.outputs})
              for name, s in signatures.items()}  # fmt: skip
    assert dtypes == {
        "encode": ({"int8"}, {"float32"}), "fuse": ({"float32"}, {"float32"}),
        "act": ({"int8"}, {"int8"}),
    }  # fmt: skip


def test_means_keep_their_bits_beside_weights_of_a_wide_range(tmp_path: Path) -> None:
    """Weights from -20 to 20 in the same eight bits would leave steps of 0.16 to the means."""
    keras.utils.set_random_seed(6)
    wide = Actor(2, 2, CONFIG)
    raw = wide.encoder.get_layer("encoder_raw")
    raw.kernel.assign(raw.kernel * np.repeat([1.0, 40.0], 3))
    raw.bias.assign(tf.zeros(6))
    plan = Plan((parse_scheme("w8a8"),), ("tflite",))
    made = convert(source(wide, tmp_path), plan, tmp_path / "a").artifact
    rng = np.random.default_rng(2)
    given = {"observation": 2, "action": 2, "reward": 1}
    rows = [{n: rng.uniform(-1, 1, (1, k)).astype(np.float32) for n, k in given.items()}
            for _ in range(20)]  # fmt: skip
    for row in rows:
        row["action"] *= LIMIT
    with opened(made, "w8a8") as entries:
        found = [entries["encode"](**row) for row in rows]
    context = np.concatenate([np.hstack([r["observation"], r["action"] / LIMIT, r["reward"]])
                              for r in rows]).astype(np.float32)  # fmt: skip
    precision, weighted = (part.numpy() for part in wide.encoder(context))
    theirs = {n: np.concatenate([f[n] for f in found]) for n in ("precision", "precision_mean")}
    told = precision > 1e-3
    assert 0.2 < told.mean() < 0.8
    means = theirs["precision_mean"][told] / theirs["precision"][told]
    np.testing.assert_allclose(means, (weighted / precision)[told], atol=0.04)


@pytest.mark.parametrize("runtime", ["litert", "tflite-runtime"])
def test_small_precisions_keep_their_digits(tmp_path: Path, runtime: str) -> None:
    """Against float64: XNNPACK's logarithm of 1 + e^-7 has four digits, of 1 + e^-14 none."""
    x = np.linspace(-15, 50, 1000, dtype=np.float32)[np.newaxis]
    call = tf.function(lambda x: {"y": softplus(x)},
                       input_signature=[tf.TensorSpec((1, 1000), name="x")])  # fmt: skip
    made = tf.lite.TFLiteConverter.from_concrete_functions([call.get_concrete_function()])
    path = tmp_path / "softplus.tflite"
    path.write_bytes(made.convert())
    with closing(open_isolated(path, runtime=runtime)) as session:
        (found,) = session({"x": x}).values()
    np.testing.assert_allclose(found, np.logaddexp(0, x.astype(np.float64)), rtol=2e-6)


def test_an_actor_is_given_back_what_its_network_has(actor: Actor) -> None:
    other = Actor(2, 2, CONFIG)
    network = assemble(other)
    network.set_weights(assemble(actor).get_weights())
    give_back(network, other)
    lived = np.random.default_rng(0).uniform(-1, 1, (7, 5)).astype(np.float32)
    for one, same in zip(other.encoder(lived), actor.encoder(lived), strict=True):
        np.testing.assert_array_equal(one, same)


def test_half_of_what_tells_ranges_says_something() -> None:
    precision = np.zeros((5, 40, 3), np.float32)
    precision[2, 7] = precision[4, 30] = 1.0
    places = _transitions(precision, np.random.default_rng(0))
    telling = np.isin(places, [2 * 40 + 7, 4 * 40 + 30])
    assert telling[1::2].all()
    assert telling[::2].mean() < 0.1
    assert len(np.unique(places[::2])) > 60


@pytest.mark.parametrize("scheme", ["f32", "w8a8"])
def test_fuse_is_the_product_of_gaussians(artifact: Artifact, scheme: str) -> None:
    """Sums of precision 3 beside the prior's 1: mean 2 / 4, deviation 1 / 2."""
    with opened(artifact, scheme) as entries:
        row = np.ones((1, 3), np.float32)
        z = entries["fuse"](precision=3 * row, precision_mean=2 * row, noise=-row)["z"]
        prior = entries["fuse"](precision=0 * row, precision_mean=0 * row, noise=-row)["z"]
    np.testing.assert_allclose(z, np.zeros((1, 3)), atol=1e-6)
    np.testing.assert_array_equal(prior, -row)


def test_actions_come_in_the_units_of_the_environment(artifact: Artifact, actor: Actor) -> None:
    s, z = np.array([[0.3, -0.2]], np.float32), np.array([[1.0, 0.5, -2.0]], np.float32)
    mean, _ = actor.policy(np.concatenate([s, z], axis=1))
    with opened(artifact, "f32") as entries:
        action = entries["act"](observation=s, z=z)["action"]
    np.testing.assert_allclose(action, 0.1 * np.tanh(mean), rtol=1e-5)


def test_a_free_batch_takes_many_transitions_at_once(actor: Actor, tmp_path: Path) -> None:
    shapes = {name: (-1, width) for name, width in INPUTS.items()}
    plan = Plan((parse_scheme("f32"),), ("tflite",), shapes=shapes)
    made = convert(source(actor, tmp_path), plan, tmp_path / "a").artifact
    rng = np.random.default_rng(1)
    with closing(open_model(made.path(made.manifest.files[0]))) as session:
        own = session.signatures["encode"].inputs
        given = {s.name: rng.uniform(-1, 1, (5, s.shape[1])).astype(np.float32) for s in own}
        at_once = session(given, "encode")["precision"]
        alone = [session({k: v[i : i + 1] for k, v in given.items()}, "encode")["precision"]
                 for i in range(5)]  # fmt: skip
    np.testing.assert_allclose(at_once, np.concatenate(alone), rtol=1e-6)


def test_an_unknown_shape_is_refused(actor: Actor, tmp_path: Path) -> None:
    plan = Plan((parse_scheme("f32"),), shapes={"goal": (-1, 2)})
    with pytest.raises(InputError, match="shape for goal: no such input: expected one of observat"):
        convert(source(actor, tmp_path), plan, tmp_path / "a")


def test_another_robot_is_refused(artifact: Artifact) -> None:
    with opened(artifact, "f32") as entries:
        with pytest.raises(InputError, match=r"policy: observation: got \[1, 2\], expected \[1, 3"):
            entries["act"].take("observation", 3)
        with pytest.raises(InputError, match=r"policy: action: got \[1, 2\], expected \[1, 1\]"):
            entries["act"].give("action", 1)


def test_factors_by_variance_are_exported_too(tmp_path: Path) -> None:
    """As the authors have them: z of no transition is the prior's."""
    config = Recipe(latent=2, hidden_units=(8,), encoder_units=(8,), next_state=True)
    network = assemble(Actor(2, 2, config), LIMIT)
    whole = Source("authors", network, "tf_keras", {}, task={"name": "control"})
    plan = Plan((parse_scheme("f32"),), ("tflite",))
    made = convert(divide(whole, config), plan, tmp_path / "a").artifact
    (file,) = made.manifest.files
    assert {s.name for s in file.signatures["encode"].inputs} >= {"next_observation"}
    row = np.ones((1, 2), np.float32)
    with opened(made) as entries:
        z = entries["fuse"](precision=0 * row, precision_mean=0 * row, noise=2 * row)["z"]
        np.testing.assert_array_equal(z, 2 * row)
        z = entries["fuse"](precision=4 * row, precision_mean=8 * row, noise=2 * row)["z"]
    np.testing.assert_allclose(z, 3 * row)  # mean 2, deviation 1 / 2
