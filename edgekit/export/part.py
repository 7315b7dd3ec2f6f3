"""One entry point's networks on the way to files: lowered, run over examples, written."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from edgekit.errors import InputError
from edgekit.export import tflite
from edgekit.export.files import Made, Ready, Wanted, prepare_file, write_file
from edgekit.export.rewriting.fake_quantization import (
    is_fake_quantized,
    without_fake_quantization,
)
from edgekit.export.rewriting.integer_ops import with_integer_ops
from edgekit.export.rewriting.joints import with_own_steps
from edgekit.export.rewriting.lacking import with_known_ops
from edgekit.export.rewriting.masks import with_near_masks
from edgekit.export.source import Source
from edgekit.export.tail import Tails
from edgekit.export.tracing.lowering import Arrays, Lowered, lower, lower_function, name_outputs
from edgekit.export.tracing.recurrence import check_written_out
from edgekit.quantize.advice import few_samples
from edgekit.quantize.calibration import Calibration
from edgekit.quantize.ptq.network import Network, doubts, open_network
from edgekit.quantize.scheme import Scheme, parse_scheme
from edgekit.signature import Signature

_log = logging.getLogger("edgekit")

REFERENCE_EXAMPLES = 16
Shapes = Mapping[str, tuple[int, ...]]


class Part:
    """What a source's files answer under one signature."""

    def __init__(
        self, source: Source, schemes: tuple[Scheme, ...], shapes: Shapes, scratch: Path
    ) -> None:
        """Lower the networks that the schemes need, in the empty folder `scratch`."""
        self.source = source
        self.schemes = tuple(self._scheme(scheme) for scheme in schemes)
        self.networks = _lower(source, self.schemes, shapes, scratch)
        self.scratch = scratch
        self.integer: dict[int, Lowered] = {}  # by bits of activations, what `observe` made
        self.tails = Tails(source.tail, scratch)
        self.observed: dict[int, Network | None] = {}
        self.ready: dict[str, Ready] = {}  # by scheme

    @property
    def signature(self) -> Signature:
        """The float network's, without what may stand behind it."""
        return self.networks["float"].signature

    def answers(self, examples: Calibration) -> Arrays:
        """Return inputs and each network's own answers, `[N, ...]` under "input/", "float/" ...

        Raises:
            InputError: an answer is no number, so that nothing can be compared with it.
        """
        kept: dict[str, list[Any]] = {}
        for example in examples.take(REFERENCE_EXAMPLES):
            for spec in self.signature.inputs:
                kept.setdefault(f"input/{spec.name}", []).append(example[spec.name])
            for network, lowered in self.networks.items():
                for name, value in self.tails.answer(lowered(example)).items():
                    if value.dtype.kind == "f" and not np.isfinite(value).all():
                        raise InputError(
                            f"output {name} of the model itself",
                            got=f"NaN or infinity on {examples.origin}",
                            do="give --calibrate DATA that the model can answer, or mend the model",
                        )
                    kept.setdefault(f"{network}/{name}", []).append(value)
        declared = {
            f"{part}/{spec.name}": np.asarray(values)
            for spec in self.signature.inputs
            for part, values in (("mean", spec.mean), ("std", spec.std))
            if values is not None
        }
        return {**{name: np.concatenate(values) for name, values in kept.items()}, **declared}

    def observe(self, examples: Calibration, wanted: Wanted) -> None:
        """Run the networks of calibrated schemes in float over the examples; say what is doubtful.

        A network with control flow can be left to the ordinary converter.
        """
        own = examples.of([spec.name for spec in self.signature.inputs])
        self.examples, self.wanted = own, wanted
        for bits in {s.activation_bits for s in self.schemes if s.calibrated}:
            if bits and bits not in self.source.integer:
                self.integer[bits] = self._integer(bits)
        for scheme in self.schemes:
            network = self.network(scheme)
            if scheme.calibrated and id(network) not in self.observed:
                self.observed[id(network)] = self._observe(network, remarks=not self.observed)

    def write(self, path: Path, scheme: Scheme) -> Made:
        """Make one file at `path`, whose ending says the format."""
        own = self._scheme(scheme)
        network = self.network(own)
        if own.name not in self.ready:
            observed = self.observed.get(id(network))
            self.ready[own.name] = prepare_file(network, own, observed, self.wanted)
        return write_file(
            path, network, own, self.source, self.examples, self.ready[own.name], self.wanted,
            self.tails,
        )  # fmt: skip

    def network(self, scheme: Scheme) -> Lowered:
        """Return the network that files of the scheme are made of."""
        if scheme.calibrated and scheme.activation_bits in self.integer:
            return self.integer[scheme.activation_bits]
        return self.networks[_network_of(scheme, self.source)]

    def _scheme(self, scheme: Scheme) -> Scheme:
        return parse_scheme("f32") if self.source.in_float else scheme

    def _integer(self, bits: int) -> Lowered:
        """Return the float network as activations of so many bits bear it; it answers the same."""
        network = self.networks["float"]
        folder = self.scratch / f"masks{bits}"
        near = with_near_masks(network, iter(self.examples), bits, folder)
        own = near
        if bits == 8:
            own = with_own_steps(near, iter(self.examples), self.scratch / "joints")
        made = with_integer_ops(own, self.scratch / f"wide{bits}", network.function, bits)
        # ONNX Runtime's quantizer needs none of these two, so that whole layers do without.
        return replace(made, whole=near.whole or (lambda: near.function))

    def _observe(self, network: Lowered, *, remarks: bool) -> Network | None:
        for remark in few_samples(len(self.examples)) if remarks else ():
            _log.warning("%s", remark)
        content = tflite.convert(network, parse_scheme("f32"))
        try:
            observed = open_network(content, network.signature.inputs, iter(self.examples))
        except InputError:
            if self.wanted.post_training.techniques or any(s.mixed for s in self.schemes):
                raise
            check_written_out(self.source.model, network.function)
            return None
        for remark in doubts(observed) if remarks else ():
            _log.warning("%s", remark)
        return observed


