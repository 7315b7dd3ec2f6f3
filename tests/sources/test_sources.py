"""Models of every kind that MODEL may be, really written, read back, and compared by answers."""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import keras as keras3
import numpy as np
import pytest
import tensorflow as tf
import tf_keras
from sources.written import MODELS, Written, keras2_quantized, keras2_with_ops, keras3_plain

from edgekit.errors import EdgekitError, InputError
from edgekit.sources import load, parse, tree_sha256
from edgekit.sources.keras_config import check_config

Write = Callable[[str], Written]


@pytest.mark.parametrize("name", MODELS)
def test_the_writer_reads_and_the_answers_are_the_same(written: Write, name: str) -> None:
    file = written(name)
    source = load(str(file.path))
    assert source.kind == ("keras3" if name.startswith("keras3") else "tf_keras")
    assert source.name == file.path.stem
    own = keras3 if source.kind == "keras3" else tf_keras
    assert isinstance(source.model, own.Model)
    assert source.provenance["keras_version"] == own.__version__
    assert not source.provenance["trusted"]
    again = np.asarray(source.model(file.inputs, training=False))
    np.testing.assert_array_equal(again, file.outputs)


ORDINARY: list[Callable[[Any], Any]] = [
    lambda k: k.layers.Bidirectional(k.layers.GRU(3)),
    lambda k: k.layers.TimeDistributed(k.layers.Dense(2)),
    lambda k: k.layers.RNN([k.layers.LSTMCell(3)]),
    lambda k: k.layers.MultiHeadAttention(2, 2),
    lambda k: k.layers.Dense(3, activation=k.activations.gelu, kernel_initializer="ones"),
    lambda k: k.layers.Dense(3, activation=k.layers.LeakyReLU(), kernel_regularizer="l2"),
    lambda k: k.layers.Dense(3, kernel_constraint=k.constraints.MaxNorm(2)),
    lambda k: k.layers.Dense(3, dtype=k.mixed_precision.Policy("mixed_float16")),
    lambda k: k.layers.StringLookup(vocabulary=["a", "b"]),
    lambda k: k.layers.Rescaling(1 / 255),
    lambda k: k.layers.RandomFlip(),
    lambda k: k.Sequential([k.Input((2,)), k.layers.Softmax()]),
]


@pytest.mark.parametrize("make", ORDINARY)
@pytest.mark.parametrize("keras", [tf_keras, keras3])
def test_ordinary_layers_pass(keras: Any, make: Callable[[Any], Any]) -> None:
    check_config(json.loads(json.dumps(keras.saving.serialize_keras_object(make(keras)))), "m")


def test_tensorflows_initializers_pass() -> None:
    module = "tensorflow.python.ops.init_ops_v2"  # in keras.applications' EfficientNetV2
    check_config({"class_name": "Constant", "module": module, "config": {"value": 0}}, "m")
    with pytest.raises(InputError, match="io_ops"):
        check_config({"class_name": "Constant", "module": "tensorflow.python.ops.io_ops"}, "m")


@pytest.mark.parametrize("module", ["keras.applications", "tf_keras.src.applications.convnext"])
def test_applications_are_not_called(module: str) -> None:
    check_config({"class_name": "LayerScale", "module": "keras.src.applications.convnext"}, "m")
    with pytest.raises(InputError, match="expected a layer of Keras"):
        check_config({"class_name": "ConvNeXtTiny", "module": module, "config": {}}, "m")


def test_what_keras_cannot_read_back_says_what_to_do(tmp_path: Path) -> None:
    keras2_quantized().save(str(tmp_path / "q.keras"))
    with pytest.raises(InputError, match="save it as \\.h5"):
        load(str(tmp_path / "q.keras"))


@pytest.mark.parametrize(("keras", "suffix"), [(keras3, "keras"), (keras3, "h5"),
                                               (tf_keras, "keras"), (tf_keras, "h5")])  # fmt: skip
def test_code_needs_trust(tmp_path: Path, keras: Any, suffix: str) -> None:
    path = tmp_path / f"m.{suffix}"
    double = keras.layers.Lambda(lambda x: x * 2, output_shape=(3,), name="double")
    keras.Sequential([keras.Input((3,)), double]).save(str(path))
    with pytest.raises(InputError, match=r"layer double: got Lambda.*--trust-model"):
        load(str(path))
    source = load(str(path), trust=True)
    assert source.provenance["trusted"]
    assert np.asarray(source.model(np.ones((1, 3), np.float32))).tolist() == [[2, 2, 2]]


