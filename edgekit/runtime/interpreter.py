"""What LiteRT and tflite-runtime share: a Session over an `Interpreter` class of either package."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgekit.runtime import Arrays, check_inputs, read_model, runtime_errors
from edgekit.signature import DEFAULT_SIGNATURE, Signature, TensorSpec

Details = Mapping[str, Any]
Invoke = Callable[[Arrays], dict[str, npt.NDArray[Any]]]


class InterpreterSession:
    """A Session over a TFLite interpreter; see `edgekit.runtime.Session`."""

    takes_rows = False

    def __init__(
        self, path: Path, package: Any, runtime: str, version: str, threads: int, keep_tensors: bool
    ) -> None:
        self._path = path
        content = read_model(path)
        with runtime_errors(path, "cannot be loaded"):
            self._interpreter: Any = _interpreter(package, content, threads, keep_tensors)
            self._interpreter.allocate_tensors()
            self._invoke: dict[str, Invoke] = {}
            self.signatures: Mapping[str, Signature] = dict(self._open_signatures(keep_tensors))
            delegated, nodes = _delegated(self._interpreter._get_ops_details())
        self.facts: Mapping[str, Any] = {
            "runtime": runtime,
            "version": version,
            "threads": threads,
            "kernels": "XNNPACK" if delegated else "builtin",
            "nodes": nodes,
            "delegated": delegated,
        }

    def __call__(
        self, inputs: Arrays, signature: str = DEFAULT_SIGNATURE
    ) -> dict[str, npt.NDArray[Any]]:
        """Run one inference, which knows nothing of the one before."""
        check_inputs(inputs, self.signatures, signature, str(self._path))
        if self._interpreter is None:
            raise ValueError("the session is closed")
        with runtime_errors(self._path, "cannot be run"):
            self._interpreter.reset_all_variables()
            return self._invoke[signature](inputs)

    def close(self) -> None:
        """Free the model."""
        self._invoke.clear()
        self._interpreter = None

    def _open_signatures(self, keep_tensors: bool) -> Iterator[tuple[str, Signature]]:
        interpreter = self._interpreter
        names = list(interpreter.get_signature_list())
        if keep_tensors and DEFAULT_SIGNATURE in names:
            names = [DEFAULT_SIGNATURE]  # others would name some of the same tensors again
        for name in names:
            runner = interpreter.get_signature_runner(name)
            inputs, outputs = runner.get_input_details(), runner.get_output_details()
            self._invoke[name] = _by_signature(runner)
            yield name, self._signature(name, inputs, outputs, keep_tensors and len(names) == 1)
        if keep_tensors and len(names) > 1:
            raise ValueError("tensors can be kept in files of one signature only")
        if not names:
            sides = (interpreter.get_input_details(), interpreter.get_output_details())
            inputs, outputs = ({d["name"]: d for d in details} for details in sides)
            if any(
                len(named) != len(side)
                for named, side in zip((inputs, outputs), sides, strict=True)
            ):
                raise ValueError("two inputs or two outputs share a name")
            self._invoke[DEFAULT_SIGNATURE] = _by_tensor(interpreter, inputs, outputs)
            yield (
                DEFAULT_SIGNATURE,
                self._signature(DEFAULT_SIGNATURE, inputs, outputs, keep_tensors),
            )

    def _signature(
        self,
        name: str,
        inputs: Mapping[str, Details],
        outputs: Mapping[str, Details],
        keep_tensors: bool,
    ) -> Signature:
        if keep_tensors:
            kept = _intermediates(self._interpreter, inputs, outputs)
            self._invoke[name] = _keeping(self._interpreter, self._invoke[name], kept)
            outputs = {**outputs, **kept}
        return Signature(
            tuple(_spec(key, details) for key, details in inputs.items()),
            tuple(_spec(key, details) for key, details in outputs.items()),
        )


def _interpreter(package: Any, content: bytes, threads: int, keep_tensors: bool) -> Any:
    if not keep_tensors:
        return package.Interpreter(model_content=content, num_threads=threads)
    # A delegate fuses tensors away: only without one is each of them there to be read.
    return package.Interpreter(
        model_content=content,
        num_threads=threads,
        experimental_preserve_all_tensors=True,
        experimental_op_resolver_type=package.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
    )


def _by_signature(runner: Any) -> Invoke:
    def invoke(inputs: Arrays) -> dict[str, npt.NDArray[Any]]:
        return dict(runner(**inputs))

    return invoke


def _by_tensor(
    interpreter: Any, inputs: Mapping[str, Details], outputs: Mapping[str, Details]
) -> Invoke:
    shapes = {name: tuple(details["shape"]) for name, details in inputs.items()}

    def invoke(arrays: Arrays) -> dict[str, npt.NDArray[Any]]:
        if any(shapes[name] != array.shape for name, array in arrays.items()):
            for name, array in arrays.items():
                interpreter.resize_tensor_input(inputs[name]["index"], array.shape)
                shapes[name] = array.shape
            interpreter.allocate_tensors()
        for name, array in arrays.items():
            interpreter.set_tensor(inputs[name]["index"], array)
        interpreter.invoke()
        return {name: interpreter.get_tensor(d["index"]) for name, d in outputs.items()}

    return invoke


def _keeping(interpreter: Any, invoke: Invoke, kept: Mapping[str, Details]) -> Invoke:
    def invoke_and_read(inputs: Arrays) -> dict[str, npt.NDArray[Any]]:
        outputs = invoke(inputs)
        return outputs | {name: interpreter.get_tensor(d["index"]) for name, d in kept.items()}

    return invoke_and_read


def _intermediates(
    interpreter: Any, inputs: Mapping[str, Details], outputs: Mapping[str, Details]
) -> dict[str, Details]:
    """Return what the ops write on the way to the outputs, by tensor name, in running order."""
    details = {d["index"]: d for d in interpreter.get_tensor_details()}
    last = {d["index"] for d in outputs.values()}
    kept: dict[str, Details] = {}
    for op in interpreter._get_ops_details():
        for index in map(int, op["outputs"]):
            if index in details and index not in last:
                name = details[index]["name"]
                repeated = name in kept or name in inputs or name in outputs
                kept[f"{name}@{index}" if repeated else name] = details[index]
    return kept


def _delegated(ops: Sequence[Details]) -> tuple[int, int]:
    """Return how many of the graph's own nodes a delegate took, and how many there are.

    A delegate's node comes after the graph's own and names what it reads and what it writes; the
    nodes that it replaced are those between the two.
    """
    own = [op for op in ops if op["op_name"] != "DELEGATE"]
    writer = {int(t): number for number, op in enumerate(own) for t in op["outputs"]}
    taken: set[int] = set()
    for op in ops[len(own) :]:
        read = set(map(int, op["inputs"]))
        wanted = list(map(int, op["outputs"]))
        while wanted:
            number = writer.get(wanted.pop())
            if number is not None and number not in taken:
                taken.add(number)
                wanted += [t for t in map(int, own[number]["inputs"]) if t not in read]
    return len(taken), len(own)


def _spec(name: str, details: Details) -> TensorSpec:
    dtype = np.dtype(details["dtype"])
    shape = details["shape_signature"] if len(details["shape_signature"]) else details["shape"]
    quantization = details["quantization_parameters"]
    scale = zero_point = None
    if dtype.kind in "iu" and len(quantization["scales"]) == 1:
        scale = float(quantization["scales"][0])
        zero_point = int(quantization["zero_points"][0])
        if not (np.isfinite(scale) and scale > 0):
            raise ValueError(f"tensor {name} has the scale {scale}, which means nothing")
    return TensorSpec(name, tuple(map(int, shape)), dtype.name, scale, zero_point)
