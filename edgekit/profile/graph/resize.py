"""The shapes of every tensor of a .tflite once its inputs have other sizes.

Only an interpreter knows what its ops make of a shape; it runs in the sandbox, since the file may
be hostile, and says what it found.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edgekit.errors import InputError
from edgekit.runtime.child_process import Limits
from edgekit.runtime.sandbox import run_isolated


def resized_shapes(path: Path, shapes: dict[int, tuple[int, ...]]) -> dict[int, tuple[int, ...]]:
    """Return tensor index to shape after one inference with inputs of the sizes in `shapes`.

    Args:
        path: the model.
        shapes: of inputs of its first subgraph, by tensor index.

    Raises:
        InputError: the interpreter refuses the file or the sizes, dies, or takes too long.
    """
    found = run_isolated(
        f"{__name__}:run_resized",
        {"path": str(path), "shapes": {str(index): list(s) for index, s in shapes.items()}},
        what=str(path),
        runner="LiteRT",
        limits=Limits(memory_bytes=8 << 30),
    )
    return {int(index): tuple(shape) for index, shape in found.items()}


def run_resized(request: Mapping[str, Any]) -> dict[str, list[int]]:
    """Run in the child: one inference on zeros, then the shape of each tensor by its index."""
    import numpy as np
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    try:
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
    except (RuntimeError, ValueError) as error:
        raise InputError(
            f"{request['path']}: its sizes are only known while it runs, and it does not run",
            got=" ".join(str(error).split())[:160],
            do="give the shapes of its inputs with --shape",
        ) from None
    details = interpreter.get_tensor_details()
    return {str(d["index"]): [int(size) for size in d["shape"]] for d in details}
