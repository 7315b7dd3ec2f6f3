"""Recurrent layers in files: what Keras answers, whatever was asked before, in integers too."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any

import keras as keras3
import numpy as np
import numpy.typing as npt
import pytest
import tf_keras
from ai_edge_litert.interpreter import Interpreter

from edgekit.artifact import Artifact
from edgekit.errors import InputError
from edgekit.export.conversion import Plan, convert
from edgekit.export.source import Source
from edgekit.export.tracing import recurrence
from edgekit.profile.graph import read_graph
from edgekit.quantize.scheme import parse_schemes
from edgekit.runtime import open_model
from edgekit.sources import load

STEPS = 6
SEQUENCES = np.random.default_rng(0).normal(size=(120, STEPS, 4)).astype(np.float32)
KINDS = {
    "lstm": lambda k: k.layers.LSTM(8),
    "gru": lambda k: k.layers.GRU(8),
    "both ways": lambda k: k.layers.Bidirectional(k.layers.GRU(8, return_sequences=True)),
    "lstm both ways": lambda k: k.layers.Bidirectional(k.layers.LSTM(8, return_sequences=True)),
    "plain": lambda k: k.layers.SimpleRNN(8),
    "stacked": lambda k: k.layers.RNN([k.layers.LSTMCell(6), k.layers.GRUCell(5)]),
}
LOOPS = {"WHILE", "UNIDIRECTIONAL_SEQUENCE_LSTM", "BIDIRECTIONAL_SEQUENCE_LSTM"}


def network(keras: Any, kind: str) -> Any:
    keras.utils.set_random_seed(1)
    x = sequences = keras.layers.Input((STEPS, 4), name="sequence")
    x = KINDS[kind](keras)(x)
    if len(x.shape) == 3:
        x = keras.layers.GlobalMaxPooling1D()(x)
    return keras.Model(sequences, keras.layers.Dense(3, name="answer")(x))


def to_artifact(model: Any, schemes: str, folder: Path, formats: tuple[str, ...]) -> Artifact:
    np.savez(folder / "sequences.npz", sequence=SEQUENCES[:100])
    kind = "keras3" if isinstance(model, keras3.Model) else "tf_keras"
    plan = Plan(parse_schemes(schemes), formats, calibrate=str(folder / "sequences.npz"))
    return convert(Source("m", model, kind, {}), plan, folder / "artifact").artifact


def answers(path: Path) -> npt.NDArray[Any]:
    """Return what LiteRT makes of the last sequences, one interpreter for all."""
    interpreter = Interpreter(str(path))
    interpreter.allocate_tensors()
    (entering,), (answer,) = interpreter.get_input_details(), interpreter.get_output_details()
    found = []
    for sequence in SEQUENCES[100:]:
        given = sequence[np.newaxis]
        if entering["dtype"] == np.int8:
            scale, zero = entering["quantization"]
            given = np.clip(np.rint(given / scale) + zero, -128, 127).astype(np.int8)
        interpreter.set_tensor(entering["index"], given)
        interpreter.invoke()
        raw = interpreter.get_tensor(answer["index"])[0]
        scale, zero = answer["quantization"]
        found.append((raw.astype(np.float64) - zero) * scale if scale else raw)
    return np.array(found)


def sqnr(expected: npt.NDArray[Any], got: npt.NDArray[Any]) -> float:
    return float(10 * np.log10(np.square(expected).sum() / np.square(expected - got).sum()))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("keras", [tf_keras, keras3])
def test_answers_are_keras_own_whatever_was_asked_before(
    keras: Any, kind: str, tmp_path: Path
) -> None:
    model = network(keras, kind)
    artifact = to_artifact(model, "f32,w8a8", tmp_path, ("tflite",))
    expected = np.asarray(model(SEQUENCES[100:], training=False))
    for file in artifact.manifest.files:
        ops = {op.native for op in read_graph(artifact.path(file)).ops}
        assert not ops & LOOPS
        got = answers(artifact.path(file))
        if file.scheme == "f32":
            np.testing.assert_allclose(got, expected, atol=1e-5)
        else:
            # Of 8 units with random weights, whose answers are small: 18 to 34 dB were seen.
            assert sqnr(expected, got) > 12, kind


@pytest.mark.parametrize("keras", [tf_keras, keras3])
def test_onnx_runtime_answers_the_same(keras: Any, tmp_path: Path) -> None:
    artifact = to_artifact(network(keras, "both ways"), "f32,w8a8", tmp_path, ("onnx",))
    for file in artifact.manifest.files:
        assert file.parity
        assert file.parity["passed"], file.scheme


@pytest.mark.parametrize("keras", [tf_keras, keras3])
def test_the_model_itself_stays_as_it_was(keras: Any, tmp_path: Path) -> None:
    model = network(keras, "lstm")
    layer = next(layer for layer in model.layers if isinstance(layer, keras.layers.LSTM))
    before = model.get_config()
    with recurrence.written_out(model):
        model(SEQUENCES[:1], training=False)
        assert layer.unroll
    assert not layer.unroll
    assert "call" not in vars(layer)
    assert model.get_config() == before


@pytest.mark.parametrize("keras", [tf_keras, keras3])
def test_what_has_too_many_steps_stays_a_loop_without_a_state(
    keras: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recurrence, "MOST_STEPS", STEPS - 1)
    model = network(keras, "lstm both ways")
    artifact = to_artifact(model, "f32", tmp_path, ("tflite",))
    path = artifact.path(artifact.file(scheme="f32"))
    assert {op.native for op in read_graph(path).ops} & LOOPS == {"WHILE"}
    expected = np.asarray(model(SEQUENCES[100:], training=False))
    np.testing.assert_allclose(answers(path), expected, atol=1e-5)


def test_a_loop_in_integers_is_refused_by_its_layer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recurrence, "MOST_STEPS", STEPS - 1)
    with pytest.raises(InputError, match=r"lstm.*: a loop cannot be in integers.*take f32"):
        to_artifact(network(keras3, "lstm"), "w8a8", tmp_path, ("tflite",))


def test_a_saved_model_with_a_state_is_told_of(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """TensorFlow has made the op already; what is asked anew is answered anew here."""
    model = network(tf_keras, "lstm both ways")
    model.export(str(tmp_path / "saved"))
    np.savez(tmp_path / "sequences.npz", sequence=SEQUENCES[:100])
    plan = Plan(parse_schemes("f32,w8a8"), calibrate=str(tmp_path / "sequences.npz"))
    artifact = convert(load(str(tmp_path / "saved")), plan, tmp_path / "artifact").artifact
    assert "UNIDIRECTIONAL_SEQUENCE_LSTM keeps its state" in caplog.text
    for file in artifact.manifest.files:
        assert file.parity
        assert file.parity["passed"], file.scheme
        with closing(open_model(artifact.path(file))) as session:
            (signature,) = session.signatures.values()
            (entering,), (leaving,) = signature.inputs, signature.outputs
            asked = {entering.name: entering.quantize(SEQUENCES[:1])}
            first, second = (session(asked)[leaving.name] for _ in range(2))
        np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize("keras", [tf_keras, keras3])
def test_a_layer_that_keeps_its_state_is_refused(keras: Any, tmp_path: Path) -> None:
    sequence = keras.layers.Input(batch_shape=(1, STEPS, 4))
    model = keras.Model(sequence, keras.layers.GRU(3, stateful=True, name="memory")(sequence))
    with pytest.raises(InputError, match=r"layer memory: stateful.*stateful=False"):
        to_artifact(model, "f32", tmp_path, ("tflite",))
