"""TFLite metadata: against files of other writers, LiteRT, and MediaPipe in its own environment."""

from __future__ import annotations

import contextlib
import io
import json
import os
import subprocess
import zipfile
from pathlib import Path

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from edgekit.errors import EdgekitError, InputError
from edgekit.export.attachment import _stored_zip
from edgekit.export.metadata import add_metadata, read_metadata
from edgekit.export.metadata_schema import ModelMetadata, TensorMetadata, decode, encode
from edgekit.signature import TensorSpec

FLOAT = "mobilenet_v1_0.25_224_1_default_1.tflite"
QUANT = "mobilenet_v1_0.25_224_quant.tflite"
LABELS = [f"class {i}, with a comma and é中🦝" for i in range(1001)]


def picture(dtype: str, name: str = "input") -> TensorSpec:
    return TensorSpec(
        name, (1, 224, 224, 3), dtype, layout="NHWC", mean=(127.5,) * 3, std=(127.5,) * 3
    )


@pytest.fixture(scope="session")
def float_model(shared_data: Path) -> bytes:
    return (shared_data / "tflite" / FLOAT).read_bytes()


@pytest.fixture(scope="session")
def bird(shared_data: Path) -> np.ndarray:
    """A photograph at the model's own size, so that nobody's resizing matters."""
    return np.asarray(
        Image.open(shared_data / "images" / "bird.bmp").convert("RGB").resize((224, 224))
    )


def scores(model: bytes, pixels: np.ndarray) -> np.ndarray:
    interpreter = Interpreter(model_content=model, num_threads=1)
    interpreter.allocate_tensors()
    (entry,), (exit,) = interpreter.get_input_details(), interpreter.get_output_details()
    tensor = pixels if entry["dtype"] is np.uint8 else (pixels - np.float32(127.5)) / 127.5
    interpreter.set_tensor(entry["index"], tensor[None].astype(entry["dtype"]))
    interpreter.invoke()
    raw = interpreter.get_tensor(exit["index"])[0]
    scale, zero_point = exit["quantization"]
    return (raw.astype(np.float32) - zero_point) * scale if scale else raw


def test_reads_what_another_writer_wrote(shared_data: Path) -> None:
    metadata, labels = read_metadata(shared_data / "tflite" / QUANT)
    assert metadata.name == "MobileNetV1 image classifier (quantized)"
    assert metadata.author == "TensorFlow"
    assert metadata.inputs == (
        TensorMetadata("image", "RGB", (127.5,), (127.5,), (0.0,), (255.0,)),
    )
    assert metadata.outputs[0].label_file == "labels.txt"
    assert labels[:3] == ("background", "tench", "goldfish")
    assert len(labels) == 1001


def test_round_trip_keeps_every_field(float_model: bytes, tmp_path: Path) -> None:
    path = tmp_path / "a 'model' 🦝\n.tflite"
    path.write_bytes(
        add_metadata(
            float_model,
            name="n",
            description="d é",
            version="v",
            author="a",
            license="l",
            inputs=[picture("float32")],
            outputs=[TensorSpec("MobilenetV1/Predictions/Reshape_1", (1, 1001), "float32")],
            labels=LABELS,
        )
    )
    metadata, labels = read_metadata(path)
    assert labels == tuple(LABELS)
    assert metadata == ModelMetadata(
        "n",
        "d é",
        "v",
        "a",
        "l",
        (TensorMetadata("input", "RGB", (127.5,) * 3, (127.5,) * 3, (-1.0,) * 3, (1.0,) * 3),),
        (TensorMetadata("MobilenetV1/Predictions/Reshape_1", label_file="labels.txt"),),
        "1.0.0",
    )


@pytest.mark.parametrize("name", [FLOAT, QUANT, "tf2_mobilenet_v2_1.0_224_ptq.tflite"])
def test_answers_alignment_and_the_rest_stay(
    shared_data: Path, bird: np.ndarray, name: str
) -> None:
    old = (shared_data / "tflite" / name).read_bytes()
    new = add_metadata(old, name="n", inputs=[picture("float32")], labels=LABELS[:1001])
    assert np.array_equal(scores(old, bird), scores(new, bird))
    before, after = schema.ModelT.InitFromPackedBuf(old), schema.ModelT.InitFromPackedBuf(new)
    assert after.version == before.version
    assert after.description == before.description
    others = [m.name for m in before.metadata or [] if m.name != b"TFLITE_METADATA"]
    assert [m.name for m in after.metadata] == [*others, b"TFLITE_METADATA"]
    for one, two in zip(before.buffers, after.buffers, strict=False):
        assert (one.data is None) == (two.data is None)
        assert one.data is None or np.array_equal(one.data, two.data)
    assert len(after.buffers) == len(before.buffers) + 1
    assert offsets(new)[: len(before.buffers)] == offsets(old)
    assert offsets(new)[-1] == 0


def offsets(model: bytes) -> list[int]:
    """Return where each buffer's data lies, modulo the 16 bytes that kernels may count on."""
    root = schema.Model.GetRootAs(model, 0)
    found = []
    for i in range(root.BuffersLength()):
        table = root.Buffers(i)._tab
        place = table.Offset(4)
        found.append(table.Vector(place) % 16 if place else 0)
    return found


