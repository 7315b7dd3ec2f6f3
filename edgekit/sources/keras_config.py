"""What a Keras configuration would make Keras import and call, judged without doing either.

A configuration names classes by module, and Keras imports what it names: with the right names a
file downloads, reads or runs anything (CVE-2025-1550, CVE-2025-8747, CVE-2025-9905). So everything
is refused but layers, their parts, and functions that only compute.
"""

from __future__ import annotations

import builtins
import re
from collections.abc import Iterator
from typing import Any

from edgekit.errors import InputError

TRUST = "give --trust-model if you trust its author as much as a program of theirs"
OWN_CODE = "build the model in your own code and give module:function"

# Modules whose classes are parts of a network. What is no class there (load_model, deserialize,
# clone_model) is kept out by its lower case, what is no part by its absence here (utils, saving;
# applications too, whose functions look like classes and read weights from anywhere).
_MODULES = re.compile(
    r"(keras|tf_keras)(\.src)?\.(activations|constraints|dtype_policies|engine|initializers|layers"
    r"|losses|metrics|mixed_precision|models|ops|optimizers|quantizers|regularizers)"
    r"(\.[a-z0-9_]+)*"
    r"|tensorflow\.python\.ops\.init_ops_v2"
    r"|tensorflow_model_optimization\.python\.core\.(clustering|quantization|sparsity)\.keras"
    r"(\.[a-z0-9_]+)*"
)
_TOP_LEVEL = {"DTypePolicy", "FloatDTypePolicy", "QuantizedDTypePolicy", "Functional", "Model",
              "Sequential"}  # fmt: skip
_LAYER_SCALE = re.compile(r"(keras|tf_keras)(\.src)?\.applications\.convnext\.LayerScale")
_CLASS = re.compile(r"[A-Z][A-Za-z0-9_]*")
_VALUES = {"__keras_tensor__", "__tensor__", "__numpy__", "__bytes__", "__ellipsis__", "__slice__",
           "__tuple__"}  # fmt: skip
_CODE = {
    "Lambda": "holds Python code",
    "__lambda__": "holds Python code",
    "TorchModuleWrapper": "holds a pickle",
    "JaxLayer": "holds code",
    "FlaxLayer": "holds code",
    "TFSMLayer": "loads another file",
    "TensorFlowOpLayer": "runs any TensorFlow op",
    "ClassMethod": "calls any method",
    "InstanceMethod": "calls any method",
    "InstanceProperty": "reads any attribute",
    "DenseFeatures": "reads other files",
    "DenseFeaturesV2": "reads other files",
    "SequenceFeatures": "reads other files",
    "TypeSpec": "makes any registered type",
    "CompositeTensor": "makes any registered type",
}
_FUNCTION_MODULES = {"builtins", "keras.activations", "tf_keras.activations"}
_FUNCTIONS = {
    "celu", "elu", "exponential", "gelu", "glu", "hard_shrink", "hard_sigmoid", "hard_silu",
    "hard_swish", "hard_tanh", "leaky_relu", "linear", "log_sigmoid", "log_softmax", "mish",
    "relu", "relu6", "selu", "sigmoid", "silu", "soft_shrink", "softmax", "softplus",
    "softsign", "sparse_plus", "sparse_sigmoid", "sparsemax", "squareplus", "swish", "tanh",
    "tanh_shrink", "threshold",
}  # fmt: skip
# TensorFlow functions that only compute, as TFOpLambda spells them.
_PURE_NAMESPACES = ("math.", "nn.", "image.", "linalg.", "signal.", "bitwise.", "quantization.",
                    "__operators__.")  # fmt: skip
_PURE_FUNCTIONS = {
    "argsort", "batch_to_space", "boolean_mask", "broadcast_to", "cast", "clip_by_value",
    "concat", "convert_to_tensor", "einsum", "expand_dims", "eye", "fill", "gather",
    "gather_nd", "identity", "linspace", "meshgrid", "norm", "one_hot", "ones", "ones_like",
    "pad", "range", "rank", "realdiv", "repeat", "reshape", "reverse", "roll", "shape", "size",
    "slice", "sort", "space_to_batch", "split", "squeeze", "stack", "stop_gradient",
    "strided_slice", "tensor_scatter_nd_update", "tensordot", "tile", "transpose", "unstack",
    "where", "zeros", "zeros_like",
}  # fmt: skip
_FILE_FIELDS = ("vocabulary", "vocabulary_file", "idf_weights")


