"""Crafted files: what would import, call, read or unpack more than a network is refused."""

from __future__ import annotations

import contextlib
import io
import json
import subprocess
import sys
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from edgekit.errors import EdgekitError, InputError
from edgekit.sources.keras_config import check_config
from edgekit.sources.screening import screen

GADGETS: dict[str, tuple[dict[str, Any], str]] = {
    # CVE-2025-8747: a function of Keras itself that downloads a file over any of ours
    "get_file as a function": (
        {"class_name": "function", "module": "keras.utils", "config": "get_file",
         "registered_name": "get_file"}, "keras.utils.get_file"),
    "get_file as a class": (
        {"class_name": "get_file", "module": "keras.utils", "config": {}, "registered_name": None},
        "keras.utils.get_file"),
    # CVE-2025-1550: any module
    "os.system": (
        {"class_name": "function", "module": "os", "config": "system", "registered_name": "x"},
        "os.system"),
    "subprocess.Popen": (
        {"class_name": "Popen", "module": "subprocess", "config": {}, "registered_name": "Popen"},
        "subprocess.Popen"),
    "builtins.eval": (
        {"class_name": "function", "module": "builtins", "config": "eval",
         "registered_name": "function"}, "builtins.eval"),
    "a module that only begins like Keras": (
        {"class_name": "Layer", "module": "keras_evil.layers", "config": {}}, "keras_evil"),
    "a submodule that is no part": (
        {"class_name": "Trainer", "module": "keras.src.utils.file_utils", "config": {}},
        "keras.src.utils"),
    "load_model": (
        {"class_name": "load_model", "module": "keras.models", "config": {"filepath": "x"}},
        "keras.models.load_model"),
    "deserialize": (
        {"class_name": "deserialize", "module": "keras.layers", "config": {}}, "deserialize"),
    "unsafe switch": (
        {"class_name": "function", "module": "keras.config", "registered_name": "function",
         "config": "enable_unsafe_deserialization"}, "enable_unsafe_deserialization"),
    "activations.get": (
        {"class_name": "function", "module": "keras.activations", "config": "get",
         "registered_name": "get"}, "activations.get"),
    "another name for a class": (
        {"class_name": "Dense", "module": "keras.layers", "config": {},
         "registered_name": "numpy"}, "custom class numpy"),
    "custom class": (
        {"class_name": "Mine", "module": None, "config": {}, "registered_name": "pkg>Mine"},
        "custom class pkg>Mine"),
    "custom class that is not registered": (
        {"class_name": "Mine", "config": {}, "module": None, "registered_name": "Mine"},
        "custom class Mine"),
    "custom class, old format": ({"class_name": "pkg>Mine", "config": {}}, "custom class pkg>Mine"),
    "custom function": (
        {"class_name": "function", "module": "builtins", "config": "relu",
         "registered_name": "pkg>mine"}, "custom function pkg>mine"),
    "marshalled code": (
        {"class_name": "__lambda__", "config": {"value": "4wAA"}}, "holds Python code"),
    "unknown value": ({"class_name": "__evil__", "config": {}}, "__evil__"),
    "class name as a list": ({"class_name": ["Dense"], "config": {}}, "Dense"),
    "Lambda": (
        {"class_name": "Lambda", "module": "keras.layers", "registered_name": None,
         "config": {"function": ["4wEA", None, None], "function_type": "lambda"}},
        "Lambda, which holds Python code"),
    "Lambda by another road": (
        {"class_name": "Lambda", "module": "keras.src.layers.core.lambda_layer", "config": {}},
        "Lambda"),
    "torch pickle": (
        {"class_name": "TorchModuleWrapper", "module": "keras.layers", "config": {"module": "gA"}},
        "holds a pickle"),
    "SavedModel of somebody": (
        {"class_name": "TFSMLayer", "module": "keras.layers", "config": {"filepath": "/etc"}},
        "loads another file"),
    "any op": (
        {"class_name": "TensorFlowOpLayer", "config": {"node_def": "op: 'ReadFile'"}},
        "runs any TensorFlow op"),
    "any type": ({"class_name": "__typespec__", "config": [], "module": "os"}, "__typespec__"),
    "write_file": (
        {"class_name": "TFOpLambda", "config": {"name": "w", "function": "io.write_file"}},
        "tf.io.write_file"),
    "py_function": (
        {"class_name": "TFOpLambda", "config": {"name": "w", "function": "py_function"}},
        "tf.py_function"),
    "raw op": (
        {"class_name": "SlicingOpLambda", "config": {"function": "raw_ops.ReadFile"}},
        "tf.raw_ops.ReadFile"),
    "op without a name": ({"class_name": "TFOpLambda", "config": None}, "tf.None"),
    # CVE-2025-12058: the words of a lookup layer come from any file of the machine that loads
    "vocabulary": (
        {"class_name": "StringLookup", "module": "keras.layers",
         "config": {"name": "w", "vocabulary": "/etc/passwd"}}, "vocabulary in a file"),
}  # fmt: skip


