"""The artifact: written whole, read back equal, refused when it is not what it says."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest

import edgekit
from edgekit.artifact import MANIFEST, Artifact, Manifest, ModelFile, open_artifact, write_artifact
from edgekit.errors import InputError
from edgekit.files import write_file
from edgekit.signature import Signature, TensorSpec

CONTENT = b"not really a model"
SPEC = TensorSpec("image", (1, 4, 4, 3), "int8", 0.5, -3, "NHWC", (127.5,), (127.5,))


def make(folder: Path, **changes: Any) -> Artifact:
    file = ModelFile(
        "m.f32.tflite",
        "tflite",
        "f32",
        hashlib.sha256(CONTENT).hexdigest(),
        len(CONTENT),
        {"serving_default": Signature((SPEC,), (TensorSpec("scores", (1, 2), "float32"),))},
        madds=12,
    )
    manifest = Manifest("m", {"name": "classify", "labels": ["a", "b"]}, (file,))
    return write_artifact(
        folder, dataclasses.replace(manifest, **changes), {"m.f32.tflite": CONTENT}
    )


def schema() -> Any:
    text = (Path(edgekit.__file__).parent / "schema" / "manifest-1.json").read_text()
    return json.loads(text)


def test_reads_back_what_was_written(tmp_path: Path) -> None:
    written = make(tmp_path / "a")
    assert open_artifact(tmp_path / "a").manifest.files == written.manifest.files
    open_artifact(tmp_path / "a").check()


def test_manifest_obeys_the_schema(tmp_path: Path) -> None:
    make(tmp_path / "a")
    raw = json.loads((tmp_path / "a" / MANIFEST).read_text())
    jsonschema.validate(raw, schema())
    raw["files"][0]["path"] = "../../etc/passwd"
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(raw, schema())


def test_the_schema_knows_every_field() -> None:
    definitions = schema()["$defs"]
    for kind, properties in [
        (Manifest, schema()["properties"]),
        (ModelFile, definitions["file"]["properties"]),
        (TensorSpec, definitions["tensor"]["properties"]),
    ]:
        assert {f.name for f in dataclasses.fields(kind)} == set(properties)


def test_a_flipped_bit_is_noticed(tmp_path: Path) -> None:
    artifact = make(tmp_path / "a")
    (tmp_path / "a" / "m.f32.tflite").write_bytes(b"not really A model")
    with pytest.raises(InputError, match="changed since it was written"):
        artifact.check()


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("schema", 2, "unknown manifest schema"),
        ("surprise", 1, "unknown field 'surprise'"),
        ("files", [{"path": "x"}], "malformed manifest"),
        ("files", 3, "malformed manifest"),
    ],
)
def test_a_malformed_manifest_is_one_line(
    tmp_path: Path, field: str, value: object, said: str
) -> None:
    make(tmp_path / "a")
    path = tmp_path / "a" / MANIFEST
    path.write_text(json.dumps({**json.loads(path.read_text()), field: value}))
    with pytest.raises(InputError, match=said) as caught:
        open_artifact(tmp_path / "a")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["../m.tflite", "/etc/passwd", "..", "sub/m.tflite"])
def test_a_path_out_of_the_folder_is_refused(tmp_path: Path, name: str) -> None:
    make(tmp_path / "a")
    path = tmp_path / "a" / MANIFEST
    raw = json.loads(path.read_text())
    raw["files"][0]["path"] = name
    path.write_text(json.dumps(raw))
    with pytest.raises(InputError, match="outside the artifact"):
        open_artifact(tmp_path / "a")


def test_a_failed_write_leaves_the_old_artifact(tmp_path: Path) -> None:
    make(tmp_path / "a")
    with pytest.raises(InputError, match="cannot be written"):
        write_artifact(tmp_path / "a", Manifest("new", {"name": "classify"}, ()), {"no/such": b""})
    assert open_artifact(tmp_path / "a").manifest.name == "m"
    assert [p.name for p in tmp_path.iterdir()] == ["a"]


def test_a_folder_of_other_things_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "thesis.txt").write_text("years of work")
    with pytest.raises(InputError, match="not an artifact"):
        make(tmp_path / "a")
    assert (tmp_path / "a" / "thesis.txt").read_text() == "years of work"


@contextmanager
def full_disk(free_bytes: int) -> Iterator[None]:
    """Let no file grow past `free_bytes`: write() fails as it does on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (free_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_full_disk_leaves_the_old_file(tmp_path: Path) -> None:
    target = tmp_path / "kept"
    write_file(target, b"old")
    with full_disk(1000), pytest.raises(InputError, match="cannot be written"):
        write_file(target, b"new" * 1000)
    assert target.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["kept"]


def test_a_full_disk_leaves_the_old_artifact(tmp_path: Path) -> None:
    make(tmp_path / "a")
    less_than_the_manifest = 200
    with full_disk(less_than_the_manifest), pytest.raises(InputError, match="cannot be written"):
        make(tmp_path / "a", name="new")
    assert open_artifact(tmp_path / "a").manifest.name == "m"
    assert [p.name for p in tmp_path.iterdir()] == ["a"]


def test_names_with_newline_quotes_and_emoji(tmp_path: Path) -> None:
    folder = tmp_path / 'a "b"\n🦝'
    make(folder)
    assert open_artifact(folder).manifest.name == "m"
    (folder / MANIFEST).unlink()
    with pytest.raises(InputError) as caught:
        open_artifact(folder)
    assert "\n" not in str(caught.value)


def test_quantization_by_hand() -> None:
    # scale 0.5, zero point -3: 1.0 -> 2 - 3 = -1; 0.25 rounds half to even, 0 - 3; the rest clips.
    real = np.array([1.0, 0.25, -100.0, 100.0], np.float32)
    raw = SPEC.quantize(real)
    assert raw.dtype == np.int8
    assert raw.tolist() == [-1, -3, -128, 127]
    assert SPEC.dequantize(raw).tolist() == [1.0, 0.0, -62.5, 65.0]
