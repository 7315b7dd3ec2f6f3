"""A network that Keras 3 quantized itself, as the float network that its 8-bit weights mean.

`model.quantize("int8")` keeps weights as integers with a scale a channel, and rounds each row of
what a layer reads by the row's own largest value, at every call: nothing in a file does that.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from edgekit.export.source import Source
from edgekit.export.tracing.lowering import functional

_POLICY = "QuantizedDTypePolicy"
_INT8 = "int8"


def without_quantization(source: Source) -> Source:
    """Return a source of float layers alone, with a remark if that changed its network."""
    if not any(_mode(layer) == _INT8 for layer in source.model._flatten_layers()):
        return source
    remark = (f"{source.name}: quantized by Keras: its 8-bit weights are taken, but no file rounds "
              "what layers read by each row's largest value")  # fmt: skip
    return replace(source, model=_as_float(source.model), remarks=(*source.remarks, remark))


def _as_float(model: Any) -> Any:
    """Return the same network of float layers, whose weights are the integers by their scales."""
    functional(model)  # or the line that says why a subclassed one will not do
    values: dict[str, npt.NDArray[Any]] = {v.path: np.asarray(v) for v in model.variables}
    for layer in model._flatten_layers():
        if _mode(layer) == _INT8:
            values |= _weights(layer)
    plain = type(model).from_config(_unquantized(model.get_config()))
    for variable in plain.variables:
        variable.assign(values[variable.path])
    return plain


def _mode(layer: Any) -> str | None:
    return getattr(layer, "quantization_mode", None)


def _weights(layer: Any) -> dict[str, npt.NDArray[Any]]:
    """Return the real values of a layer's weights, by the path that a float layer's have too."""
    found = {}
    for name in ("embeddings", "reverse_embeddings"):
        held = vars(layer).get(f"_{name}", vars(layer).get(name))
        if held is not None:
            scale = np.asarray(getattr(layer, f"{name}_scale"))
            found[held.path] = np.asarray(held) / np.expand_dims(scale, name == "embeddings")
    if (kernel := getattr(layer, "_kernel", None)) is not None:
        scale = layer.kernel_scale
        if adjust := getattr(layer, "_adjust_scale_for_dequant", None):  # of an EinsumDense
            scale = adjust(scale)
        found[kernel.path] = np.asarray(kernel) / np.asarray(scale)
    return found


def _unquantized(config: Any) -> Any:
    """Return a configuration whose layers compute in the type that they were quantized from."""
    if isinstance(config, list | tuple):
        return type(config)(_unquantized(item) for item in config)
    if not isinstance(config, dict):
        return config
    if config.get("class_name") == _POLICY:
        return config["config"]["source_name"]
    return {k: _unquantized(v) for k, v in config.items() if k != "quantization_config"}
