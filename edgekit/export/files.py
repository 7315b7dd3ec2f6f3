"""One file of an artifact: converted, checked against its target, and described by metadata."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from edgekit import __version__
from edgekit.errors import InputError
from edgekit.export import tflite
from edgekit.export.mending.biases import with_own_biases, with_whole_biases
from edgekit.export.mending.bounds import mend_bounds
from edgekit.export.mending.factors import with_mended_factors
from edgekit.export.mending.kernels import with_fast_kernels
from edgekit.export.mending.moves import mend_moves
from edgekit.export.mending.neon import mend_for_neon
from edgekit.export.mending.spectra import with_float_spectra
from edgekit.export.mending.stem import pair_stem
from edgekit.export.mending.steps import mend_steps
from edgekit.export.metadata import add_metadata
from edgekit.export.rewriting.fake_quantization import without_fake_quantization
from edgekit.export.signatures import add_signatures
from edgekit.export.source import Source
from edgekit.export.tail import Tails
from edgekit.export.targets import Refusal, check_target
from edgekit.export.tracing.lowering import Lowered
from edgekit.profile.graph.tflite import op_versions
from edgekit.quantize.calibration import Calibration
from edgekit.quantize.held_out import hold_up
from edgekit.quantize.mixed import choose
from edgekit.quantize.ptq.headroom import widen
from edgekit.quantize.ptq.network import Changes, Network
from edgekit.quantize.ptq.post_training import Prepared, prepare
from edgekit.quantize.ptq.refinement import add_rests
from edgekit.quantize.ptq.techniques import BEST, COLLAPSE, Mixed, PostTraining
from edgekit.quantize.ptq.transformation import transform
from edgekit.quantize.ptq.weight_steps import put_weights
from edgekit.quantize.quantizer import quantize
from edgekit.quantize.scheme import Scheme, parse_scheme
from edgekit.signature import Signature

_log = logging.getLogger("edgekit")

_STATEFUL = (  # which a SavedModel may hold; of Keras models no file, see tracing/recurrence.py
    "LSTM", "UNIDIRECTIONAL_SEQUENCE_LSTM", "BIDIRECTIONAL_SEQUENCE_LSTM", "RNN",
    "UNIDIRECTIONAL_SEQUENCE_RNN", "BIDIRECTIONAL_SEQUENCE_RNN", "SVDF",
)  # fmt: skip
_SLOW = ("SOFTMAX", "RSQRT")  # in integers; attention and norms are full of them
_PER_CHANNEL = "FULLY_CONNECTED"  # of which older runtimes take one scale alone


@dataclass(frozen=True)
class Wanted:
    """How files are made, whatever their scheme."""

    io_dtype: str | None = None  # of integer files; the scheme's own integer by default
    target: str | None = None  # a runtime whose op versions must not be exceeded
    post_training: PostTraining = field(default_factory=PostTraining)  # for 8 bits
    mixed: Mixed = field(default_factory=Mixed)  # what scheme mixed leaves in float
    stem: str = "plain"  # or "paired", for .tflite files of 8 bits

    def pairs(self, scheme: Scheme, format: str) -> bool:
        """Whether the stem of such a file is to take two pixels as one."""
        return self.stem == "paired" and format == "tflite" and scheme.all_in_8_bits


@dataclass(frozen=True, eq=False)
class Made:
    """What the file at hand differs in from the network that it was made of."""

    signature: Signature  # the network's, with the inputs as this file takes them
    changes: Changes = field(default_factory=Changes)  # of its tensors
    kept: Mapping[str, Any] | None = None  # of scheme mixed: what is in float, and the drop
    left_out: tuple[str, ...] = ()  # of `--ptq best`, techniques that did not serve


Ready = tuple[Made, Prepared | None]


def write_file(
    path: Path,
    network: Lowered,
    scheme: Scheme,
    source: Source,
    examples: Calibration,
    ready: Ready,
    wanted: Wanted,
    tails: Tails,
) -> Made:
    """Make one file at `path`, whose ending says the format.

    Args:
        path: of the file.
        network: what it is made of.
        scheme: how.
        source: whose network it is.
        examples: for calibration.
        ready: what `prepare_file` returned for the scheme.
        wanted: the rest.
        tails: what files compute behind the network, if anything.

    Raises:
        InputError: the scheme lacks what it needs, or the target refuses an op.
    """

    def samples() -> Iterator[dict[str, Any]]:
        return iter(examples)

    made, prepared = ready
    if path.suffix == ".onnx":
        content = _as_onnx(network, scheme, samples, prepared)
        path.write_bytes(tails.join(content, "onnx"))
        return made

    def write(per_channel_dense: bool) -> tuple[Refusal, ...]:
        """Write the file and return what the target refuses of it."""
        io_dtype = wanted.io_dtype if scheme.activation_bits else None
        if prepared and scheme.activation_bits != 16:
            content = quantize(
                prepared.content,
                io_dtype or scheme.io_dtypes[0],
                per_channel_dense=per_channel_dense,
                kept=prepared.kept,
                half=prepared.half,
                steps=prepared.steps,
            )
        else:
            content = tflite.convert(
                network, scheme, samples=samples, io_dtype=io_dtype,
                per_channel_dense=per_channel_dense,
            )  # fmt: skip
            if scheme.activation_bits:
                content = with_own_biases(content)
            if prepared and "headroom" in wanted.post_training.beside(16).techniques:
                content = widen(content)
            if prepared:  # for another quantizer, whose weights it replaces
                content = put_weights(content, prepared.content, prepared.steps)
                content = add_rests(content, prepared.content, prepared.rests)
        if scheme.learned:
            content = _whole(content, network)
        if scheme.name == "w8":
            in_float = partial(tflite.convert, network, parse_scheme("f32"))
            content, spectra = with_float_spectra(content, in_float)
            if spectra:
                _log.warning("w8: %s stays in float: of spectra, whose range 8 bits do not bear",
                             ", ".join(spectra))  # fmt: skip
        if scheme.activation_bits == 8:
            content = with_fast_kernels(content)
        if scheme.activation_bits:
            content = mend_steps(mend_bounds(mend_moves(content)))
        if scheme.activation_bits == 8:
            content = with_mended_factors(mend_for_neon(content))
        if wanted.pairs(scheme, "tflite"):
            content = pair_stem(content)
        path.write_bytes(tails.join(content, "tflite"))
        return check_target(path, wanted.target) if wanted.target else ()

    refused = write(per_channel_dense=True)
    if any(refusal.op == _PER_CHANNEL for refusal in refused):
        refused = write(per_channel_dense=False)
        _log.warning("%s: one scale a dense layer, for %s", scheme.name, wanted.target)
    kinds = [op for op, _ in op_versions(path)]
    slow = [kind for kind in _SLOW if kind in kinds]
    if scheme.all_in_8_bits and slow and "BATCH_MATMUL" in kinds:
        _log.warning("%s: LiteRT has no fast %s in 8 bits: on a CPU --scheme mixed %s is faster",
                     scheme.name, " or ".join(slow),
                     " ".join(f"--keep {kind}" for kind in slow))  # fmt: skip
    if stateful := [kind for kind in kinds if kind in _STATEFUL]:
        _log.warning("%s: %s keeps its state from one inference to the next: reset the "
                     "interpreter's variables before each, or convert the .keras or .h5 file",
                     scheme.name, ", ".join(stateful))  # fmt: skip
    if refused:
        raise InputError(
            f"scheme {scheme.name}: {wanted.target} cannot run it",
            got="; ".join(map(str, refused)),
            do="take another scheme or a newer runtime",
        )
    return made


def complete(path: Path, signature: Signature, made: Made, scheme: Scheme, source: Source) -> None:
    """Give a .tflite the further signatures of its source, and TFLite Metadata."""
    labels = (source.task or {}).get("labels")
    detector = (source.task or {}).get("name") == "detect" and source.tail is not None
    content = add_metadata(
        add_signatures(path.read_bytes(), source.signatures),
        name=source.name,
        description=f"{source.name} in {scheme.name}, made by edgekit {__version__}",
        inputs=made.signature.inputs,
        labels=labels if detector or names_axis(signature, source) else None,
        detector=detector,
    )
    path.write_bytes(content)


def names_axis(signature: Signature, source: Source) -> bool:
    """Whether labels name the last axis of the only output.

    Those of a map of labels name its values; a detector's name those of one output of several; of
    two classes in one channel both have a name.
    """
    if (source.task or {}).get("name") == "detect" or in_one_channel(signature, source):
        return False
    return not any(np.dtype(spec.dtype).kind in "iu" for spec in signature.outputs)


def in_one_channel(signature: Signature, source: Source) -> bool:
    """Whether a segmenter tells two classes by the score of the second."""
    sizes = [spec.shape[-1] for spec in signature.outputs]
    return (source.task or {}).get("name") == "segment" and sizes == [1]


def _as_onnx(
    network: Lowered, scheme: Scheme, samples: tflite.Samples, prepared: Prepared | None
) -> bytes:
    """Return the network as ONNX; what is prepared or learned is translated from integers."""
    from edgekit.export import onnx  # tf2onnx and ONNX Runtime take a second to import

    integer = None
    if scheme.learned:
        integer = _whole(tflite.convert(network, scheme, io_dtype="float32"), network)
    elif prepared:  # ONNX Runtime's own quantizer would not heed it
        integer = quantize(prepared.content, "float32", kept=prepared.kept, steps=prepared.steps)
    if scheme.activation_bits == 8:
        _log.warning("%s onnx: on an x86 without VNNI give ONNX Runtime's sessions session."
                     "x64quantprecision=1, as edgekit does, or sums of 8 bits saturate; with VNNI "
                     "and on ARM leave it out", scheme.name)  # fmt: skip
    return onnx.convert(network, scheme, samples=samples, tflite=integer)


def _whole(content: bytes, network: Lowered) -> bytes:
    """Return the .tflite of a network that learned to be rounded, no bias of it cut off."""

    def in_float() -> bytes:
        with tempfile.TemporaryDirectory(prefix="edgekit-") as folder:
            plain = without_fake_quantization(network, Path(folder) / "plain")
            return tflite.convert(plain, parse_scheme("f32"))

    return with_whole_biases(content, in_float)


def prepare_file(
    network: Lowered, scheme: Scheme, observed: Network | None, wanted: Wanted
) -> Ready:
    """Return the float network made ready for 8-bit weights, where that is ours to do.

    `observed` is its float .tflite over the examples. One answer serves a scheme's every format.
    """
    options, wide = wanted.post_training, scheme.activation_bits == 16
    if scheme.calibrated:
        options = options.beside(scheme.activation_bits)
        left_out = [t for t in wanted.post_training.techniques
                    if t not in options.techniques and t != BEST]  # fmt: skip
        if left_out:
            _log.warning("%s: left out, for activations of %d bits: %s",
                         scheme.name, 8 if wide else 16, ", ".join(left_out))  # fmt: skip
    ours = scheme.mixed or (scheme.activation_bits and options.techniques and not scheme.learned)
    if not ours or observed is None:
        return Made(network.signature), None
    if wide:
        prepared = prepare(observed, options, round_activations=False)
        return Made(network.signature), prepared
    named = options.techniques
    if scheme.mixed:  # layers that stay in float gain nothing by it, and cost more
        left = tuple(technique for technique in named if technique != COLLAPSE)
        options = replace(options, techniques=left)
        if COLLAPSE in wanted.post_training.techniques:
            _log.warning("%s: left out: %s", scheme.name, COLLAPSE)
    elif options.judged:
        options = hold_up(observed, options)
    unserving = tuple(technique for technique in named if technique not in options.techniques)
    changed = transform(observed, options)
    kept = None
    if scheme.mixed:
        choice = choose(changed, options, wanted.mixed)
        prepared = choice.prepared
        kept = {
            "layers": choice.layers,
            "weights_beyond_8_bits": choice.half,
            "drop_percent": choice.drop,
        }
    else:
        prepared = prepare(changed, options)
    signature = replace(network.signature, inputs=prepared.inputs)
    return Made(signature, prepared.changes, kept, unserving), prepared
