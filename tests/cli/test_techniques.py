"""All of `--ptq` from the command line: what is changed, and that a reader of layers sees none."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from edgekit.cli import run
from edgekit.profile.graph import read_graph

MODULE = """
import numpy as np
import tensorflow as tf
import tf_keras as keras

layers = keras.layers


def block(x, name):
    y = layers.Conv2D(24, 1, activation=tf.nn.relu6, name=f"{name}_expand")(x)
    y = layers.DepthwiseConv2D(3, padding="same", activation=tf.nn.relu6,
                               name=f"{name}_filter")(y)
    y = layers.Conv2D(4, 1, name=f"{name}_project")(y)
    return y


def network():
    rng = np.random.default_rng(0)
    image = layers.Input((8, 8, 3), name="image")
    x = layers.Conv2D(4, 1, name="stem")(image)
    for name in ("one", "other"):
        x = layers.Add(name=f"{name}_add")([x, block(x, name)])
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    made = keras.Model(image, layers.Dense(5, name="scores")(x))
    for layer in made.layers:
        weights = [rng.normal(0.1, 0.3, w.shape) for w in layer.get_weights()]
        if layer.name.endswith("expand"):  # eight channels that answer 1, whatever they are shown
            weights[0][..., :8], weights[1][:8] = 0, 1
        if layer.name.endswith("filter"):
            weights[0] = np.abs(weights[0])
            weights[0][:, :, :8], weights[1][:8] = 0, 1
        layer.set_weights(weights)
    return made
"""
FORMATS = "tflite,onnx"
ALL = "collapse,prune,align,shift,equalize,split,steps,round,bias"


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run in a folder with the module and calibration pictures."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bottleneck.py").write_text(MODULE)
    images = np.random.default_rng(1).uniform(-1, 1, (60, 8, 8, 3)).astype(np.float32)
    np.save(tmp_path / "image.npy", images)


def test_every_layer_is_told_as_the_source_has_it(capsys: pytest.CaptureFixture[str]) -> None:
    more = ("--scheme", "w8a8", "--calibrate", "image.npy", "--ptq", ALL, "--ranges", "effect")
    assert run(["convert", "bottleneck:network", *more, "--to", FORMATS, "-o", "out"]) == 0
    with np.load("out/reference.npz") as kept:
        changes = {name.split("/")[0] for name in kept}
    assert {"constants", "shifts", "factors", "copies"} <= changes
    capsys.readouterr()
    assert run(["verify", "out", "--per-layer", "--json"]) == 0
    files = json.loads(capsys.readouterr().out)
    assert len(files) == len(FORMATS.split(","))
    for file in files:
        told = {layer["layer"]: layer for layer in file["layers"]}
        changed = {"one_filter", "one_project", "one_add", "other_filter", "scores"}
        assert changed <= set(told)
        assert {layer["verdict"] for layer in told.values()} == {"ok"}
        # Shares of what is cut off are told in the source's values too.
        assert max(layer["saturation"] or 0 for layer in told.values()) < 0.02


def test_a_split_without_pruning_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    more = ("--scheme", "w8a8", "--calibrate", "image.npy", "--ptq", "split,bias")
    assert run(["convert", "bottleneck:network", *more, "-o", "out"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "--ptq split: no room for copies" in line
    assert not Path("out").exists()


def test_copies_for_granted_multiply_adds(capsys: pytest.CaptureFixture[str]) -> None:
    more = ("--scheme", "f32,w8a8,w8a16", "--calibrate", "image.npy", "--ptq", "split,bias")
    grant = ("--extra-madds", "50")
    assert run(["convert", "bottleneck:network", *more, *grant, "-o", "out", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    plain, larger, wide = (file["madds"] for file in told["files"])
    assert plain < larger <= 1.5 * plain
    assert wide == plain  # splits nothing, and has no use for a grant
    made = json.loads(Path("out/manifest.json").read_text())
    assert made["provenance"]["post_training"]["w8a8"]["extra_madds"] == 50
    assert made["provenance"]["post_training"]["w8a16"]["extra_madds"] == 0
    assert run(["verify", "out", "--per-layer", "--json"]) == 0
    layers = [x for file in json.loads(capsys.readouterr().out) for x in file["layers"]]
    assert {layer["verdict"] for layer in layers} == {"ok"}


def test_granted_multiply_adds_that_nothing_spends_are_refused(
    capsys: pytest.CaptureFixture[str],
) -> None:
    more = ("--scheme", "w8a8", "--calibrate", "image.npy", "--ptq", "prune,bias")
    grant = ("--extra-madds", "10")
    assert run(["convert", "bottleneck:network", *more, *grant, "-o", "out"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "--extra-madds: nothing to spend them: expected --ptq with split" in line


def test_the_best_of_each_scheme(capsys: pytest.CaptureFixture[str]) -> None:
    data = ("--calibrate", "image.npy")
    both = ("--scheme", "w8a8,w8a16", "--ptq", "best", *data)
    assert run(["convert", "bottleneck:network", *both, "-o", "best"]) == 0
    made = json.loads(Path("best/manifest.json").read_text())["provenance"]["post_training"]
    told = {scheme: ",".join(found["techniques"]) for scheme, found in made.items()}
    assert told == {"w8a8": ALL, "w8a16": "steps,headroom,refine,reconstruct,round,bias"}
    for scheme, named in told.items():  # as if they had been named
        more = ("--scheme", scheme, "--ptq", named, *data, "--ranges", "effect")
        assert run(["convert", "bottleneck:network", *more, "-o", scheme]) == 0
        files = [f"{place}/network.{scheme}.tflite" for place in ("best", scheme)]
        capsys.readouterr()
        assert run(["verify", *files, "--json"]) == 0
        (output,) = json.loads(capsys.readouterr().out)["outputs"]
        assert output["max_error"] == 0


def test_best_stands_alone(capsys: pytest.CaptureFixture[str]) -> None:
    more = ("--scheme", "w8a8", "--calibrate", "image.npy", "--ptq", "best,bias")
    assert run(["convert", "bottleneck:network", *more, "-o", "out"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "--ptq best: no such technique: expected none, best alone, or some of collapse" in line


def test_layers_of_a_mixed_file_are_not_made_one() -> None:
    Path("pair.py").write_text(
        "import tf_keras as keras\n"
        "def network():\n"
        "    image = keras.Input((8, 8, 3), name='image')\n"
        "    x = keras.layers.Conv2D(4, 1, name='first')(image)\n"
        "    return keras.Model(image, keras.layers.Conv2D(5, 1, name='second')(x))\n"
    )
    more = ("--calibrate", "image.npy", "--ptq", "collapse,round", "--scheme", "w8a8,mixed")
    assert run(["convert", "pair:network", *more, "--keep", "first", "-o", "out"]) == 0
    kinds = {path.name.split(".")[1]: [op.kind for op in read_graph(path).ops]
             for path in Path("out").glob("*.tflite")}  # fmt: skip
    assert {scheme: found.count("conv") for scheme, found in kinds.items()} == {
        "w8a8": 1, "mixed": 2,
    }  # fmt: skip
