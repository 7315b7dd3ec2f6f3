"""CPU of counting a model, against onnx_tool and TensorFlow's analyzer, and of a large model.

Every program runs in a process of its own and times its work after imports, in turn with the others
in the same run. onnx_tool lives in an environment that this program makes (needs the network; its
rows are left out with the reason where there is none).

Run: python benchmarks/inspect_speed.py [--smoke]    (about 3 minutes)
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import venv
from pathlib import Path
from typing import Any

import flatbuffers
import numpy as np
import onnx
from ai_edge_litert import schema_py_generated as schema

from results import FOLDER, Row, write_results

DATA = Path(os.environ.get("EDGEKIT_SHARED_DATA", Path(__file__).parents[2] / "shared/data"))
TFLITE = DATA / "tflite/tf2_mobilenet_v2_1.0_224_ptq.tflite"
ONNX_TOOL = "onnx-tool==1.0.1"
PEERS = Path(tempfile.gettempdir()) / "edgekit-peers-onnx-tool"
LARGE_MB = 100
LARGE_LAYERS = 40

# Each prints JSON: CPU seconds after imports, MAdds where it counts them, peak resident memory, CPU
# seconds of the whole process.
END = """
spent = time.process_time() - began
import json, pathlib
# VmHWM begins with this program; ru_maxrss would begin with its parent.
status = pathlib.Path("/proc/self/status").read_text()
resident = int(status.split("VmHWM:")[1].split()[0]) * 1024
print(json.dumps([spent, madds, resident, time.process_time()]))
"""
OURS = """
import sys, time
from edgekit.profile.graph import read_graph
from edgekit.profile.cost.summary import summarize
import edgekit.profile.graph.{reader}
began = time.process_time()
madds = summarize(read_graph(sys.argv[1])).madds
"""
ANALYZER = """
import contextlib, io, sys, time
import tensorflow as tf
began = time.process_time()
with contextlib.redirect_stdout(io.StringIO()):
    tf.lite.experimental.Analyzer.analyze(model_path=sys.argv[1])
madds = None
"""
PEER = """
import contextlib, io, sys, time
import onnx_tool
began = time.process_time()
model = onnx_tool.Model(sys.argv[1])
with contextlib.redirect_stdout(io.StringIO()):
    model.graph.shape_infer()
    model.graph.profile()
madds = int(model.graph.macs[0])
"""


def main() -> int:
    """Count in turn, write results/inspect_speed.json."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--smoke", action="store_true", help="one turn, without the peers")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where to write")
    options = parser.parse_args()
    began = time.monotonic()
    turns = 1 if options.smoke else 7
    with tempfile.TemporaryDirectory() as scratch:
        rows = tflite_rows(turns, peers=not options.smoke)
        rows += [] if options.smoke else onnx_rows(Path(scratch), turns)
        rows += large_rows(Path(scratch))
        minutes = (time.monotonic() - began) / 60
        folder = Path(scratch) if options.smoke else options.folder
        write_results("inspect_speed", rows, minutes=minutes, seeds=[], folder=folder)
    for row in rows:
        print(f"{row.case}: {row.metric} {row.value:.4g} {row.unit}, {row.target}: {row.met}")
    return 0


def run(code: str, model: Path, python: str = sys.executable) -> Any:
    """Return what a program prints, as JSON."""
    command = [python, "-c", code + END, str(model)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr[-1000:])
    return json.loads(done.stdout.splitlines()[-1])


def tflite_rows(turns: int, *, peers: bool) -> list[Row]:
    """A MobileNetV2 .tflite, ours in turn with TensorFlow's analyzer."""
    ours, theirs = [], []
    for _ in range(turns):
        ours.append(run(OURS.format(reader="tflite"), TFLITE))
        if peers:
            theirs.append(run(ANALYZER, TFLITE))
    case = "MobileNetV2 1.0/224 int8 .tflite"
    own = statistics.median(r[0] for r in ours)
    rows = [Row(case, "CPU after imports", "ms", 1000 * own, target="<= 50")]
    rival = "tf.lite Analyzer, which counts nothing"
    return [*rows, *ratios(case, ours, theirs, rival, None)] if peers else rows


def ratios(case: str, ours: Any, theirs: Any, rival: str, target: str | None) -> list[Row]:
    """Return our CPU over the rival's, after imports and in all."""
    rows = []
    for column, what, goal in ((0, "after imports", target), (3, "whole process", "<= 1.0")):
        own, other = (statistics.median(r[column] for r in found) for found in (ours, theirs))
        source = f"{rival}: {1000 * own:.1f} v {1000 * other:.1f} ms in the same run"
        rows.append(Row(case, f"CPU ratio, {what}", "x", own / other, anchor=1.0,
                        anchor_source=source, target=goal))  # fmt: skip
    return rows


