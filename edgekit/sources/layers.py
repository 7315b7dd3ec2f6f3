"""A file of an artifact beside its source, layer by layer."""

from __future__ import annotations

from contextlib import closing
from typing import Any

from edgekit.artifact import Artifact, ModelFile
from edgekit.errors import InputError
from edgekit.export.activations import layer_activations
from edgekit.parity.answers import answer
from edgekit.parity.layers import LayerParity, compare_layers
from edgekit.runtime.sandbox import open_isolated

# SQNR of a layer's output: below the first a remark, below the second the layer diverges.
FLOAT_DB = (80.0, 60.0)
HALF_DB = (50.0, 40.0)
INTEGER_DB = (20.0, 10.0)


def compare_with_source(
    artifact: Artifact, file: ModelFile, model: str | None, runtime: str | None
) -> list[LayerParity]:
    """Return every layer of the source whose output can be found in `file`, in order.

    Args:
        artifact: where the file and the reference inputs lie.
        file: one file of it.
        model: where the source lies now, if not where the manifest says.
        runtime: which opens the file.

    Raises:
        InputError: the source is gone, or no layer's name stands in the file.
    """
    network = "qat" if file.scheme.startswith("qat-") else "float"
    inputs, _ = artifact.reference(network)
    layers = layer_activations(_network(artifact, model, network), inputs)
    if network == "qat":
        layers = {name.removeprefix("quant_"): value for name, value in layers.items()}
    path = artifact.path(file)
    with closing(open_isolated(path, runtime=runtime, keep_tensors=True)) as session:
        tensors = answer(session, file.signatures, inputs)
    compared = list(compare_layers(layers, tensors, *_limits(file.scheme)))
    if not compared:
        raise InputError(f"{path}: no tensor bears the name of one of the source's layers")
    return compared


def _network(artifact: Artifact, model: str | None, network: str) -> Any:
    from edgekit.sources import load

    provenance = artifact.manifest.provenance
    source = load(model or provenance["source"])
    return source.learned if network == "qat" else source.model


def _limits(scheme: str) -> tuple[float, float]:
    return {"f32": FLOAT_DB, "f16": HALF_DB}.get(scheme, INTEGER_DB)
