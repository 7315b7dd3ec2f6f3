"""Plans worked out by hand."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest

from edgekit.profile.cost.memory import Lifetime, arena_bytes, lifetimes, peak_bytes, plan
from edgekit.profile.graph import Graph, Op, Tensor


def activation(index: int, size_bytes: int) -> Tensor:
    return Tensor(index, f"t{index}", (size_bytes,), "int8")


def chain(*sizes: int) -> Graph:
    """Input, then one op after the other."""
    tensors = [activation(i, size) for i, size in enumerate(sizes)]
    ops = [Op("relu", "RELU", (a,), (b,)) for a, b in pairwise(tensors)]
    return Graph("g", "tflite", (tensors[0],), (tensors[-1],), tuple(ops))


def test_chain_keeps_two_neighbours_alive() -> None:
    graph = chain(64, 640, 128, 320)
    assert peak_bytes(graph) == 640 + 128
    # 640 at 0; 320 is alive with 128 alone and takes offset 0; 128 goes behind 640.
    offsets, arena = plan(lifetimes(graph))
    assert offsets == {1: 0, 3: 0, 2: 640, 0: 640}
    assert arena == 768


def test_a_skip_connection_lives_until_it_is_added() -> None:
    x, a, b, y = (activation(i, size) for i, size in enumerate((100, 300, 200, 100)))
    ops = (
        Op("conv", "CONV_2D", (x,), (a,)),
        Op("conv", "CONV_2D", (a,), (b,)),
        Op("add", "ADD", (b, x), (y,)),
    )
    graph = Graph("g", "tflite", (x,), (y,), ops)
    assert peak_bytes(graph) == 100 + 300 + 200
    # a 0..300 (aligned 320), b 320..520 (aligned 576), x 576..676; y fits where a was.
    assert plan(lifetimes(graph)) == ({1: 0, 2: 320, 0: 576, 3: 0}, 676)


def test_a_reshape_is_not_in_place() -> None:
    x, y = activation(0, 128), activation(1, 128)
    graph = Graph("g", "tflite", (x,), (y,), (Op("reshape", "RESHAPE", (x,), (y,)),))
    assert peak_bytes(graph) == arena_bytes(graph) == 256


def test_constants_take_no_activation_memory() -> None:
    x, y = activation(0, 64), activation(2, 64)
    weights = Tensor(1, "w", (10_000,), "int8", constant=True, parameter=True)
    graph = Graph("g", "tflite", (x,), (y,), (Op("mul", "MUL", (x, weights), (y,)),))
    assert peak_bytes(graph) == 128


def test_a_state_lives_throughout() -> None:
    """A variable that is read before anything writes it must survive from run to run."""
    graph = chain(64, 64, 64, 64)
    state = activation(9, 1000)
    first = Op("recurrent", "LSTM", (*graph.ops[0].inputs, state), graph.ops[0].outputs)
    graph = Graph("g", "tflite", graph.inputs, graph.outputs, (first, *graph.ops[1:]))
    life = {x.index: x for x in lifetimes(graph)}[9]
    assert (life.first, life.last) == (-1, 3)


def test_an_input_that_is_an_output_counts_once() -> None:
    x = activation(0, 64)
    assert peak_bytes(Graph("g", "tflite", (x,), (x,), ())) == 64


def test_the_smallest_gap_is_taken() -> None:
    """Two gaps are free between tensors that stay; the snug one is taken."""
    lives = (
        Lifetime(0, 640, 0, 0),  # gone when the small one comes
        Lifetime(1, 576, 0, 9),
        Lifetime(2, 512, 0, 0),
        Lifetime(3, 448, 0, 9),
        Lifetime(4, 384, 5, 9),
    )
    offsets, arena = plan(lives)
    assert offsets == {0: 0, 1: 640, 2: 1216, 3: 1728, 4: 1216}
    assert arena == 2176


@pytest.mark.parametrize("seed", range(20))
def test_no_two_live_tensors_overlap_and_no_plan_beats_the_bound(seed: int) -> None:
    chance = random.Random(seed)
    lives = []
    for index in range(40):
        first = chance.randrange(30)
        lives.append(Lifetime(index, chance.randrange(1, 5000), first, first + chance.randrange(6)))
    offsets, arena = plan(tuple(lives))
    for a in lives:
        for b in lives:
            together = a.first <= b.last and b.first <= a.last
            if a.index < b.index and together:
                apart = (offsets[a.index] + a.size_bytes <= offsets[b.index]) or (
                    offsets[b.index] + b.size_bytes <= offsets[a.index]
                )
                assert apart, (a, b)
    bound = max(sum(x.size_bytes for x in lives if x.first <= t <= x.last) for t in range(40))
    assert arena >= bound
