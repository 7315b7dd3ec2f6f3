"""Files from anywhere: one InputError in bounded time, whatever the bytes."""

from __future__ import annotations

import random
import struct
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from edgekit.errors import InputError
from edgekit.profile.cost.summary import summarize
from edgekit.profile.graph import read_graph

SLOW_S = 5.0


def try_all(path: Path, contents: list[bytes]) -> int:
    """Read each; return how many were refused. Anything but InputError fails the test."""
    refused = 0
    for content in contents:
        path.write_bytes(content)
        start = time.monotonic()
        refused += refuses(path)
        assert time.monotonic() - start < SLOW_S
    return refused


def refuses(path: Path) -> bool:
    try:
        summarize(read_graph(path), allow_unknown=True)
    except InputError as error:
        return "\n" not in str(error)
    return False


@pytest.fixture
def small(net) -> bytes:
    x, y = net.input(1, 8, 8, 3), net.tensor(1, 8, 8, 4)
    net.op("CONV_2D", [x, net.constant(4, 3, 3, 3), net.constant(4)], [y])
    net.op("RESHAPE", [y, net.constant(values=[1, 256], dtype="int32")], [net.tensor(1, 256)])
    return net.content()


@pytest.fixture
def no_child(monkeypatch: pytest.MonkeyPatch) -> None:
    """Mutants whose sizes turned free would each start an interpreter; here they are refused."""

    def refuse(path: Path, shapes: object) -> None:
        raise InputError(f"{path}: sizes are only known while it runs")

    monkeypatch.setattr("edgekit.profile.graph.tflite.resized_shapes", refuse)


@pytest.mark.usefixtures("no_child")
def test_every_truncation_of_a_tflite_is_refused_or_read(small: bytes, tmp_path: Path) -> None:
    cut = [small[:n] for n in range(len(small))]
    assert try_all(tmp_path / "m.tflite", cut) == len(cut)


@pytest.mark.usefixtures("no_child")
@pytest.mark.parametrize("seed", range(4))
def test_flipped_bytes_of_a_tflite(small: bytes, tmp_path: Path, seed: int) -> None:
    assert try_all(tmp_path / "m.tflite", mutants(small, seed, 500)) > 0


@pytest.mark.usefixtures("no_child")
def test_flipped_and_cut_published_model(shared_data: Path, tmp_path: Path) -> None:
    name = "mobilenet_v2_035_96_embedder_with_metadata.tflite"
    content = (shared_data / "tflite" / name).read_bytes()
    chance = random.Random(0)
    cut = [content[: chance.randrange(len(content))] for _ in range(40)]
    # The tables lie at both ends; flips in the weights between them change nothing here.
    heads = mutants(content[:20_000], 1, 40)
    assert try_all(tmp_path / "m.tflite", cut) == len(cut)
    try_all(tmp_path / "m.tflite", [head + content[20_000:] for head in heads])
    tails = mutants(content[-40_000:], 2, 40)
    try_all(tmp_path / "m.tflite", [content[:-40_000] + tail for tail in tails])


