"""The op list of whatever MODEL may be: a file to read, or a Keras model to load first."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from edgekit.errors import InputError
from edgekit.export.source import Source
from edgekit.profile.graph import Graph, Op, Tensor, read_graph
from edgekit.runtime import FORMATS
from edgekit.runtime.sandbox import run_isolated
from edgekit.sources import load, parse
from edgekit.sources.job import LIMITS

Shapes = Mapping[str, tuple[int, ...]]


def graph_of(model: str, shapes: Shapes, *, trust: bool = False) -> Graph:
    """Return the ops of a .tflite, an .onnx, or a model that Keras loads.

    A foreign Keras file is loaded in a child process, and only its op list comes back.

    Raises:
        InputError: not a model, damaged, or an input's size is free and not given.
        SetupError: what reads it is not installed.
    """
    if Path(model).suffix.lower() in FORMATS:
        return read_graph(Path(model), shapes)
    if not parse(model).foreign:
        return _keras_graph(load(model), model, shapes)
    request = {"model": model, "shapes": {k: list(v) for k, v in shapes.items()}, "trust": trust}
    found = run_isolated(
        f"{__name__}:read", request, what=model, runner="TensorFlow", limits=LIMITS
    )
    return _graph(found)


def read(request: Mapping[str, Any]) -> dict[str, Any]:
    """Run in the child: load the model and return its op list as JSON types."""
    shapes = {name: tuple(sizes) for name, sizes in request["shapes"].items()}
    source = load(request["model"], trust=request["trust"])
    return asdict(_keras_graph(source, request["model"], shapes))


def _keras_graph(source: Source, model: str, shapes: Shapes) -> Graph:
    if source.kind == "saved_model":
        raise InputError(
            f"{model}: a SavedModel has no layers to count", do="convert it and inspect the .tflite"
        )
    return read_graph(source.model, shapes)


def _graph(item: Mapping[str, Any]) -> Graph:
    """Build what the child says; a field too many or too few raises."""
    ops = tuple(
        Op(
            **{
                **op,
                "inputs": tuple(None if t is None else _tensor(t) for t in op["inputs"]),
                "outputs": tuple(map(_tensor, op["outputs"])),
            }
        )
        for op in item["ops"]
    )
    ends = {side: tuple(map(_tensor, item[side])) for side in ("inputs", "outputs")}
    return Graph(**{**item, **ends, "ops": ops, "others": tuple(map(_graph, item["others"])),
                    "entries": tuple(map(_graph, item["entries"]))})  # fmt: skip


def _tensor(item: Mapping[str, Any]) -> Tensor:
    known = {f.name: item[f.name] for f in fields(Tensor)}
    shape = known["shape"]
    return Tensor(**{**known, "shape": None if shape is None else tuple(shape)})
