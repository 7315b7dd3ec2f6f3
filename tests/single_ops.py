"""The ops of a .tflite one by one: what each answers here, and there to the same inputs."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from ai_edge_litert.interpreter import Interpreter

from edgekit.device import Device
from edgekit.quantize.graph.tflite_file import kind_of, unpack

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))

from sub_networks import cut

ON_DEVICE = """
import json
import sys
from importlib import import_module
import numpy as np
Interpreter = import_module(sys.argv[1]).Interpreter
ops = np.load("ops.npz")
for number in range(len([name for name in ops if name.endswith("/model")])):
    single = Interpreter(model_content=ops[f"{number}/model"].tobytes(), num_threads=1)
    mine = [name.split("/") for name in ops if name.startswith(f"{number}/")]
    for _, _, index in (parts for parts in mine if parts[1] == "in"):
        single.resize_tensor_input(int(index), ops[f"{number}/in/{index}"].shape)
    single.allocate_tensors()
    for _, _, index in (parts for parts in mine if parts[1] == "in"):
        single.set_tensor(int(index), ops[f"{number}/in/{index}"])
    single.invoke()
    for _, _, index in (parts for parts in mine if parts[1] == "out"):
        expected = ops[f"{number}/out/{index}"]
        apart = np.abs(single.get_tensor(int(index)).astype(np.float64) - expected).max()
        print(json.dumps({"op": number, "apart": apart, "scale": float(np.abs(expected).max()),
                          "integer": expected.dtype.kind in "iub"}), flush=True)
"""
MODULES = {
    "tflite-runtime": "tflite_runtime.interpreter",
    "litert": "ai_edge_litert.interpreter",
}
SECONDS = 600.0


@dataclass(frozen=True)
class Answer:
    """How far one output of one op is from what it is here."""

    kind: str
    apart: float  # in the tensor's own numbers: steps, if they are integers
    scale: float  # of what it is here
    integer: bool


def compare_ops(
    path: Path,
    inputs: Mapping[str, np.ndarray],
    name: str,
    device: Device,
    folder: Path,
    runtime: str,
) -> list[Answer]:
    """Return every op's answers under a signature in a runtime there v LiteRT here.

    Each op gets what the ops before it answered here.
    """
    kinds, arrays = [], {}
    for number, (kind, content, given, answers) in enumerate(_chain(path, inputs, name, folder)):
        kinds.append(kind)
        arrays[f"{number}/model"] = np.frombuffer(content, np.uint8)
        arrays |= {f"{number}/in/{index}": values for index, values in given.items()}
        arrays |= {f"{number}/out/{index}": values for index, values in answers.items()}
    np.savez(folder / "ops.npz", **arrays)
    (folder / "ops.py").write_text(ON_DEVICE, encoding="utf-8")
    for file in ("ops.npz", "ops.py"):
        device.put(folder / file, file)
    argv = [device.python, "ops.py", MODULES[runtime]]
    said = [json.loads(line) for line in device.run(argv, timeout_s=SECONDS)]
    assert {each["op"] for each in said} == set(range(len(kinds)))
    return [Answer(kinds[each.pop("op")], **each) for each in said]


Values = dict[int, np.ndarray]  # by the number of a tensor


def _chain(
    path: Path, inputs: Mapping[str, np.ndarray], name: str, folder: Path
) -> Iterator[tuple[str, bytes, Values, Values]]:
    """Yield kind, content, inputs and answers of each op, the first example given.

    What makes weights real stands with the op that reads them: alone it is given nothing.
    """
    model = unpack(path.read_bytes())
    entry = next(d for d in model.signatureDefs if d.signatureKey.decode() == name)
    known: Values = {t.tensorIndex: inputs[t.name.decode()][:1] for t in entry.inputs}
    graph = model.subgraphs[entry.subgraphIndex]
    stored = {i for i, t in enumerate(graph.tensors) if model.buffers[t.buffer].data is not None}
    weights = {op.outputs[0]: place for place, op in enumerate(graph.operators)
               if stored.issuperset(op.inputs)}  # fmt: skip
    for place, op in enumerate(graph.operators):
        if op.outputs[0] in weights:
            continue
        places = [*(weights[i] for i in op.inputs if i in weights), place]
        alone = cut(path, places, folder / "op.tflite", entry.subgraphIndex)
        given, answers = _answers(alone.read_bytes(), known)
        known |= answers
        yield kind_of(model, op), alone.read_bytes(), given, answers


def _answers(content: bytes, known: Values) -> tuple[Values, Values]:
    """Return what a file of one op is given, of what is known, and what it answers."""
    single: Any = Interpreter(model_content=content, num_threads=1)
    given = {detail["index"]: known[detail["index"]] for detail in single.get_input_details()}
    for index, values in given.items():
        single.resize_tensor_input(index, values.shape)
    single.allocate_tensors()
    for index, values in given.items():
        single.set_tensor(index, values)
    single.invoke()
    places = [detail["index"] for detail in single.get_output_details()]
    return given, {index: single.get_tensor(index) for index in places}
