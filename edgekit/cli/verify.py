"""edgekit verify: is this the file that was made, and does it still say what its source says?"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgekit.cli.output import emit, output_options
from edgekit.errors import CheckFailedError, InputError, MissingExtraError
from edgekit.report.numbers import decibels

if TYPE_CHECKING:
    from edgekit.artifact import Artifact, ModelFile
    from edgekit.parity import Parity
    from edgekit.parity.layers import LayerParity
    from edgekit.runtime import Session
    from edgekit.signature import TensorSpec


EXAMPLES = 16  # that two files are compared on


@click.command()
@click.argument("a", type=click.Path(path_type=Path))
@click.argument("b", type=click.Path(path_type=Path), required=False)
@click.option("--runtime", help="litert, tflite-runtime or onnxruntime; by format if not given.")
@click.option("--file", "scheme", metavar="SCHEME", help="Only the files of that scheme.")
@click.option("--data", help="What two files are compared on: pictures, .npy or .npz.")
@click.option("--mean", metavar="M[,M,M]", help="Pixel mean, with --data of pictures.")
@click.option("--std", metavar="S[,S,S]", help="Pixel standard deviation, likewise.")
@click.option("--seed", default=0, show_default=True, help="Of noise, where no data is given.")
@click.option(
    "--gate",
    type=click.Choice(["f32", "f16", "w8a8"]),
    help="What two files may differ by; by default what their types suggest.",
)
@click.option("--per-layer", is_flag=True, help="Diagnose every layer, worst first.")
@click.option("--in-order", is_flag=True, help="With --per-layer: in the network's order.")
@click.option(
    "--picture",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="With --per-layer of one file: draw the table as .png or .svg.",
)
@click.option("--source", metavar="MODEL", help="With --per-layer: a source to compare with.")
@click.option("--trust-model", is_flag=True, help="Run the code that a foreign source carries.")
@output_options
def command(a: Path, b: Path | None, as_json: bool, per_layer: bool, **options: Any) -> None:
    """Check an artifact A against its hashes and its source, or file B against file A."""
    if b is not None:
        if per_layer:
            raise InputError("--per-layer", do="give one artifact; its source knows the layers")
        _verify_pair(a, b, as_json, options)
        return
    for option in ("in_order", "picture", "source"):
        if options[option] and not per_layer:
            raise InputError(f"--{option.replace('_', '-')}", do="give --per-layer with it")
    from edgekit.artifact import open_artifact

    artifact = open_artifact(a)
    artifact.check()
    if per_layer:
        _verify_layers(artifact, as_json, options)
    else:
        _verify_artifact(artifact, as_json, options)


def _verify_artifact(artifact: Artifact, as_json: bool, options: dict[str, Any]) -> None:
    from contextlib import closing

    from edgekit.parity import figures
    from edgekit.parity.answers import check_file
    from edgekit.runtime.sandbox import open_isolated

    compared: dict[str, list[Parity]] = {}
    for file in _chosen(artifact, options["scheme"], options["runtime"]):
        with closing(open_isolated(artifact.path(file), runtime=options["runtime"])) as session:
            compared[file.path] = check_file(artifact, file, session)
    data = [{"file": name, **figures(parities)} for name, parities in compared.items()]
    emit(data, as_json, _table(compared), f"{artifact.folder}: every hash as written")
    _fail_if_any(compared)


def _verify_pair(a: Path, b: Path, as_json: bool, options: dict[str, Any]) -> None:
    from contextlib import closing

    from edgekit.parity import GATES, figures
    from edgekit.parity.answers import compare_sessions
    from edgekit.runtime.sandbox import open_isolated

    with (
        closing(open_isolated(a, runtime=options["runtime"])) as one,
        closing(open_isolated(b, runtime=options["runtime"])) as other,
    ):
        gate = GATES[options["gate"] or _gate_of_types(a, b)]
        parities = compare_sessions(one, other, _examples(one, other, options), gate)
    emit({"file": str(b), **figures(parities)}, as_json, _table({str(b): parities}))
    _fail_if_any({str(b): parities})


def _examples(one: Session, other: Session, options: dict[str, Any]) -> dict[str, Any]:
    """Return real-valued examples `[N, ...]` for a file's inputs: the user's, or noise."""
    import numpy as np

    from edgekit.quantize.calibration import open_calibration, random_examples

    specs = _real_inputs(one, other, options)
    if options["data"]:
        examples = list(open_calibration(options["data"], specs, EXAMPLES))
    else:
        examples = list(random_examples(specs, EXAMPLES, options["seed"]))
    return {s.name: np.concatenate([e[s.name] for e in examples]) for s in specs}


def _real_inputs(one: Session, other: Session, options: dict[str, Any]) -> list[TensorSpec]:
    """Return what the first file takes, in real values and with pictures channels last."""
    from edgekit.cli.output import numbers
    from edgekit.parity.answers import channels_last
    from edgekit.signature import TensorSpec

    mean, std = numbers(options["mean"], "--mean"), numbers(options["std"], "--std")
    specs = []
    for spec, shape in channels_last(one, other):
        layout = "NHWC" if len(shape) == 4 else None
        dtype = spec.dtype if spec.scale is None else "float32"
        specs.append(TensorSpec(spec.name, shape, dtype, layout=layout, mean=mean, std=std))
    return specs


def _gate_of_types(*paths: Path) -> str:
    """Return the gate that the files' types suggest: that of the one which rounds most."""
    from edgekit.profile.cost.precision import coarsest
    from edgekit.profile.graph import read_graph

    found = {coarsest(read_graph(path)) for path in paths}
    return next(name for name in ("w8a8", "f16", "f32") if name in found)