@pytest.mark.parametrize(("keras", "suffix"), [(keras3, "keras"), (keras3, "h5"),
                                               (tf_keras, "keras"), (tf_keras, "h5")])  # fmt: skip
def test_trust_does_not_define_a_class(tmp_path: Path, keras: Any, suffix: str) -> None:
    """Trusted or not, a file names its author's classes and does not hold them."""
    made = keras.Sequential(
        [keras.Input((3,)), type("Scale", (keras.layers.ReLU,), {"__module__": "mine"})()]
    )
    made.save(str(tmp_path / f"m.{suffix}"))
    with pytest.raises(InputError, match=r"got no code for Scale, build .* module:function"):
        load(str(tmp_path / f"m.{suffix}"), trust=True)


@pytest.mark.parametrize("trust", [False, True])
@pytest.mark.parametrize(("keras", "suffix"), [(keras3, "keras"), (keras3, "h5"),
                                               (tf_keras, "keras"), (tf_keras, "h5")])  # fmt: skip
def test_an_own_activation_is_named(tmp_path: Path, keras: Any, suffix: str, trust: bool) -> None:
    def twice(x: Any) -> Any:
        return x * 2

    dense = keras.layers.Dense(2, activation=twice, name="last")
    keras.Sequential([keras.Input((3,)), dense]).save(str(tmp_path / f"m.{suffix}"))
    with pytest.raises(InputError, match=r"twice, build the model .* module:function"):
        load(str(tmp_path / f"m.{suffix}"), trust=trust)


@pytest.mark.parametrize("name", ["keras2_ops.h5", "keras3_ops.keras"])
def test_damaged_files_are_one_line(written: Write, tmp_path: Path, name: str) -> None:
    good, chance = written(name).path.read_bytes(), np.random.default_rng(0)
    path = tmp_path / name
    for trial in range(24):
        bad = bytearray(good[: int(chance.integers(1, len(good)))] if trial % 3 == 0 else good)
        for _ in range(3):
            bad[int(chance.integers(0, len(bad)))] ^= 1 << int(chance.integers(0, 8))
        path.write_bytes(bad)
        with contextlib.suppress(EdgekitError):
            load(str(path))
            assert trial % 3, "a truncated file was taken for a whole one"


def test_weights_alone_are_no_model(tmp_path: Path) -> None:
    for name, model in (("2.weights.h5", keras2_with_ops()), ("3.weights.h5", keras3_plain())):
        model.save_weights(str(tmp_path / name))
        with pytest.raises(InputError, match="weights at most"):
            load(str(tmp_path / name))


@pytest.mark.parametrize(("keras", "name"), [(keras3, "m.keras"), (tf_keras, "m.h5")])
@pytest.mark.parametrize("value", [np.nan, -np.inf])
def test_weights_that_are_no_numbers(tmp_path: Path, keras: Any, name: str, value: float) -> None:
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, name="last")])
    kernel, bias = model.layers[-1].get_weights()
    kernel[0, 1] = kernel[2, 0] = value
    model.layers[-1].set_weights([kernel, bias])
    model.save(str(tmp_path / name))
    with pytest.raises(InputError, match=r"last/kernel.*got 2 of 6 weights NaN or infinite"):
        load(str(tmp_path / name))


class Twice(tf.Module):
    """A SavedModel without any Keras."""

    def __init__(self, factor: float = 2.0) -> None:
        super().__init__()
        self.factor = tf.Variable([factor], name="factor")

    @tf.function(input_signature=[tf.TensorSpec((None, 3), tf.float32, name="x")])
    def __call__(self, x: Any) -> dict[str, Any]:
        return {"y": x * self.factor}


def save(folder: Path, module: Any, **signatures: Any) -> Path:
    signatures = signatures or {"serving_default": module.__call__}
    tf.saved_model.save(module, str(folder), signatures=signatures)
    return folder


def test_saved_model(tmp_path: Path) -> None:
    path = save(tmp_path / "a folder's 🦝 name", Twice())
    source = load(str(path))
    assert (source.kind, source.name) == ("saved_model", path.name)
    x = tf.constant([[1.0, 2.0, 3.0]])
    np.testing.assert_array_equal(source.model(x=x)["y"], [[2, 4, 6]])
    assert source.provenance["sha256"] == tree_sha256(path)
    assert source.provenance["signature"] == "serving_default"