def _lower(
    source: Source, schemes: tuple[Scheme, ...], shapes: Shapes, scratch: Path
) -> dict[str, Lowered]:
    lower_it = lower_function if source.kind == "saved_model" else lower
    networks = {"float": lower_it(source.model, scratch / "float", shapes)}
    learned = [scheme.name for scheme in schemes if scheme.learned]
    if source.learned is None and is_fake_quantized(networks["float"]):
        networks = _without_rounding(source, networks["float"], learned, scratch)
    elif learned and source.learned is None:
        raise InputError(f"scheme {learned[0]}: {source.name} has no learned ranges",
                         do="train with --qat, or take w8a8")  # fmt: skip
    elif learned:
        names = name_outputs(source.model)
        networks["qat"] = lower(source.learned, scratch / "qat", shapes, names)
    for bits, build in source.integer.items():
        if any(scheme.activation_bits == bits and scheme.calibrated for scheme in schemes):
            networks[f"integer{bits}"] = lower(build(), scratch / f"integer{bits}", shapes)
    return {
        name: _with_normalisation(with_known_ops(network, scratch / f"{name}-known"), source)
        for name, network in networks.items()
    }


def _without_rounding(
    source: Source, network: Lowered, learned: list[str], scratch: Path
) -> dict[str, Lowered]:
    """Return the float network of one that its author fake-quantized, and that itself if needed."""
    if not learned:
        _log.warning("%s: fake-quantized; these files leave its rounding and its learned ranges "
                     "out, --scheme qat-w8a8 keeps them", source.name)  # fmt: skip
    plain = {"float": without_fake_quantization(network, scratch / "plain")}
    return {**plain, "qat": network} if learned else plain


def _network_of(scheme: Scheme, source: Source) -> str:
    if scheme.calibrated and scheme.activation_bits in source.integer:
        return f"integer{scheme.activation_bits}"
    return "qat" if scheme.learned else "float"


def _with_normalisation(network: Lowered, source: Source) -> Lowered:
    """Return the network with what the source declares for its pictures or its columns."""
    columns = len(source.mean or ())
    inputs = tuple(
        replace(spec, mean=source.mean, std=source.std)
        if spec.layout or (len(spec.shape) == 2 and spec.shape[1] == columns)
        else spec
        for spec in network.signature.inputs
    )
    return replace(network, signature=replace(network.signature, inputs=inputs))