def onnx_rows(scratch: Path, turns: int) -> list[Row]:
    """A MobileNetV2 .onnx, ours in turn with onnx_tool; none without the network."""
    python = make_peers()
    if python is None:
        print(f"onnx_tool left out: {ONNX_TOOL} cannot be installed here", file=sys.stderr)
        return []
    model = export(scratch)
    ours, theirs = [], []
    for _ in range(turns):
        ours.append(run(OURS.format(reader="onnx"), model))
        theirs.append(run(PEER, model, python))
    case = "MobileNetV2 1.0/224 f32 .onnx"
    counted = f"{ONNX_TOOL}; the network has 300.774272M"
    return [
        *ratios(case, ours, theirs, ONNX_TOOL, "<= 1.0"),
        Row(case, "MAdds", "M", ours[0][1] / 1e6, kind="counted", anchor=theirs[0][1] / 1e6,
            anchor_source=counted, target="300.774272..300.774272"),
    ]  # fmt: skip


def large_rows(scratch: Path) -> list[Row]:
    """Forty convolutions that make a file of 100 MB, as .onnx and as .tflite."""
    channels = int((LARGE_MB * 1e6 / 4 / LARGE_LAYERS) ** 0.5)
    rows = []
    for reader, write in (("onnx", write_large_onnx), ("tflite", write_large_tflite)):
        model = scratch / f"large.{reader}"
        write(model, channels)
        seconds, madds, resident, _ = run(OURS.format(reader=reader), model)
        if madds != LARGE_LAYERS * channels**2:
            raise RuntimeError(f"{model.name}: {madds} MAdds")
        case = f"{LARGE_MB} MB .{reader} of {LARGE_LAYERS} layers"
        rows += [
            Row(case, "CPU after imports", "s", seconds, target="<= 2"),
            Row(case, "peak resident memory", "MB", resident / 1e6, target="<= 300"),
        ]
    return rows


def write_large_onnx(path: Path, channels: int) -> None:
    """Write 1x1 convolutions on one pixel."""
    shape = [1, channels, 1, 1]
    weights = np.zeros((channels, channels, 1, 1), np.float32)
    names = [f"t{i}" for i in range(LARGE_LAYERS + 1)]
    value = onnx.helper.make_tensor_value_info
    graph = onnx.helper.make_graph(
        [
            onnx.helper.make_node("Conv", [source, f"w{i}"], [made])
            for i, (source, made) in enumerate(itertools.pairwise(names))
        ],
        "large",
        [value(names[0], onnx.TensorProto.FLOAT, shape)],
        [value(names[-1], onnx.TensorProto.FLOAT, shape)],
        [onnx.numpy_helper.from_array(weights, f"w{i}") for i in range(LARGE_LAYERS)],
    )
    onnx.save(onnx.helper.make_model(graph), path)


def write_large_tflite(path: Path, channels: int) -> None:
    """Write the same by the schema's own builders."""
    weights = np.zeros(channels * channels * 4, np.uint8)
    buffers = [schema.BufferT(), *(schema.BufferT(data=weights) for _ in range(LARGE_LAYERS))]

    def tensor(name: str, shape: list[int], buffer: int = 0) -> Any:
        return schema.TensorT(name=name.encode(), shape=shape, buffer=buffer)

    maps = [tensor(f"t{i}", [1, 1, 1, channels]) for i in range(LARGE_LAYERS + 1)]
    kernels = [tensor(f"w{i}", [channels, 1, 1, channels], i + 1) for i in range(LARGE_LAYERS)]
    graph = schema.SubGraphT(
        tensors=[*maps, *kernels],
        inputs=[0],
        outputs=[LARGE_LAYERS],
        operators=[
            schema.OperatorT(inputs=[i, len(maps) + i, -1], outputs=[i + 1])
            for i in range(LARGE_LAYERS)
        ],
    )
    code = schema.BuiltinOperator.CONV_2D
    codes = [schema.OperatorCodeT(deprecatedBuiltinCode=code, builtinCode=code, version=1)]
    model = schema.ModelT(version=3, operatorCodes=codes, subgraphs=[graph], buffers=buffers)
    builder = flatbuffers.Builder(1 << 20)
    builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
    path.write_bytes(builder.Output())


def export(scratch: Path) -> Path:
    """Return our MobileNetV2 as .onnx."""
    from edgekit.export.conversion import Plan, convert
    from edgekit.quantize.scheme import parse_scheme
    from edgekit.sources import load

    plan = Plan(schemes=(parse_scheme("f32"),), formats=("onnx",))
    artifact = convert(load("mobilenet_v2:1.0-224"), plan, scratch / "artifact").artifact
    return artifact.path(artifact.manifest.files[0])


def make_peers() -> str | None:
    """Return the interpreter of the environment of onnx_tool, made once; None without it."""
    python = PEERS / "bin/python"
    if not (PEERS / "ready").exists():
        venv.create(PEERS, with_pip=True, clear=True)
        command = [str(python), "-m", "pip", "install", "--quiet", ONNX_TOOL]
        if subprocess.run(command, check=False).returncode:
            return None
        (PEERS / "ready").touch()
    return str(python)


if __name__ == "__main__":
    raise SystemExit(main())
