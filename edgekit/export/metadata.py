"""Metadata inside a .tflite: names, normalisation and labels for MediaPipe and Android."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from edgekit.errors import InputError
from edgekit.export.attachment import DAMAGE, attach, attached, open_root, read_file
from edgekit.export.metadata_schema import ModelMetadata, TensorMetadata, decode, encode
from edgekit.signature import TensorSpec

LABELS = "labels.txt"
# How MediaPipe finds a detector's outputs (object_detector's graph, 1.2).
_DETECTOR_NAMES = {"boxes": "location", "classes": "category", "scores": "score",
                   "count": "number of detections"}  # fmt: skip


def add_metadata(
    model: bytes,
    *,
    name: str,
    inputs: Sequence[TensorSpec],
    outputs: Sequence[TensorSpec] = (),
    labels: Sequence[str] | None = None,
    detector: bool = False,
    description: str = "",
    version: str = "",
    author: str = "",
    license: str = "",
) -> bytes:
    """Return `model`, a .tflite file, with TFLite Metadata; earlier ones are replaced.

    Args:
        model: the content of a .tflite file.
        name: of the model.
        inputs: one spec an input, found by the name of its signature or of its tensor; `layout`
            "NHWC" makes it a picture, `mean` and `std` its normalisation.
        outputs: names for outputs, found in the same way; the file's own names where not given.
        labels: names of the only output's last axis, in order, or of a detector's classes.
        detector: whether it answers with boxes, classes, scores and their count, which MediaPipe
            then calls by names of its own.
        description: of the model, as the next three.
        version: any text.
        author: any text.
        license: any text.

    Raises:
        InputError: not a .tflite, one with weights outside the flatbuffer, a spec that matches no
            tensor, or labels that do not fit the output or hold a line break.
    """
    try:
        graph = _Graph(open_root(model))
    except DAMAGE as error:
        raise InputError("not a whole .tflite file", got=error) from None
    ends = graph.arrange(outputs, "output") if outputs else graph.outputs
    if detector:
        described = tuple(_of_detector(spec.name, labels is not None) for spec in ends)
    else:
        file = None if labels is None else LABELS
        described = tuple(TensorMetadata(spec.name, label_file=file) for spec in ends)
    metadata = ModelMetadata(
        name,
        description,
        version,
        author,
        license,
        inputs=tuple(_describe(spec) for spec in graph.arrange(inputs, "input")),
        outputs=described,
    )
    if labels is not None and not detector:
        _check_axis(labels, graph)
    files = {} if labels is None else {LABELS: _label_lines(labels)}
    return attach(model, encode(metadata), files)


def read_metadata(path: str | Path) -> tuple[ModelMetadata, tuple[str, ...] | None] | None:
    """Return the metadata of a .tflite file with its labels, or nothing where it has none.

    Raises:
        InputError: not a .tflite, or its metadata are damaged.
    """
    try:
        model = Path(path).read_bytes()
        content = attached(open_root(model))
        if content is None:
            return None
        metadata = decode(content)
        files = [t.label_file for t in metadata.outputs if t.label_file]
        if not files:
            return metadata, None
        text = read_file(model, files[0]).decode("utf-8")
    except OSError as error:
        raise InputError(f"{path}: cannot be read", got=error.strerror or error) from None
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    except DAMAGE as error:
        raise InputError(f"{path}: damaged", got=error) from None
    return metadata, tuple(text.removesuffix("\n").split("\n"))


class _Graph:
    """The inputs and outputs of the first subgraph, with the names that a signature gives them."""

    def __init__(self, root: Any) -> None:
        graph = root.Subgraphs(0)
        names: dict[tuple[str, int], str] = {}
        for i in range(root.SignatureDefsLength()):
            signature = root.SignatureDefs(i)
            if signature.SubgraphIndex() == 0:
                for j in range(signature.InputsLength()):
                    item = signature.Inputs(j)
                    names.setdefault(("input", item.TensorIndex()), item.Name().decode())
                for j in range(signature.OutputsLength()):
                    item = signature.Outputs(j)
                    names.setdefault(("output", item.TensorIndex()), item.Name().decode())

        def spec(side: str, index: int) -> TensorSpec:
            tensor = graph.Tensors(index)
            shape = tuple(tensor.Shape(d) for d in range(tensor.ShapeLength()))
            self._tensor_names[side].append(tensor.Name().decode())
            return TensorSpec(names.get((side, index), tensor.Name().decode()), shape, "")

        self._tensor_names: dict[str, list[str]] = {"input": [], "output": []}
        self.inputs = [spec("input", graph.Inputs(i)) for i in range(graph.InputsLength())]
        self.outputs = [spec("output", graph.Outputs(i)) for i in range(graph.OutputsLength())]

    def arrange(self, specs: Sequence[TensorSpec], side: str) -> list[TensorSpec]:
        """Return `specs` in the order of the subgraph."""
        own = self.inputs if side == "input" else self.outputs
        found = {spec.name: spec for spec in specs}
        ordered = []
        for there, tensor_name in zip(own, self._tensor_names[side], strict=True):
            spec = found.get(there.name) or found.get(tensor_name)
            if spec is not None:
                ordered.append(spec)
        if not len(ordered) == len(own) == len(specs):
            raise InputError(
                f"metadata: the model's {side}s do not match",
                got=", ".join(found) or "none",
                expected=", ".join(spec.name for spec in own),
            )
        return ordered


def _describe(spec: TensorSpec) -> TensorMetadata:
    """Return the metadata of one input."""
    channels = spec.shape[-1] if spec.layout == "NHWC" and len(spec.shape) == 4 else None
    color = {1: "GRAYSCALE", 3: "RGB"}.get(channels or 0)
    mean, std = spec.mean or (), spec.std or ()
    if len(mean) != len(std) or (mean and len(mean) not in (1, channels or len(mean))):
        raise InputError(
            f"metadata: {spec.name}: normalisation",
            got=f"{len(mean)} means and {len(std)} deviations",
            expected=f"one for all or one for each of {channels} channels",
        )
    if any(deviation <= 0 for deviation in std):
        raise InputError(f"metadata: {spec.name}: std", got=std, expected="above 0")
    if spec.dtype == "uint8":
        low, high = (0.0,), (255.0,)
    else:
        pairs = list(zip(mean, std, strict=True))
        low = tuple((0 - m) / s for m, s in pairs)  # type: ignore[assignment]
        high = tuple((255 - m) / s for m, s in pairs)  # type: ignore[assignment]
    return TensorMetadata(spec.name, color, mean, std, low, high)


def _of_detector(name: str, labelled: bool) -> TensorMetadata:
    """Return the metadata of one of a detector's four outputs."""
    return TensorMetadata(
        _DETECTOR_NAMES.get(name, name),
        label_file=LABELS if labelled and name == "classes" else None,
        names_values=labelled and name == "classes",
        boxes=name == "boxes",
    )


def _check_axis(labels: Sequence[str], graph: _Graph) -> None:
    """Compare the labels with the only output's last axis."""
    if len(graph.outputs) != 1:
        raise InputError(
            "metadata: labels", got=f"a model of {len(graph.outputs)} outputs", expected="one"
        )
    classes = graph.outputs[0].shape[-1] if graph.outputs[0].shape else 1
    if len(labels) != classes:
        raise InputError("metadata: labels", got=len(labels), expected=f"{classes}, as the output")


def _label_lines(labels: Sequence[str]) -> bytes:
    """Return the label file: one a line, UTF-8."""
    for number, label in enumerate(labels):
        if not label or set(label) & set("\n\r\0") or not _is_text(label):
            raise InputError(
                f"metadata: label {number}", got=repr(label), expected="one line of text"
            )
    return "".join(f"{label}\n" for label in labels).encode()


def _is_text(label: str) -> bool:
    """Say whether UTF-8 can hold it: a lone surrogate cannot."""
    try:
        label.encode()
    except UnicodeEncodeError:
        return False
    return True
