"""What a target refuses, against the runtime itself."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from edgekit.errors import InputError
from edgekit.export.targets import check_target, targets

OLD = "tflite-runtime-2.14"
LOAD = "import sys; from tflite_runtime.interpreter import Interpreter; Interpreter(sys.argv[1])"


@pytest.fixture(scope="module")
def dense(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A dense layer above the converter's threshold of 1024 weights, and a float convolution."""
    keras = pytest.importorskip("tf_keras")
    tf = pytest.importorskip("tensorflow")
    folder = tmp_path_factory.mktemp("targets")
    layers = keras.layers
    wide = keras.Sequential([layers.Input((64,)), layers.Dense(64)])
    picture = keras.Sequential([layers.Input((8, 8, 3)), layers.Conv2D(4, 3), layers.ReLU()])
    dynamic = tf.lite.TFLiteConverter.from_keras_model(wide)
    dynamic.optimizations = [tf.lite.Optimize.DEFAULT]
    files = {"dynamic": dynamic.convert()}
    files["float"] = tf.lite.TFLiteConverter.from_keras_model(picture).convert()
    for name, content in files.items():
        (folder / f"{name}.tflite").write_bytes(content)
    return {name: folder / f"{name}.tflite" for name in files}


def loads(path: Path) -> subprocess.CompletedProcess[str]:
    """Load in tflite-runtime, in a child: it may crash."""
    pytest.importorskip("tflite_runtime")
    return subprocess.run(
        [sys.executable, "-c", LOAD, str(path)], capture_output=True, text=True, timeout=60
    )


def test_dynamic_range_dense_is_refused_by_name(dense: dict[str, Path]) -> None:
    (refused,) = check_target(dense["dynamic"], OLD)
    assert (refused.op, refused.version) == ("FULLY_CONNECTED", 12)
    assert refused.highest < 12
    done = loads(dense["dynamic"])
    assert done.returncode
    assert "'FULLY_CONNECTED' version '12'" in done.stderr


def test_float_convolution_passes(dense: dict[str, Path]) -> None:
    assert check_target(dense["float"], OLD) == ()
    assert loads(dense["float"]).returncode == 0


def test_newest_runtime_takes_what_the_converter_writes(dense: dict[str, Path]) -> None:
    newest = next(name for name in targets() if name.startswith("ai-edge-litert"))
    assert [check_target(path, newest) for path in dense.values()] == [(), ()]


def test_published_files_agree_with_the_runtime(shared_data: Path) -> None:
    for path in sorted((shared_data / "tflite").iterdir()):
        assert bool(check_target(path, OLD)) == bool(loads(path).returncode), path.name


def test_unknown_target_lists_the_known(dense: dict[str, Path]) -> None:
    with pytest.raises(InputError, match=rf"target nosuch: unknown.*{OLD}"):
        check_target(dense["float"], "nosuch")


def test_op_that_is_absent_and_op_whose_first_version_is_gone(tmp_path: Path) -> None:
    """BROADCAST_TO starts at version 2 in this runtime, and it has no STABLEHLO_ADD."""
    sys.path.insert(0, str(Path(__file__).parents[2] / "converters"))
    try:
        import op_versions
    finally:
        sys.path.pop(0)
    codes = {n: v for n, v in vars(op_versions.schema.BuiltinOperator).items() if n.isupper()}
    for name, version, taken in (
        ("BROADCAST_TO", 1, False),
        ("BROADCAST_TO", 2, True),
        ("STABLEHLO_ADD", 1, False),
        ("CONV_2D", 7, True),
        ("CONV_2D", 8, False),
    ):
        path = tmp_path / "m.tflite"
        path.write_bytes(op_versions.probe(codes[name], version))
        assert (check_target(path, OLD) == ()) is taken
        assert (loads(path).returncode == 0) is taken, (name, version)


@pytest.mark.parametrize("runtime", ["tflite_runtime", "litert"])
def test_measured_table_is_what_the_runtime_says(runtime: str) -> None:
    pytest.importorskip("tflite_runtime" if runtime == "tflite_runtime" else "ai_edge_litert")
    program = Path(__file__).parents[2] / "converters" / "op_versions.py"
    done = subprocess.run(
        [sys.executable, str(program), "--smoke", "--runtime", runtime],
        capture_output=True,
        text=True,
        check=True,
    )
    import json

    measured = json.loads(done.stdout)
    if measured["target"] not in targets():
        pytest.skip(f"another version is installed: {measured['target']}")
    table = Path(program.parents[1] / "edgekit/export/targets" / f"{measured['target']}.json")
    committed = json.loads(table.read_text())["ops"]
    for name in ("CONV_2D", "FULLY_CONNECTED", "STABLEHLO_ADD"):
        assert committed.get(name) == measured["ops"].get(name)
