"""A source: the network that files are made from, and what is known of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any


@dataclass(frozen=True)
class Source:
    """A model in memory, and where it came from."""

    name: str
    model: Any  # a Keras model, or the concrete function of a SavedModel's signature
    kind: str  # "tf_keras", "keras3" or "saved_model"
    provenance: Mapping[str, Any]
    remarks: tuple[str, ...] = ()  # what the user should be told
    owner: Any = field(default=None, repr=False)  # keeps a concrete function's variables alive
    learned: Any = field(default=None, repr=False)  # the fake-quantized network, for qat- schemes
    # By activation bits, what builds the network of calibrated schemes, if not the float one.
    integer: Mapping[int, Callable[[], Any]] = field(default_factory=dict, repr=False)
    # By format, what files compute in float behind the network's answers, as a Keras model.
    tail: Callable[[str], Any] | None = field(default=None, repr=False)
    signatures: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # further: outputs
    # By signature, the parts of `model` that are entered one by one instead of all at once.
    entries: Mapping[str, Source] = field(default_factory=dict, repr=False)
    in_float: bool = False  # of an entry: whether it stays so whatever the scheme of its file
    family: str | None = None
    task: Mapping[str, Any] | None = None  # as the manifest holds it; None where nobody said
    mean: tuple[float, ...] | None = None  # of pixels, or of each column: (x - mean) / std goes in
    std: tuple[float, ...] | None = None
    data: str | None = None  # what it was trained on: what calibrates it unless told otherwise


def divide(source: Source, parts: Mapping[str, Mapping[str, Any]]) -> Source:
    """Return a source with entry points, each told by the fields in which it is another source."""
    return replace(source, entries={name: replace(source, **own) for name, own in parts.items()})
