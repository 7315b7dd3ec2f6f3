"""What layers compute survives eight bits: of a dozen rows in a tensor of hundreds as of all."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("tf_keras")
pytest.importorskip("ai_edge_litert")

import tf_keras as keras

from edgekit.families.phylogeny import Config
from edgekit.families.phylogeny.data import Simulated, TrainingData, simulate
from edgekit.families.phylogeny.layers import ROWS, Entries, Mean, Nesting, Presence, Products

ROWS_AT_MOST, COLUMNS = 320, 8
CONFIG = Config(rows=ROWS_AT_MOST, columns=COLUMNS, alpha=0.05, beta=0.3, vary=True)
LEAST_DB = 25.0  # signal to quantization noise


@pytest.fixture(scope="module")
def answers() -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Matrices of 12 and of 300 rows, and what an int8 file of the layers says of each."""
    matrix = keras.Input((ROWS_AT_MOST, COLUMNS), batch_size=1, name="matrix")
    entries = Entries()(matrix)
    _, root = Presence(ROWS)(entries)
    network = keras.Model(matrix, {
        "mean": Mean(ROWS)([entries, root]),
        "products": Products()([entries, root]),
        "nesting": Nesting()([entries, root]),
    })  # fmt: skip
    calibration = next(TrainingData(CONFIG, 16, 0).glance())
    shown = np.concatenate([observed(12), observed(300)])
    return shown, {name: np.concatenate(found) for name, found in
                   in_eight_bits(network, calibration, shown).items()}  # fmt: skip


def observed(rows: int) -> np.ndarray:
    config = Config(rows=rows, columns=COLUMNS, alpha=0.05, beta=0.3)
    seen = simulate(config, 4, np.random.default_rng(6)).seen.astype(np.float32)
    return np.pad(seen, ((0, 0), (0, ROWS_AT_MOST - rows), (0, 0)))


def in_eight_bits(
    network: keras.Model, calibration: np.ndarray, shown: np.ndarray
) -> dict[str, list[np.ndarray]]:
    import tensorflow as tf
    from ai_edge_litert.interpreter import Interpreter

    converter = tf.lite.TFLiteConverter.from_keras_model(network)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.representative_dataset = lambda: ([matrix[None]] for matrix in calibration)
    interpreter = Interpreter(model_content=converter.convert(), num_threads=1)
    runner = interpreter.get_signature_runner()
    found: dict[str, list[np.ndarray]] = {}
    for matrix in shown:
        for name, value in runner(matrix=matrix[None]).items():
            found.setdefault(name, []).append(value)
    return found


def by_hand(matrix: np.ndarray) -> dict[str, np.ndarray]:
    """Compute the same in float64 from the rows that are there, one pair of columns at a time."""
    there = matrix[np.abs(matrix).max(axis=1) > 0].astype(np.float64)
    ones, zeros = there > 0, there < 0
    channels = np.stack([ones, zeros], axis=-1).astype(float)
    nesting = np.zeros((COLUMNS, COLUMNS, 4))
    for one in range(COLUMNS):
        for other in range(COLUMNS):
            both = (ones[:, one] & ones[:, other]).mean()
            first = (ones[:, one] & zeros[:, other]).mean()
            second = (zeros[:, one] & ones[:, other]).mean()
            overlap = both / max(both + min(first, second), 1 / 256)
            nesting[one, other] = both, first, second, overlap
    return {
        "mean": channels.mean(axis=0)[None],
        "products": np.einsum("rac,rbc->abc", channels, channels) / len(there),
        "nesting": nesting,
    }


@pytest.mark.parametrize("rows", [12, 300])
@pytest.mark.parametrize("name", ["mean", "products", "nesting"])
def test_a_layer_keeps_what_it_says(
    name: str, rows: int, answers: tuple[np.ndarray, dict[str, np.ndarray]]
) -> None:
    shown, found = answers
    part = slice(0, 4) if rows == 12 else slice(4, 8)
    expected = np.stack([by_hand(matrix)[name] for matrix in shown[part]])
    noise = ((found[name][part] - expected) ** 2).sum()
    assert 10 * np.log10((expected**2).sum() / noise) > LEAST_DB


def test_what_tells_ranges_is_of_many_sizes() -> None:
    drawn = Simulated(next(TrainingData(CONFIG, 16, 0).glance()), np.zeros(128, np.int8))
    rows = (np.abs(drawn.seen).max(axis=2) > 0).sum(axis=1)
    assert len(np.unique(rows)) > 40
    assert rows.min() < 15
    assert rows.max() == ROWS_AT_MOST