def _verify_layers(artifact: Artifact, as_json: bool, options: dict[str, Any]) -> None:
    from dataclasses import asdict

    from edgekit.parity.layers import worst_first
    from edgekit.sources.layers import compare_with_source

    files = _chosen(artifact, options["scheme"], options["runtime"])
    if options["picture"] and len(files) > 1:
        raise InputError("--picture", got=f"{len(files)} files", expected="one",
                         do="choose it by --file SCHEME and --runtime")  # fmt: skip
    compared = {
        file.path: compare_with_source(
            artifact,
            file,
            options["source"],
            runtime=options["runtime"],
            trust=options["trust_model"],
        )
        for file in files
    }
    shown = {
        name: layers if options["in_order"] else worst_first(layers)
        for name, layers in compared.items()
    }
    data = [
        {"file": name, "layers": [asdict(layer) for layer in layers]}
        for name, layers in shown.items()
    ]
    emit(data, as_json, *(_layer_table(name, layers) for name, layers in shown.items()))
    if options["picture"]:
        _draw(options["picture"], *next(iter(compared.items())))
    for name, layers in compared.items():
        first = next((layer for layer in layers if layer.verdict == "diverges"), None)
        if first:
            raise CheckFailedError(
                f"{name}: first diverging layer is {first.layer}",
                got=f"SQNR {decibels(first.sqnr_db, ' dB')} in tensor {first.tensor}",
                expected=f"at least {first.fail_db:g} dB",
            )


def _chosen(artifact: Artifact, scheme: str | None, runtime: str | None) -> list[ModelFile]:
    """Return the files of the scheme that the runtime can open.

    Raises:
        InputError: there are none.
    """
    from edgekit.runtime import RUNTIMES

    if runtime is not None and runtime not in RUNTIMES:
        raise InputError(f"runtime {runtime}: unknown", expected="one of " + ", ".join(RUNTIMES))
    format = RUNTIMES[runtime][0] if runtime else None
    artifact.file(scheme=scheme, format=format)  # says what there is, if there is none
    return [
        file
        for file in artifact.manifest.files
        if scheme in (None, file.scheme) and format in (None, file.format)
    ]


def _fail_if_any(compared: dict[str, list[Parity]]) -> None:
    for name, parities in compared.items():
        for parity in parities:
            if not parity.passed:
                raise CheckFailedError(
                    f"{name}: output {parity.output} out of its gate",
                    got=f"largest error {_error(parity)}, SQNR {decibels(parity.sqnr_db, ' dB')}, "
                    f"cosine {parity.cosine:.5f}, {parity.non_finite} not finite",
                    expected=parity.gate,
                    do="see: edgekit verify --per-layer",
                )


def _table(compared: dict[str, list[Parity]]) -> Any:
    from rich.text import Text

    from edgekit.cli.tables import short_names, table

    short = dict(zip(compared, short_names(list(compared)), strict=True))
    rows = [
        (
            short[name],
            parity.output,
            _error(parity),
            decibels(parity.sqnr_db),
            f"{parity.cosine:.5f}",
            "-" if parity.top1_agreement is None else f"{parity.top1_agreement:.1%}",
            Text("ok", "green") if parity.passed else Text("fails", "red"),
        )
        for name, parities in compared.items()
        for parity in parities
    ]
    headings = ("file", "output", "error", "SQNR dB", "cosine", "top-1", "parity")
    return table(headings, rows, text_columns=2)


def _error(parity: Parity) -> str:
    return "not finite" if parity.max_error is None else f"{parity.max_error:.2g}"


def _draw(path: Path, name: str, layers: list[LayerParity]) -> None:
    try:
        from edgekit.report.layers import draw_layers
    except ModuleNotFoundError as error:
        raise MissingExtraError(error.name or "matplotlib", "report") from None
    draw_layers(path, name, layers)


def _layer_table(name: str, layers: list[LayerParity]) -> Any:
    """Return a line a layer; an exclamation mark follows what is beyond its limit."""
    from rich.text import Text

    from edgekit.cli.tables import table

    styles = {"ok": "green", "warn": "yellow", "diverges": "red"}

    def cell(text: str, layer: LayerParity, *findings: str) -> Text:
        beyond = any(finding in layer.findings for finding in findings)
        return Text(f"{text}!", "yellow") if beyond else Text(f"{text} ")

    rows = [
        (layer.layer, decibels(layer.sqnr_db), f"{layer.cosine:.4f}",
         cell(_told(layer.saturation, lambda share: f"{share:.2%}"), layer, "saturated"),
         cell(_told(layer.dead_channels, str), layer, "dead channels"),
         cell(_spread(layer), layer, "channel spread", "one depthwise scale"),
         Text(layer.verdict, styles[layer.verdict]))
        for layer in layers
    ]  # fmt: skip
    headings = ("layer", "SQNR", "cosine", "cut ", "dead ", "spread ", "")
    caption = (
        f"{name}. SQNR in dB; cut: share of values beyond the range; dead: channels that never "
        "change; spread: largest over smallest weight scale; ! above 1%, the source's own, 100; "
        "- not told"
    )
    return table(headings, rows, caption)


def _told(value: Any, show: Callable[[Any], str]) -> str:
    return "-" if value is None else show(value)


def _spread(layer: LayerParity) -> str:
    if "one depthwise scale" in layer.findings:
        return "one"
    return _told(layer.channel_spread, lambda ratio: f"{ratio:.1f}" if ratio < 1e4 else ">1e4")
