"""ONNX Runtime on the CPU, for .onnx files."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
from onnx.external_data_helper import uses_external_data

from edgekit.errors import InputError, one_line
from edgekit.runtime import SIGNATURE, Arrays, check_inputs, read_model, runtime_errors
from edgekit.runtime.exact_sums import PROVIDER, start
from edgekit.signature import DEFAULT_SIGNATURE, Signature, TensorSpec

_DTYPES = {"float": "float32", "double": "float64"}  # where ONNX Runtime and NumPy differ
_FATAL = 4  # the exception carries the reason; the log would say it a second time


class OnnxSession:
    """A Session over ONNX Runtime; see `edgekit.runtime.Session`."""

    takes_rows = False

    def __init__(self, path: Path, threads: int, keep_tensors: bool) -> None:
        self._path = path
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = _FATAL
        content = read_model(path)
        with runtime_errors(path, "cannot be loaded"):
            model = onnx.load_model_from_string(content)
            _refuse_external_data(model.graph, path)
            for function in model.functions:
                _refuse_external_data(function, path)
            if keep_tensors:
                content = _with_all_values(model).SerializeToString()
                options.graph_optimization_level = (
                    onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
                )
            self._session, exact = start(one_line(path.name), content, options)
            inputs = tuple(_spec(value) for value in self._session.get_inputs())
            outputs = tuple(_spec(value) for value in self._session.get_outputs())
            if keep_tensors:
                outputs = tuple(_with_scales(outputs, model.graph))
        told = {entry.key: entry.value for entry in model.metadata_props}
        name = told.get(SIGNATURE, DEFAULT_SIGNATURE)
        self.signatures: Mapping[str, Signature] = {name: Signature(inputs, outputs)}
        self.facts: Mapping[str, Any] = {
            "runtime": "onnxruntime",
            "version": onnxruntime.__version__,
            "threads": threads,
            "kernels": PROVIDER,
            "exact_sums": exact,
            "nodes": len(model.graph.node),
        }

    def __call__(
        self, inputs: Arrays, signature: str = DEFAULT_SIGNATURE
    ) -> dict[str, npt.NDArray[Any]]:
        """Run one inference."""
        check_inputs(inputs, self.signatures, signature, str(self._path))
        if self._session is None:
            raise ValueError("the session is closed")
        names = [spec.name for spec in self.signatures[signature].outputs]
        with runtime_errors(self._path, "cannot be run"):
            return dict(zip(names, self._session.run(names, dict(inputs)), strict=True))

    def close(self) -> None:
        """Free the model."""
        self._session = None


def open_model(path: Path, *, threads: int, keep_tensors: bool) -> OnnxSession:
    """Open an .onnx file; see `edgekit.runtime.open_model`.

    Raises:
        InputError: damaged, or its weights lie in other files (which such a file can point
            anywhere: see CVE-2024-27318 and its like).
    """
    return OnnxSession(path, threads, keep_tensors)


def _refuse_external_data(graph: Any, path: Path) -> None:
    for tensor in _tensors(graph):
        if uses_external_data(tensor):
            raise InputError(
                f"{path}: external data is refused",
                got=f"{tensor.name or 'a constant'} in another file",
                do="save the model in one file",
            )


def _tensors(graph: Any) -> Iterator[Any]:
    """Yield every constant of a graph or function, and of the graphs inside it."""
    yield from getattr(graph, "initializer", ())
    for sparse in getattr(graph, "sparse_initializer", ()):
        yield from (sparse.values, sparse.indices)
    for node in graph.node:
        for attribute in node.attribute:
            yield from (attribute.t, *attribute.tensors)
            for sparse in (attribute.sparse_tensor, *attribute.sparse_tensors):
                yield from (sparse.values, sparse.indices)
            for inner in (attribute.g, *attribute.graphs):
                yield from _tensors(inner)


def _with_all_values(model: Any) -> Any:
    """Return the model with what each node writes as an output; the runtime infers the types."""
    known = {value.name for value in model.graph.output}
    for node in model.graph.node:
        for name in node.output:
            if name and name not in known:
                known.add(name)
                model.graph.output.append(onnx.ValueInfoProto(name=name))
    return model


def _with_scales(specs: Iterable[TensorSpec], graph: Any) -> Iterator[TensorSpec]:
    """Yield each spec with the scale of the node that quantizes to it, if one does."""
    makers = {node.output[0]: node for node in graph.node if node.op_type == "QuantizeLinear"}
    stored = {tensor.name: tensor for tensor in graph.initializer}
    for spec in specs:
        maker = makers.get(spec.name)
        names = (*maker.input, "", "")[1:3] if maker else ("", "")
        scale, zero_point = (
            onnx.numpy_helper.to_array(stored[name]) if name in stored else None for name in names
        )
        if scale is not None and scale.size == 1:
            zero = 0 if zero_point is None else int(zero_point.reshape(()))
            spec = replace(spec, scale=float(scale.reshape(())), zero_point=zero)
        yield spec


def _spec(value: Any) -> TensorSpec:
    """Return the spec of an input or output; a named or unknown dimension is free."""
    kind = value.type.removeprefix("tensor(").removesuffix(")")
    if not value.type.startswith("tensor("):
        raise ValueError(f"{value.name} is a {value.type}, which is no tensor")
    dtype = np.dtype(_DTYPES.get(kind, kind)).name
    shape = tuple(size if isinstance(size, int) else -1 for size in value.shape)
    return TensorSpec(value.name, shape, dtype)