def test_same_input_same_bytes_and_replacing(float_model: bytes, tmp_path: Path) -> None:
    def write(name: str, model: bytes = float_model) -> bytes:
        return add_metadata(model, name=name, inputs=[picture("float32")], labels=LABELS)

    assert write("a") == write("a")
    twice = tmp_path / "twice.tflite"
    twice.write_bytes(write("b", write("a")))
    assert read_metadata(twice)[0].name == "b"
    root = schema.Model.GetRootAs(twice.read_bytes(), 0)
    assert root.MetadataLength() == 1
    with zipfile.ZipFile(twice) as archive:
        assert archive.namelist() == ["labels.txt"]
        assert archive.read("labels.txt").decode().splitlines() == LABELS
    assert len(twice.read_bytes()) < len(write("a")) + 2000  # the first labels are gone


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"labels": LABELS[:-1]}, "got 1000, expected 1001"),
        ({"labels": ["a\nb", *LABELS[1:]]}, "label 0: got 'a\\nb'"),
        ({"labels": ["", *LABELS[1:]]}, "label 0"),
        ({"labels": ["\ud800", *LABELS[1:]]}, "label 0"),
        ({"inputs": [picture("float32", "image")]}, "got image, expected input"),
        ({"inputs": []}, "got none, expected input"),
        ({"inputs": [picture("float32"), picture("float32", "b")]}, "expected input"),
        ({"outputs": [picture("float32", "b")]}, "model's outputs do not match"),
        ({"inputs": [TensorSpec("input", (1, 2, 2, 3), "float32", None, None, "NHWC", (1.0, 2.0),
                                (1.0, 2.0))]}, "normalisation"),
        ({"inputs": [TensorSpec("input", (1, 2, 2, 3), "float32", mean=(1.0,))]}, "1 means and 0"),
        ({"inputs": [TensorSpec("input", (1, 2), "float32", mean=(1.0,), std=(0.0,))]}, "above 0"),
    ],
)  # fmt: skip
def test_refuses_what_does_not_fit(float_model: bytes, change: dict, says: str) -> None:
    with pytest.raises(InputError) as error:
        add_metadata(float_model, **{"name": "n", "inputs": [picture("float32")], **change})
    assert says in str(error.value)


@pytest.mark.parametrize("content", [b"", b"TFL3", b"\xff\xff\xff\x7fTFL3", b"PK\x03\x04" * 9])
def test_what_is_no_model_is_one_line(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "m.tflite"
    path.write_bytes(content)
    with pytest.raises(InputError):
        read_metadata(path)
    with pytest.raises(InputError):
        add_metadata(content, name="n", inputs=[])
    with pytest.raises(InputError, match="cannot be read"):
        read_metadata(tmp_path / "missing.tflite")


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_damaged_metadata_never_raise_anything_else(data: st.DataObject) -> None:
    tensor = TensorMetadata("a", "RGB", (1.0,), (2.0,), (0.0,), (1.0,), "labels.txt")
    good = encode(ModelMetadata("n", "d", inputs=(tensor,), outputs=(tensor,)))
    assert decode(good).outputs == (tensor,)
    bad = bytearray(good)
    for place in data.draw(st.lists(st.integers(8, len(good) - 1), min_size=1, max_size=4)):
        bad[place] = data.draw(st.integers(0, 255))
    with contextlib.suppress(EdgekitError):
        decode(bytes(bad[: data.draw(st.integers(9, len(bad)))]))


def test_damaged_files_never_raise_anything_else(shared_data: Path, tmp_path: Path) -> None:
    good = (shared_data / "tflite" / QUANT).read_bytes()
    chance, path = np.random.default_rng(0), tmp_path / "m.tflite"
    for size in [*range(8, 200, 7), *chance.integers(8, len(good), 20)]:
        bad = bytearray(good[:size]) if chance.random() < 0.5 else bytearray(good)
        bad[chance.integers(8, min(300, len(bad)))] ^= int(chance.integers(1, 256))
        path.write_bytes(bad)
        for attempt in (
            lambda: read_metadata(path),
            lambda b=bytes(bad): add_metadata(b, name="n", inputs=[picture("uint8")]),
        ):
            with contextlib.suppress(EdgekitError):
                attempt()


def test_the_zip_tells_no_time() -> None:
    with zipfile.ZipFile(io.BytesIO(_stored_zip({"a": b"1"}))) as archive:
        (entry,) = archive.infolist()
    assert entry.date_time == (1980, 1, 1, 0, 0, 0)
    assert entry.compress_type == zipfile.ZIP_STORED


@pytest.mark.parametrize(("name", "dtype"), [(FLOAT, "float32"), (QUANT, "uint8")])
def test_mediapipe_gives_our_answer(
    shared_data: Path, bird: np.ndarray, tmp_path: Path, name: str, dtype: str
) -> None:
    place = os.environ.get("EDGEKIT_MEDIAPIPE")
    python = Path(place or Path(__file__).parents[2] / ".venv-mediapipe" / "bin" / "python")
    if not python.is_file():
        pytest.skip("needs MediaPipe in an environment of its own: run make peers")
    model = (shared_data / "tflite" / name).read_bytes()
    path = tmp_path / "model.tflite"
    path.write_bytes(add_metadata(model, name="n", inputs=[picture(dtype)], labels=LABELS))
    np.save(tmp_path / "bird.npy", bird)
    program = Path(__file__).with_name("classify_with_mediapipe.py")
    command = [str(python), str(program), str(path), str(tmp_path / "bird.npy")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    theirs = json.loads(done.stdout.splitlines()[-1])
    ours = scores(path.read_bytes(), bird)
    assert theirs["index"] == int(ours.argmax())
    assert theirs["label"] == LABELS[int(ours.argmax())]
    # MediaPipe may resample even at equal size; a level of an 8-bit score is 1/256.
    assert theirs["score"] == pytest.approx(
        float(ours.max()), abs=1e-3 if dtype == "float32" else 1 / 256
    )