@pytest.mark.parametrize("make", [keras2_with_ops, keras3_plain])
def test_saved_model_of_keras_passes(tmp_path: Path, make: Callable[[], Any]) -> None:
    model, x = make(), np.random.default_rng(0).normal(size=(2, 8, 8, 3)).astype(np.float32)
    model.export(str(tmp_path / "m"))
    (answer,) = load(str(tmp_path / "m")).model(tf.constant(x)).values()
    np.testing.assert_allclose(answer, np.asarray(model(x)), rtol=1e-5, atol=1e-6)


def test_saved_model_of_tf_keras_save(tmp_path: Path) -> None:
    keras2_with_ops().save(str(tmp_path / "m"), save_format="tf")
    assert load(str(tmp_path / "m")).kind == "saved_model"


def test_signatures(tmp_path: Path) -> None:
    module = Twice()
    one = save(tmp_path / "one", module, only=module.__call__)
    assert load(str(one)).provenance["signature"] == "only"
    two = save(tmp_path / "two", module, a=module.__call__, b=module.__call__)
    with pytest.raises(InputError, match="no signature serving_default: expected one of a, b"):
        load(str(two))
    from edgekit.sources.saved_model import load as load_saved_model

    assert load_saved_model(two, signature="b").provenance["signature"] == "b"


def _reads(path: Path) -> Callable[[Any], Any]:
    return lambda x: x + tf.cast(tf.strings.length(tf.io.read_file(str(path))), tf.float32)


def _writes(path: Path) -> Callable[[Any], Any]:
    def write(x: Any) -> Any:
        tf.io.write_file(str(path), "written")
        return x

    return write


def _calls_python(path: Path) -> Callable[[Any], Any]:
    return lambda x: tf.ensure_shape(tf.numpy_function(lambda v: v, [x], tf.float32), x.shape)


def _writes_in_a_branch(path: Path) -> Callable[[Any], Any]:
    return lambda x: tf.cond(tf.reduce_sum(x) > 0, lambda: _writes(path)(x), lambda: x)


def _restores(path: Path) -> Callable[[Any], Any]:
    return lambda x: x + tf.raw_ops.Restore(file_pattern=str(path), tensor_name="t", dt=tf.float32)


@pytest.mark.parametrize(
    ("attack", "op"),
    [
        (_reads, "ReadFile"),
        (_writes, "WriteFile"),
        (_writes_in_a_branch, "WriteFile"),
        (_calls_python, "PyFunc"),
        (_restores, "Restore"),
    ],
)
def test_saved_model_that_reaches_outside(tmp_path: Path, attack: Any, op: str) -> None:
    module, victim = tf.Module(), tmp_path / "victim"
    victim.write_bytes(b"12345")
    spec = tf.TensorSpec((1,), tf.float32, name="x")
    module.__call__ = tf.function(attack(victim), input_signature=[spec])
    path = save(tmp_path / "m", module)
    with pytest.raises(InputError, match=f"got op .*{op}.*--trust-model"):
        load(str(path))
    assert victim.read_bytes() == b"12345"
    if op != "PyFunc":  # Python functions do not survive saving
        assert load(str(path), trust=True).provenance["trusted"]


def test_savers_own_functions_may_not_be_called(tmp_path: Path) -> None:
    """A graph whose signature calls what looks like TensorFlow's own saver is refused."""
    from edgekit.sources.saved_model import _read, check_graph

    path = save(tmp_path / "m", Twice())
    message = _read(path)
    check_graph(message, path)
    functions = message.meta_graphs[0].graph_def.library.function
    names = [f.signature.name for f in functions]
    saver = next(n for n in names if n.startswith("__inference__traced_save"))
    victim = next(f for f in functions if "traced" not in f.signature.name)
    node = victim.node_def.add(name="n", op="StatefulPartitionedCall")
    node.attr["f"].func.name = saver
    with pytest.raises(InputError, match="node n"):
        check_graph(message, path)


