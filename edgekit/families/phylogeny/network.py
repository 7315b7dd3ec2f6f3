"""The networks: matrices `[N, rows, columns]` of +1 (mutated), -1 (not) and 0 (unknown or absent).

Outputs are named: `branching` and `conflict`, probabilities `[N, 1]`; `pairs`, which columns are in
conflict, `[N, columns, columns]`; `scores`, log odds that an entry is 1, `[N, rows, columns]`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import tf_keras as keras

from edgekit.families.phylogeny import Config
from edgekit.families.phylogeny.layers import (
    COLUMNS,
    ROWS,
    Conflicts,
    Entries,
    Gametes,
    Largest,
    Mean,
    Mixed,
    Nesting,
    Presence,
    Products,
)
from edgekit.families.phylogeny.pointer import elimination, pointing, reader

INPUT = "matrix"
dense = keras.layers.Dense


def build(config: Config) -> Any:
    """Return the untrained network of `config`."""
    matrix = keras.Input((config.rows, config.columns), name=INPUT)
    outputs = _BUILDERS[config.problem, config.network](matrix, config)
    return keras.Model(matrix, outputs, name="phylogeny")


def finish(network: Any, config: Config) -> Any:
    """Return the network that files quantize: of the pointer network the part that reads."""
    return reader(network) if config.network == "pointer" else network


def tail(network: Any, config: Config) -> Callable[[str], Any] | None:
    """Return what builds what points at entries, which stays in float: see `pointer.pointing`."""
    return (lambda format: pointing(network)) if config.network == "pointer" else None


def _branching_paper(matrix: Any, config: Config) -> dict[str, Any]:
    """Two hidden layers of 100 tanh, dropout .9 (the published program has one of them)."""
    x = keras.layers.Flatten()(matrix)
    for number in (1, 2):
        x = dense(100, activation="tanh", name=f"hidden_{number}")(x)
    x = keras.layers.Dropout(0.9)(x)
    return {"branching": dense(1, activation="sigmoid", name="branching")(x)}


def _noise_paper(matrix: Any, config: Config) -> dict[str, Any]:
    """Two hidden layers of 100 sigmoids, dropout .2."""
    x = keras.layers.Flatten()(matrix)
    for number in (1, 2):
        x = dense(100, activation="sigmoid", name=f"hidden_{number}")(x)
        x = keras.layers.Dropout(0.2)(x)
    return {"conflict": dense(1, activation="sigmoid", name="conflict")(x)}


def _noise_exact(matrix: Any, config: Config) -> dict[str, Any]:
    """The three-gametes test, without a weight."""
    pairs = Conflicts(name="pairs")(Gametes(name="gametes")(Entries(name="entries")(matrix)))
    return {"pairs": pairs, "conflict": _any(pairs)}


def _noise_invariant(matrix: Any, config: Config) -> dict[str, Any]:
    """The same dense layers on the squashed counts of every pair; the likeliest pair decides."""
    x = Gametes(name="gametes")(Entries(name="entries")(matrix))
    x = keras.layers.Activation("tanh", name="squashed")(x)
    for number in (1, 2):
        x = dense(config.channels, activation="relu", name=f"pair_{number}")(x)
    rare = keras.initializers.Constant(-4.0)  # most pairs are in no conflict
    x = dense(1, activation="sigmoid", bias_initializer=rare, name="pair_probability")(x)
    pairs = keras.layers.Reshape((config.columns, config.columns), name="pairs")(x)
    return {"pairs": pairs, "conflict": _any(pairs)}


def _any(pairs: Any) -> Any:
    x = Largest((1, 2), name="largest")(pairs)
    return keras.layers.Reshape((1,), name="conflict")(x)


@dataclass(frozen=True)
class _There:
    """Which rows, columns, entries and pairs are there; of the share of two, the inverse root."""

    rows: Any
    columns: Any
    entries: Any
    pairs: Any
    root_of_rows: Any
    root_of_columns: Any


def _there(entries: Any) -> _There:
    rows, root_of_rows = Presence(ROWS, name="rows")(entries)
    columns, root_of_columns = Presence(COLUMNS, name="columns")(entries)
    others = keras.layers.Permute((2, 1, 3), name="other_columns")(columns)
    product = keras.layers.Multiply
    return _There(
        rows,
        columns,
        product(name="inside")([rows, columns]),
        product(name="pairs_inside")([columns, others]),
        root_of_rows,
        root_of_columns,
    )


def _exchangeable(x: Any, there: _There, channels: int, name: str) -> Any:
    """One layer over all entries that commutes with permutations of rows and of columns.

    relu of dense layers on the entry, the means of its row and its column, and the mean of all
    (Hartford et al., ICML 2018, equation 5).
    """
    of_column = Mean(ROWS, name=f"{name}_of_column")([x, there.root_of_rows])
    of_row = Mean(COLUMNS, name=f"{name}_of_row")([x, there.root_of_columns])
    of_all = Mean(ROWS, name=f"{name}_of_all")([of_row, there.root_of_rows])
    parts = [
        dense(channels, use_bias=part == "entry", name=f"{name}_{part}")(value)
        for part, value in (("entry", x), ("row", of_row), ("column", of_column), ("all", of_all))
    ]
    x = keras.layers.Add(name=f"{name}_sum")(parts[:2])
    for number, part in enumerate(parts[2:]):
        x = keras.layers.Add(name=f"{name}_sum_{number}")([x, part])
    x = keras.layers.ReLU(name=f"{name}_relu")(x)
    return keras.layers.Multiply(name=name)([x, there.entries])


def _pairs(x: Any, entries: Any, there: _There, channels: int, name: str) -> Any:
    """Two dense layers on what every two columns have in common; absent pairs are 0."""
    products = Products(name=f"{name}_products")([x, there.root_of_rows])
    nesting = Nesting(name=f"{name}_nesting")([entries, there.root_of_rows])
    # Apart, as shares of a hundredth and products of five have no eight bits in common.
    parts = [dense(channels, name=f"{name}_of_products")(products),
             dense(channels, use_bias=False, name=f"{name}_of_nesting")(nesting)]  # fmt: skip
    x = keras.layers.ReLU(name=f"{name}_relu")(keras.layers.Add(name=f"{name}_sum")(parts))
    x = dense(channels, activation="relu", name=f"{name}_dense")(x)
    return keras.layers.Multiply(name=name)([x, there.pairs])


def _trunk(matrix: Any, config: Config) -> tuple[Any, Any, _There]:
    entries = Entries(name="entries")(matrix)
    there = _there(entries)
    x = entries
    for number in range(config.blocks):
        x = _exchangeable(x, there, config.channels, f"block_{number}")
    return keras.layers.Concatenate(name="trunk")([entries, x]), entries, there


def _branching_invariant(matrix: Any, config: Config) -> dict[str, Any]:
    """Rows, columns and pairs of columns by their means, the last two by their largest too.

    Of rows means alone: the same cells twice, or thousands of them, answer as the few do.
    """
    x, entries, there = _trunk(matrix, config)
    width = config.channels
    pairs = _pairs(x, entries, there, width, "pairs")
    over_others = Mean(ROWS, name="over_others")([pairs, there.root_of_columns])
    mean = Mean(COLUMNS, name="over_pairs")([over_others, there.root_of_columns])
    found = [keras.layers.Flatten()(mean), Largest((1, 2), name="largest_pair")(pairs)]
    row, column = there.root_of_rows, there.root_of_columns
    sides = (("row", ROWS, COLUMNS, there.rows, row, column),
             ("column", COLUMNS, ROWS, there.columns, column, row))  # fmt: skip
    for name, axis, other, present, root, other_root in sides:
        y = Mean(other, name=f"each_{name}")([x, other_root])
        y = dense(width, activation="relu", name=f"{name}_dense")(y)
        y = keras.layers.Multiply(name=f"{name}_there")([y, present])
        found.append(keras.layers.Flatten()(Mean(axis, name=f"{name}_mean")([y, root])))
        if axis == COLUMNS:
            found.append(Largest((1, 2), name=f"{name}_largest")(y))
    y = keras.layers.Concatenate(name="pooled")(found)
    y = dense(2 * width, activation="relu", name="head")(y)
    return {"branching": dense(1, activation="sigmoid", name="branching")(y)}


def _elimination_invariant(matrix: Any, config: Config) -> dict[str, Any]:
    """Entries from their rows by way of pairs of columns, several times over."""
    entries = Entries(name="entries")(matrix)
    there = _there(entries)
    x = entries
    for number in range(config.blocks):
        x = _exchangeable(x, there, config.channels, f"block_{number}")
        x = keras.layers.Concatenate(name=f"seen_{number}")([entries, x])
        weights = _pairs(x, entries, there, config.channels + 2, f"pairs_{number}")
        mixed = Mixed(name=f"mixed_{number}")([x, weights, there.root_of_columns])
        x = keras.layers.Concatenate(name=f"both_{number}")([x, mixed])
    x = _exchangeable(x, there, config.channels, "last")
    x = keras.layers.Concatenate(name="seen")([entries, x])
    x = dense(1, name="log_odds")(x)
    return {"scores": keras.layers.Reshape((config.rows, config.columns), name="scores")(x)}


_BUILDERS: dict[tuple[str, str], Callable[[Any, Config], dict[str, Any]]] = {
    ("branching", "paper"): _branching_paper,
    ("branching", "invariant"): _branching_invariant,
    ("noise", "paper"): _noise_paper,
    ("noise", "invariant"): _noise_invariant,
    ("noise", "exact"): _noise_exact,
    ("elimination", "invariant"): _elimination_invariant,
    ("elimination", "pointer"): elimination,
}