def mutants(content: bytes, seed: int, count: int) -> list[bytes]:
    chance = random.Random(seed)
    made = []
    for _ in range(count):
        data = bytearray(content)
        for _ in range(chance.randrange(1, 16)):
            if chance.random() < 0.5:
                data[chance.randrange(len(data))] = chance.randrange(256)
            else:  # an offset or a length
                value = chance.choice([0, 1, 0x7FFFFFFF, 0xFFFFFFFF, 0x80000000, len(data)])
                struct.pack_into("<I", data, chance.randrange(len(data) // 4 - 1) * 4, value)
        made.append(bytes(data))
    return made


def test_onnx_damage(tmp_path: Path) -> None:
    content = onnx_convolution()
    path = tmp_path / "m.onnx"
    try_all(path, [content[:n] for n in range(len(content))])
    assert try_all(path, mutants(content, 3, 1000)) > 0


def onnx_convolution() -> bytes:
    onnx = pytest.importorskip("onnx")
    import numpy as np
    from onnx import helper, numpy_helper

    graph = helper.make_graph(
        [helper.make_node("Conv", ["x", "w", "b"], ["y"], kernel_shape=[3, 3])],
        "g",
        [helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, ["n", 3, 8, 8])],
        [helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, None)],
        [
            numpy_helper.from_array(np.zeros((4, 3, 3, 3), np.float32), "w"),
            numpy_helper.from_array(np.zeros(4, np.float32), "b"),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    return bytes(model.SerializeToString())


@pytest.mark.parametrize("suffix", [".tflite", ".onnx"])
@pytest.mark.parametrize(
    "content",
    [b"", b"\0", b"hello, I am text", b"\xff\xff\xff\x7fTFL3", b"\x10\0\0\0TFL3", b"\0" * 4096],
    ids=repr,
)
def test_what_is_no_model_is_refused(tmp_path: Path, suffix: str, content: bytes) -> None:
    path = tmp_path / f"a 'b' \"c\"\n😀{suffix}"
    assert try_all(path, [content[:40] if suffix == ".onnx" else content]) == 1


def test_missing_file_and_folder(tmp_path: Path) -> None:
    folder = tmp_path / "folder.tflite"
    folder.mkdir()
    for path in (tmp_path / "none.tflite", tmp_path / "none.onnx", folder):
        with pytest.raises(InputError, match="cannot be read"):
            read_graph(path)
    with pytest.raises(InputError, match=r"expected \.tflite or \.onnx"):
        read_graph(tmp_path / "picture.png")


def bomb_of_sizes(net) -> None:
    """Tensors of 2^120 elements: a number, no memory."""
    x, y = net.input(2**30, 2**30, 2**30, 2**30), net.tensor(2**30, 2**30, 2**30, 2**30)
    net.op("RELU", [x], [y])


def weights_of_another_size(net) -> None:
    x, w = net.input(1, 10), net.constant(4, 10)
    net.tensors[w].shape = [4, 11]
    net.op("FULLY_CONNECTED", [x, w, -1], [net.tensor(1, 4)])


def index_beyond_the_tensors(net) -> None:
    net.op("RELU", [net.input(1, 10)], [99])


def index_from_the_end(net) -> None:
    net.op("RELU", [net.input(1, 10), -3], [net.tensor(1, 10)])


def buffer_beyond_the_file(net) -> None:
    x, w = net.input(1, 10), net.constant(4, 10)
    net.buffers[-1].offset, net.buffers[-1].size = 2**40, 160
    net.op("FULLY_CONNECTED", [x, w, -1], [net.tensor(1, 4)])


@pytest.mark.parametrize(
    "make",
    [weights_of_another_size, index_beyond_the_tensors, index_from_the_end, buffer_beyond_the_file],
)
def test_contradictions_are_refused(make: Callable[..., None], net, tmp_path: Path) -> None:
    make(net)
    with pytest.raises(InputError, match="damaged TFLite model"):
        read_graph(net.write(tmp_path / "m.tflite"))


def test_bomb_of_sizes_is_a_number(net, tmp_path: Path) -> None:
    bomb_of_sizes(net)
    assert summarize(read_graph(net.write(tmp_path / "m.tflite"))).peak_bytes == 2 * 4 * 2**120


def test_weights_behind_the_flatbuffer(net, tmp_path: Path) -> None:
    """Models above 2 GB: the buffer table holds offsets from the start of the file."""
    x, w = net.input(1, 10), net.constant(4, 10)
    net.op("FULLY_CONNECTED", [x, w, -1], [net.tensor(1, 4)])
    net.buffers[-1].data, net.buffers[-1].offset, net.buffers[-1].size = None, 2, 160
    length = len(net.content())
    net.buffers[-1].offset = length
    path = tmp_path / "m.tflite"
    path.write_bytes(net.content() + bytes(160))
    summary = summarize(read_graph(path))
    assert (summary.madds, summary.params, summary.weight_bytes) == (40, 40, 160)
    path.write_bytes(net.content() + bytes(159))
    with pytest.raises(InputError, match="outside the file"):
        read_graph(path)


def test_shapes_that_the_ops_refuse(net, tmp_path: Path) -> None:
    """The interpreter that works out the sizes says no, in its child process."""
    x, y = net.input(1, 8, free=(-1, -1)), net.tensor(2, 4)
    net.op("RESHAPE", [x, net.constant(values=[2, 4], dtype="int32")], [y])
    path = net.write(tmp_path / "m.tflite")
    with pytest.raises(InputError, match="does not run"):
        read_graph(path, {"x": (1, 9)})
    assert read_graph(path, {"x": (2, 4)}).inputs[0].shape == (2, 4)