def check_config(config: Any, path: object) -> None:
    """Refuse a configuration that does more than describe a network.

    Raises:
        InputError: the line names the layer and what it would do.
    """
    for layer, item in _objects(config):
        if "class_name" in item:
            _check_object(item, f"{path}: layer {layer}" if layer else f"{path}: the model")
        for field in _FILE_FIELDS:
            if isinstance(item.get(field), str):
                raise InputError(
                    f"{path}: layer {layer}", got=f"{field} in a file of this machine", do=OWN_CODE
                )


def class_names(config: Any) -> set[str]:
    """Return the names of all classes in a configuration."""
    return {str(item["class_name"]) for _, item in _objects(config) if "class_name" in item}


def _objects(config: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield every mapping, with the name of the layer around it."""
    stack = [("", config)]
    while stack:
        layer, item = stack.pop()
        if isinstance(item, dict):
            inner = item.get("config")
            if isinstance(inner, dict) and isinstance(inner.get("name"), str):
                layer = inner["name"]
            yield layer, item
            stack.extend((layer, value) for value in item.values())
        elif isinstance(item, list):
            stack.extend((layer, value) for value in item)


def _check_object(item: dict[str, Any], where: str) -> None:
    name, module = item["class_name"], item.get("module")
    if not isinstance(name, str) or not isinstance(module, str | None):
        raise InputError(where, got=f"a class named {name!r}"[:80], do=OWN_CODE)
    if name in _CODE:
        raise InputError(where, got=f"{name}, which {_CODE[name]}", do=TRUST)
    if name == "function":
        _check_function(item, where)
    elif name not in _VALUES:
        _check_class(name, module, item.get("registered_name"), where)
    if name in ("TFOpLambda", "SlicingOpLambda"):
        inner = item.get("config")
        _check_op(inner.get("function") if isinstance(inner, dict) else None, where)


def _check_class(name: str, module: str | None, registered: Any, where: str) -> None:
    if registered not in (None, name) or ">" in name or (module is None and registered == name):
        custom = str(registered or name)[:60]
        raise InputError(where, got=f"the custom class {custom}", do=OWN_CODE)
    known = (
        module is None  # the old format: Keras looks the name up among its own
        or _MODULES.fullmatch(module)
        or (module in ("keras", "tf_keras") and name in _TOP_LEVEL)
        or _LAYER_SCALE.fullmatch(f"{module}.{name}")
    )
    if not known or not _CLASS.fullmatch(name):
        raise InputError(where, got=f"{module}.{name}"[:80], expected="a layer of Keras", do=TRUST)


def _check_function(item: dict[str, Any], where: str) -> None:
    name, module = item.get("config"), item.get("module")
    registered = item.get("registered_name")
    known = name in _FUNCTIONS
    if isinstance(registered, str) and ">" in registered:
        raise InputError(where, got=f"the custom function {registered[:60]}", do=OWN_CODE)
    # builtins is also where Keras says a function lives whose module it was not told.
    if module == "builtins" and not known and not hasattr(builtins, str(name)):
        raise InputError(where, got=f"the custom function {name}"[:80], do=OWN_CODE)
    if module not in _FUNCTION_MODULES or not known:
        got = f"function {module}.{name}"[:80]
        raise InputError(where, got=got, expected="an activation of Keras", do=TRUST)


def _check_op(function: Any, where: str) -> None:
    name = function.removeprefix("compat.v1.") if isinstance(function, str) else ""
    if name not in _PURE_FUNCTIONS and not name.startswith(_PURE_NAMESPACES):
        got = f"tf.{function}"[:80]
        raise InputError(where, got=got, expected="a TensorFlow function that computes", do=TRUST)