def config_of(gadget: Any, place: str = "layer") -> dict[str, Any]:
    dense = {"name": "d", "units": 1, "activation": "relu"}
    layer: Any = {"class_name": "Dense", "module": "keras.layers", "config": dense}
    layers = [layer]
    if place == "layer":
        layers.append(gadget)
    elif place == "activation":
        dense["activation"] = gadget
    elif place == "nested":
        inner = {"class_name": "Functional", "config": {"name": "inner", "layers": [gadget]}}
        layers.append(
            {
                "class_name": "TimeDistributed",
                "module": "keras.layers",
                "config": {"layer": inner},
            }
        )
    else:
        layer["inbound_nodes"] = [{"args": [{"deep": [gadget]}], "kwargs": {}}]
    model = {"name": "model", "layers": layers}
    return {"class_name": "Functional", "module": "keras.src.models.functional", "config": model}


@pytest.mark.parametrize("place", ["layer", "activation", "nested", "call"])
@pytest.mark.parametrize("name", GADGETS)
def test_gadgets_are_refused_wherever_they_stand(name: str, place: str) -> None:
    gadget, says = GADGETS[name]
    check_config(config_of({"class_name": "ReLU", "config": {}}, place), "m.keras")
    with pytest.raises(InputError) as error:
        check_config(config_of(gadget, place), "m.keras")
    assert says in str(error.value)
    assert "--trust-model" in str(error.value) or "module:function" in str(error.value)


def test_the_line_names_the_layer() -> None:
    gadget = {"class_name": "Lambda", "config": {"name": "my_scaling"}}
    with pytest.raises(InputError, match=r"^m\.keras: layer my_scaling: got Lambda"):
        check_config(config_of(gadget), "m.keras")


def weights() -> bytes:
    content = io.BytesIO()
    with h5py.File(content, "w") as file:
        file["layers/d/vars/0"] = np.zeros((3, 1), np.float32)
    return content.getvalue()


def archive(path: Path, extra: dict[Any, bytes] | None = None, **replaced: bytes) -> Path:
    members: dict[Any, bytes] = {
        "metadata.json": b'{"keras_version": "3.9.0"}',
        "config.json": json.dumps(config_of({"class_name": "ReLU", "config": {}})).encode(),
        "model.weights.h5": weights(),
        **{name.replace("_", ".", 1): data for name, data in replaced.items()},
    }
    with zipfile.ZipFile(path, "w") as file, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # zipfile warns of a name that is there twice
        for name, data in [*members.items(), *(extra or {}).items()]:
            file.writestr(name, data, compress_type=zipfile.ZIP_DEFLATED)
    return path


def link(name: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name)
    entry.external_attr = 0o120777 << 16
    return entry


def test_the_plain_archive_passes(tmp_path: Path) -> None:
    found = screen(archive(tmp_path / "m.keras"))
    assert (found.writer, found.container, found.keras_version) == ("keras3", "zip", "3.9.0")
    assert "Dense" in found.classes
    path = archive(tmp_path / "2.keras", metadata_json=b'{"keras_version": "2.13.1"}')
    assert screen(path).writer == "tf_keras"


@pytest.mark.parametrize(
    ("extra", "replaced", "says"),
    [
        ({"../../x": b""}, {}, "a file that Keras does not write"),
        ({"assets/../../x": b""}, {}, "does not write"),
        ({"/etc/x": b""}, {}, "does not write"),
        ({"evil.py": b""}, {}, "does not write"),
        ({link("assets/x"): b"/etc/passwd"}, {}, "a link"),
        ({"config.json": b"{}"}, {}, "one name twice"),
        ({"assets/x": bytes(10 << 20)}, {}, "unpacks to much more"),
        ({f"assets/{i}": b"" for i in range(100_001)}, {}, "too many files"),
        ({}, {"config_json": b"{"}, "damaged"),
        ({}, {"config_json": b"[" * 100_000}, "damaged"),
        ({}, {"config_json": b"[]"}, "expected objects"),
        ({}, {"config_json": b"\xff\xfe"}, "damaged"),
        ({}, {"metadata_json": b"[]"}, "expected objects"),
        ({}, {"metadata_json": b"{}"}, "written by Keras 'nothing'"),
        ({}, {"metadata_json": b'{"keras_version": "1.2"}'}, "written by Keras '1.2'"),
        ({}, {"metadata_json": b'{"keras_version": null}'}, "written by Keras 'None'"),
        ({}, {"model_weights.h5": b"no HDF5"}, "damaged"),
    ],
)
def test_archives_that_are_not_what_keras_writes(
    tmp_path: Path, extra: dict[Any, bytes], replaced: dict[str, bytes], says: str
) -> None:
    path = archive(tmp_path / "m.keras", extra, **replaced)
    for trust in (False, True):
        with pytest.raises(InputError) as error:
            screen(path, trust=trust)
        assert says in str(error.value)


def test_trust_passes_code_and_nothing_else(tmp_path: Path) -> None:
    gadget = {"class_name": "Lambda", "config": {"name": "l"}}
    path = archive(tmp_path / "m.keras", config_json=json.dumps(config_of(gadget)).encode())
    with pytest.raises(InputError, match="--trust-model"):
        screen(path)
    assert "Lambda" in screen(path, trust=True).classes


