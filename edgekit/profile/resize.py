"""The shapes of every tensor of a .tflite once its inputs have other sizes.

Only an interpreter knows what its ops make of a shape; it runs in a child process with limits,
since the file may be hostile, and says what it found.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from pathlib import Path

from edgekit.errors import InputError

# The parent's own path, and nothing from the working directory, decides what the child imports.
START = "import sys; sys.path[:] = sys.argv[1:]; import edgekit.profile.resize as r; r.answer()"
TIMEOUT_S = 60
MEMORY_BYTES = 8 << 30  # of address space; libraries reserve much of it


def resized_shapes(path: Path, shapes: dict[int, tuple[int, ...]]) -> dict[int, tuple[int, ...]]:
    """Return tensor index to shape after one inference with inputs of the sizes in `shapes`.

    Args:
        path: the model.
        shapes: of inputs of its first subgraph, by tensor index.

    Raises:
        InputError: the interpreter refuses the file or the sizes, dies, or takes too long.
    """
    request = json.dumps({"path": str(path), "shapes": shapes})
    try:
        done = subprocess.run(
            [sys.executable, "-c", START, *sys.path],
            input=request,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
        )
    except subprocess.TimeoutExpired:
        raise InputError(f"{path}: no shapes after {TIMEOUT_S} s", do="take smaller ones") from None
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
        raise InputError(
            f"{path}: its sizes are only known while it runs, and it does not run",
            got=last[:160],
            do="give the shapes of its inputs with --shape",
        )
    found: dict[str, list[int]] = json.loads(done.stdout.splitlines()[-1])
    return {int(index): tuple(shape) for index, shape in found.items()}


def answer() -> None:
    """Run in the child: read the request from stdin, print the shapes as the last line."""
    import numpy as np
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    request = json.load(sys.stdin)
    interpreter = Interpreter(
        model_path=request["path"],
        experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
        experimental_preserve_all_tensors=True,
    )
    for index, shape in request["shapes"].items():
        interpreter.resize_tensor_input(int(index), shape, strict=True)
    interpreter.allocate_tensors()
    for detail in interpreter.get_input_details():
        interpreter.set_tensor(detail["index"], np.zeros(detail["shape"], detail["dtype"]))
    interpreter.invoke()
    found = {d["index"]: [int(n) for n in d["shape"]] for d in interpreter.get_tensor_details()}
    sys.stdout.write("\n" + json.dumps(found) + "\n")
