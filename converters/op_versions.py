"""Measure which version of each builtin op a TFLite runtime takes.

A model that declares one op in one version and uses nothing is loaded in a child process; the
runtime itself says "Didn't find op for builtin opcode 'X' version 'v'". Run on the machine whose
runtime is in question; a few minutes for two runtimes:

    python converters/op_versions.py
    python converters/op_versions.py --runtime tflite_runtime --smoke
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import Any

import flatbuffers
from ai_edge_litert import schema_py_generated as schema

from edgekit.files import write_file

TARGETS = Path(__file__).parents[1] / "edgekit" / "export" / "targets"
RUNTIMES = {
    "tflite_runtime": ("tflite-runtime", "tflite_runtime.interpreter"),
    "litert": ("ai-edge-litert", "ai_edge_litert.interpreter"),
}
HIGHEST = 20  # no op has had as many versions yet
NOT_OPS = {"CUSTOM", "DELEGATE", "PLACEHOLDER_FOR_GREATER_OP_CODES"}
TIMEOUT_S = 60
REFUSED = "Didn't find op for builtin opcode"
UNKNOWN_CODE = "builtin_code out of range"  # the op is younger than the runtime


def probe(code: int, version: int) -> bytes:
    """Return a model that declares one op and passes its input through."""
    shape = schema.TensorT(shape=[1], buffer=0, name=b"x")
    model = schema.ModelT(
        version=3,
        operatorCodes=[
            schema.OperatorCodeT(
                deprecatedBuiltinCode=min(code, 127), builtinCode=code, version=version
            )
        ],
        subgraphs=[schema.SubGraphT(tensors=[shape], inputs=[0], outputs=[0], operators=[])],
        buffers=[schema.BufferT()],
    )
    builder = flatbuffers.Builder(256)
    builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
    return bytes(builder.Output())


def answer(module: str, code: int) -> None:
    """In the child: print the versions that load, as JSON."""
    from importlib import import_module

    interpreter = import_module(module).Interpreter
    taken = []
    for version in range(1, HIGHEST + 1):
        try:
            interpreter(model_content=probe(code, version))
        except (RuntimeError, ValueError) as error:
            if REFUSED not in str(error) and UNKNOWN_CODE not in str(error):
                raise
        else:
            taken.append(version)
    print(json.dumps(taken))


def measure(runtime: str, names: dict[str, int]) -> dict[str, Any]:
    """Return the target's table, asking one child for each op."""
    package, module = RUNTIMES[runtime]
    ops: dict[str, int] = {}
    lowest: dict[str, int] = {}  # of the few ops whose first version the runtime has dropped
    for name, code in sorted(names.items()):
        done = subprocess.run(
            [sys.executable, __file__, "--child", module, str(code)],
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
        )
        if done.returncode:
            raise SystemExit(f"{runtime} {name}: {done.stderr.strip()[-300:] or done.returncode}")
        taken = json.loads(done.stdout)
        if taken and taken != list(range(taken[0], taken[-1] + 1)):
            raise SystemExit(f"{runtime} {name}: takes {taken}, expected versions in a row")
        if taken:
            ops[name] = taken[-1]
        if taken and taken[0] > 1:
            lowest[name] = taken[0]
        print(f"{runtime} {name} {ops.get(name, 0)}", file=sys.stderr)
    return {"target": target_name(package), "package": package,
            "version": installed_version(package), "ops": ops, "lowest": lowest}  # fmt: skip


def target_name(package: str) -> str:
    """Return the package and its version without the patch: "tflite-runtime-2.14"."""
    return f"{package}-{'.'.join(installed_version(package).split('.')[:2])}"


def main() -> None:
    """Measure the runtimes that are asked for and write their tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runtime", choices=RUNTIMES, action="append")
    parser.add_argument("-o", "--output", type=Path, default=TARGETS)
    parser.add_argument("--smoke", action="store_true", help="three ops, printed and not written")
    parser.add_argument("--child", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        return answer(arguments.child[0], int(arguments.child[1]))
    names = {n: v for n, v in vars(schema.BuiltinOperator).items() if n.isupper()}
    names = {n: v for n, v in names.items() if n not in NOT_OPS}
    if arguments.smoke:
        names = {n: names[n] for n in ("CONV_2D", "FULLY_CONNECTED", "STABLEHLO_ADD")}
    for runtime in arguments.runtime or RUNTIMES:
        table = measure(runtime, names)
        text = json.dumps(table, indent=2) + "\n"
        if arguments.smoke:
            print(text, end="")
        else:
            write_file(arguments.output / f"{table['target']}.json", text)
    return None


if __name__ == "__main__":
    main()
