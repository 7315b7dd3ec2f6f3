"""Further signatures of a .tflite: other names for its one subgraph, with some of its outputs.

They share every constant with the first, so that each takes some hundred bytes; what it computes is
the same. An .onnx has none: whoever runs it asks for outputs by name.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ai_edge_litert import schema_py_generated as schema

from edgekit.errors import InputError
from edgekit.export.attachment import DAMAGE, Kept, open_root, prepend_root, write_vector
from edgekit.signature import DEFAULT_SIGNATURE

_SIGNATURES = 7  # of the table Model


def add_signatures(model: bytes, outputs: Mapping[str, Sequence[str]]) -> bytes:
    """Return `model`, a .tflite file, with a signature for each name, that gives these outputs.

    Raises:
        InputError: not a .tflite with a default signature, or it has no such output.
    """
    if not outputs:
        return model
    root = open_root(model)
    try:
        present = [root.SignatureDefs(i) for i in range(root.SignatureDefsLength())]
        default = next((s for s in present if s.SignatureKey() == DEFAULT_SIGNATURE.encode()), None)
        if default is None:
            raise InputError("signatures", got="none", expected=DEFAULT_SIGNATURE)
        known = {default.Outputs(i).Name().decode(): default.Outputs(i)
                 for i in range(default.OutputsLength())}  # fmt: skip
        for name, chosen in outputs.items():
            if missing := set(chosen) - set(known):
                raise InputError(f"signature {name}: output", got=", ".join(sorted(missing)),
                                 expected=", ".join(known))  # fmt: skip
        inputs = [default.Inputs(i) for i in range(default.InputsLength())]

        def write(builder: Any, kept: Kept) -> dict[int, int]:
            written = [kept(signature._tab.Pos) for signature in present]
            for name, chosen in outputs.items():
                written.append(_write_signature(
                    builder, name, [kept(item._tab.Pos) for item in inputs],
                    [kept(known[output]._tab.Pos) for output in chosen], default.SubgraphIndex(),
                ))  # fmt: skip
            return {_SIGNATURES: write_vector(builder, written)}

        return prepend_root(model, write)
    except DAMAGE as error:
        raise InputError("not a whole .tflite file", got=error) from None


def _write_signature(
    builder: Any, name: str, inputs: list[int], outputs: list[int], subgraph: int
) -> int:
    key = builder.CreateString(name)
    sides = write_vector(builder, inputs), write_vector(builder, outputs)
    schema.SignatureDefStart(builder)
    schema.SignatureDefAddInputs(builder, sides[0])
    schema.SignatureDefAddOutputs(builder, sides[1])
    schema.SignatureDefAddSignatureKey(builder, key)
    schema.SignatureDefAddSubgraphIndex(builder, subgraph)
    return int(schema.SignatureDefEnd(builder))
