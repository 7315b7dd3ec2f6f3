"""Products of spectra, as with a mel matrix, in float where the file's weights have 8 bits.

A dynamic op rounds what it is given to 8 bits of its largest value. A spectrum's quiet bands are
lost to that, and a logarithm behind makes of them most of what the network sees.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from edgekit.quantize.graph.tflite_file import kind_of, pack, store, unpack

_SPECTRUM = "RFFT2D"
_PRODUCTS = ("BATCH_MATMUL", "CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED")
_DENSE = "FULLY_CONNECTED"
_WEIGHTS = 1  # which input of a dense op


def with_float_spectra(content: bytes, real: Callable[[], bytes]) -> tuple[bytes, list[str]]:
    """Return a .tflite of dynamic ops with such products in float, and their names.

    Args:
        content: the file; it is returned as it is if it has none.
        real: makes the same network in float.
    """
    model = unpack(content)
    found = [(graph, op) for graph in model.subgraphs for op in _dynamic_of_spectra(model, graph)]
    if not found:
        return content, []
    weights = _weights_by_answer(unpack(real()))
    found = [each for each in found if each[0].tensors[each[1].outputs[0]].name in weights]
    for graph, op in found:
        tensor = graph.tensors[op.inputs[_WEIGHTS]]
        tensor.type, tensor.quantization = schema.TensorType.FLOAT32, None
        rounded = tensor.buffer
        tensor.buffer = store(model, weights[graph.tensors[op.outputs[0]].name])
        if all(t.buffer != rounded for other in model.subgraphs for t in other.tensors):
            model.buffers[rounded].data = None
        op.builtinOptions.asymmetricQuantizeInputs = False
    names = [graph.tensors[op.outputs[0]].name.decode() for graph, op in found]
    return pack(model), [name.partition(";")[0] for name in names]


def _dynamic_of_spectra(model: Any, graph: Any) -> Iterator[Any]:
    makers = {output: op for op in graph.operators for output in op.outputs}
    for op in graph.operators:
        if kind_of(model, op) == _DENSE and _is_dynamic(graph, op):
            kinds = {kind_of(model, made) for made in _behind(op, makers, model)}
            if _SPECTRUM in kinds:
                yield op


def _behind(op: Any, makers: dict[int, Any], model: Any) -> Iterator[Any]:
    """Yield what computes the values of a product, as far as there are no other products."""
    before = [op.inputs[0]]
    while before:
        made = makers.get(before.pop())
        if made is not None and kind_of(model, made) not in _PRODUCTS:
            yield made
            before += list(made.inputs)


def _is_dynamic(graph: Any, op: Any) -> bool:
    read, weights = (graph.tensors[op.inputs[place]].type for place in (0, _WEIGHTS))
    return bool(read == schema.TensorType.FLOAT32 and weights == schema.TensorType.INT8)


def _weights_by_answer(model: Any) -> dict[bytes, Any]:
    """Return the float weights of dense ops by what their answers are called."""
    found = {}
    for graph in model.subgraphs:
        for op in graph.operators:
            if kind_of(model, op) == _DENSE:
                data = model.buffers[graph.tensors[op.inputs[_WEIGHTS]].buffer].data
                if data is not None:
                    found[graph.tensors[op.outputs[0]].name] = np.frombuffer(
                        bytes(data), np.float32
                    )
    return found