def test_damaged_saved_models(tmp_path: Path) -> None:
    good = save(tmp_path / "good", Twice())
    graph, chance = (good / "saved_model.pb").read_bytes(), np.random.default_rng(0)
    bad = tmp_path / "bad"
    shutil.copytree(good, bad)
    for trial in range(30):
        spoiled = bytearray(graph[: int(chance.integers(0, len(graph)))] if trial % 3 else graph)
        for _ in range(4):
            if spoiled:
                spoiled[int(chance.integers(0, len(spoiled)))] = int(chance.integers(0, 256))
        (bad / "saved_model.pb").write_bytes(spoiled)
        with contextlib.suppress(EdgekitError):
            load(str(bad))
    (bad / "saved_model.pb").write_bytes(graph)
    assert load(str(bad))
    (bad / "saved_model.cpb").write_bytes(b"x")
    with pytest.raises(InputError, match=r"saved_model\.cpb"):
        load(str(bad))
    (bad / "saved_model.cpb").unlink()
    shutil.rmtree(bad / "variables")
    with pytest.raises(InputError, match="cannot load it"):
        load(str(bad))
    with pytest.raises(InputError, match=r"factor.*got 1 of 1 weights NaN"):
        load(str(save(tmp_path / "nan", Twice(float("nan")))))


def test_function(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "my_models.py").write_text(
        "import tf_keras\nimport keras\n"
        "def two(): return tf_keras.Sequential([tf_keras.Input((3,)), tf_keras.layers.Dense(2)])\n"
        "def three(): return keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])\n"
        "def open(): return keras.Sequential([keras.layers.Dense(2)])\n"
        "def none(): pass\n"
        "def fails(): raise ValueError('no\\nluck')\n"
        "number = 3\n"
    )
    (tmp_path / "broken.py").write_text("1 +")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    assert load("my_models:two").kind == "tf_keras"
    assert load("my_models:three").kind == "keras3"
    for text, says in {
        "my_models:open": "without input shape",
        "my_models:none": "no Keras model: got NoneType",
        "my_models:fails": "got ValueError: no luck",
        "my_models:number": "no function number",
        "my_models:missing": "no function missing",
        "no_such_module:f": "cannot import no_such_module",
        "broken:f": "SyntaxError",
    }.items():
        with pytest.raises(InputError, match=says):
            load(text)


def test_preset() -> None:
    source = load("mobilenet_v2:0.35-96")
    assert source.model.count_params() == 1_691_208  # as keras.applications counts
    assert "random weights" in source.remarks[0]
    assert source.provenance["weights"] == "random"
    again = load("mobilenet_v2:0.35-96").model.get_weights()
    other = load("mobilenet_v2:0.35-96", seed=1).model.get_weights()
    assert all(np.array_equal(a, b) for a, b in zip(source.model.get_weights(), again, strict=True))
    assert not np.array_equal(again[0], other[0])


def test_parse(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "run.json").write_text("{}")
    (tmp_path / "artifact").mkdir()
    (tmp_path / "artifact" / "manifest.json").write_text(json.dumps({}))
    (tmp_path / "empty").mkdir()
    for name in ("a.keras", "b.h5", "c.hdf5", "d.tflite", "e.txt", "mobilenet_v2:1.0-224"):
        (tmp_path / name).write_bytes(b"")
    models = ("run", "a.keras", "b.h5", "c.hdf5", "mobilenet_v2:1.0-96", "my.module:function")
    kinds = {model: parse(model).kind for model in models}
    assert kinds == {
        "run": "run",
        "a.keras": "keras_file",
        "b.h5": "keras_file",
        "c.hdf5": "keras_file",
        "mobilenet_v2:1.0-96": "preset",
        "my.module:function": "function",
    }
    assert parse("a.keras").foreign
    assert not parse("my.module:function").foreign
    for model, says in {
        "mobilenet_v2:1.0-224": "a preset and a file",
        "mobilenet_v2": "which preset",
        "mobilenet_v2:9": "no such preset",
        "artifact": "converted already",
        "empty": r"a folder without run\.json or saved_model\.pb",
        "d.tflite": "converted already",
        "e.txt": "no model",
        "missing.keras": "no such file or folder: expected a preset",
        "some/folder": "no such file or folder",
        "what\nis this": "no model: expected a preset",
        "": "no model|a folder without",
    }.items():
        with pytest.raises(InputError, match=says):
            parse(model)


def test_hdf5_of_the_right_form_and_nonsense_inside(written: Write, tmp_path: Path) -> None:
    path = tmp_path / "m.h5"
    shutil.copy(written("mobilenet.h5").path, path)
    with h5py.File(path, "r+") as file:
        del file["model_weights/Conv1/Conv1/kernel:0"]
        file["model_weights/Conv1/Conv1/kernel:0"] = np.zeros((1, 1, 1, 1), np.float32)
    with pytest.raises(InputError, match=r"Keras cannot load it \(written by Keras 2"):
        load(str(path))