def test_a_loss_of_the_authors_own_does_not_matter(tmp_path: Path) -> None:
    config = config_of({"class_name": "ReLU", "config": {}})
    config["compile_config"] = {"loss": {"class_name": "function", "config": "mine"}}
    screen(archive(tmp_path / "m.keras", config_json=json.dumps(config).encode()))
    # But that of a model inside would be read.
    config["config"]["layers"].append(json.loads(json.dumps(config)))
    with pytest.raises(InputError, match=r"function None\.mine"):
        screen(archive(tmp_path / "n.keras", config_json=json.dumps(config).encode()))


def hdf5(path: Path, spoil: Callable[[h5py.File], None] = lambda file: None) -> Path:
    with h5py.File(path, "w") as file:
        file.attrs["keras_version"] = "2.15.0"
        file.attrs["model_config"] = json.dumps(config_of({"class_name": "ReLU", "config": {}}))
        file["model_weights/d/kernel"] = np.zeros((3, 1), np.float32)
        spoil(file)
    return path


def _external_storage(file: h5py.File) -> None:
    file.create_dataset("x", (8,), "u1", external=[("/etc/passwd", 0, 8)])


def _virtual(file: h5py.File) -> None:
    layout = h5py.VirtualLayout((8,), "u1")
    layout[:] = h5py.VirtualSource("/etc/passwd", "x", (8,))
    file.create_virtual_dataset("x", layout)


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda f: f.__setitem__("x", h5py.ExternalLink("/tmp/o.h5", "/")), "x: got a link"),
        (lambda f: f.__setitem__("x", h5py.SoftLink("/model_weights")), "x: got a link"),
        (lambda f: f.__setitem__("model_weights/loop", f["/"]), "a loop"),
        (lambda f: f.__setitem__("x", f["model_weights"]), "a loop"),
        (_external_storage, "data that lie in another file"),
        (_virtual, "data that lie in another file"),
        (lambda f: f.create_dataset("x", (1 << 40,), "f4", chunks=True), "unpacks to much more"),
        (lambda f: f.attrs.__delitem__("model_config"), "weights at most"),
        (lambda f: f.attrs.__delitem__("keras_version"), "written by Keras 'nothing'"),
        (lambda f: f.attrs.__setitem__("model_config", "[1]"), "expected an object"),
        (lambda f: f.attrs.__setitem__("model_config", np.arange(3)), "damaged"),
        (lambda f: f.attrs.__setitem__(
            "model_config", json.dumps(config_of(GADGETS["Lambda"][0]))), "holds Python code"),
    ],
)  # fmt: skip
def test_hdf5_that_reaches_outside_itself(
    tmp_path: Path, spoil: Callable[[h5py.File], None], says: str
) -> None:
    assert screen(hdf5(tmp_path / "good.h5")).writer == "tf_keras"
    with pytest.raises(InputError) as error:
        screen(hdf5(tmp_path / "m.h5", spoil))
    assert says in str(error.value)


def test_links_inside_the_weights_of_an_archive(tmp_path: Path) -> None:
    content = io.BytesIO()
    with h5py.File(content, "w") as file:
        file["x"] = h5py.ExternalLink("/tmp/o.h5", "/")
    path = archive(tmp_path / "m.keras", **{"model_weights.h5": content.getvalue()})
    with pytest.raises(InputError, match="x: got a link"):
        screen(path)


def test_a_suffix_that_lies(tmp_path: Path) -> None:
    for wrong, made in (("m.h5", archive), ("n.keras", hdf5)):
        with pytest.raises(InputError, match="rename it"):
            screen(made(tmp_path / wrong))
    for name in ("a.keras", "b.h5"):
        (tmp_path / name).write_bytes(b"")
        with pytest.raises(InputError, match="not a Keras file"):
            screen(tmp_path / name)
    with pytest.raises(InputError, match="no such file"):
        screen(tmp_path / "missing\nfile.keras")


@pytest.mark.parametrize("made", [archive, hdf5])
def test_damaged_files_never_raise_anything_else(
    tmp_path: Path, made: Callable[[Path], Path]
) -> None:
    path = made(tmp_path / ("m.keras" if made is archive else "m.h5"))
    good, chance, refused = path.read_bytes(), np.random.default_rng(0), 0
    for trial in range(300):
        bad = bytearray(good)
        if trial % 3 == 0:
            bad = bad[: chance.integers(1, len(bad))]
        for _ in range(int(chance.integers(1, 5))):
            bad[chance.integers(0, len(bad))] = int(chance.integers(0, 256))
        path.write_bytes(bad)
        with contextlib.suppress(EdgekitError):
            screen(path)
            continue
        refused += 1
    assert refused > 100  # every truncated one at least


def test_screening_imports_no_tensorflow(tmp_path: Path) -> None:
    path = hdf5(tmp_path / "m.h5")
    program = (
        "import sys; from edgekit.sources import parse; from edgekit.sources.screening import "
        f"screen; parse({str(path)!r}); screen({str(path)!r}); "
        "print([m for m in sys.modules if m in ('tensorflow', 'tf_keras', 'keras', 'torch')])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stderr
