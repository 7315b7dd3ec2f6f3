"""edgekit convert: a model in, an artifact out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgekit.cli.output import emit, numbers, output_options, stderr
from edgekit.errors import CheckFailedError, InputError, one_line

if TYPE_CHECKING:
    from edgekit.artifact import Artifact

DEFAULT_SCHEMES = "f32"


@click.command()
@click.argument("model")
@click.option(
    "-o",
    "--output",
    required=True,
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Where the artifact goes.",
)
@click.option(
    "--to",
    "formats",
    default="tflite",
    show_default=True,
    metavar="FORMATS",
    help="tflite, onnx or both, comma-separated.",
)
@click.option(
    "--scheme",
    "schemes",
    default=DEFAULT_SCHEMES,
    show_default=True,
    metavar="SCHEMES",
    help="f32, f16, w8, w8a8, w8a16, mixed, qat-w8a8; comma-separated.",
)
@click.option(
    "--calibrate",
    metavar="DATA",
    help="Pictures (a folder), .npy or .npz; needed for w8a8, w8a16 and mixed.",
)
@click.option(
    "--samples",
    default=100,
    show_default=True,
    type=click.IntRange(1),
    help="Calibration examples at the most.",
)
@click.option(
    "--ptq",
    default="none",
    show_default=True,
    metavar="TECHNIQUES",
    help="For w8a8, w8a16 and mixed: best, which takes those that suit each; or some of collapse, "
    "prune, align, shift, equalize, split, steps, headroom, refine, reconstruct, round, bias; or "
    "none.",
)
@click.option(
    "--ranges",
    type=click.Choice(["minmax", "percentile", "mse", "effect"]),
    help="With --ptq: how the range of an activation is found.  [default: minmax, of best effect]",
)
@click.option(
    "--extra-madds",
    default=0.0,
    show_default=True,
    type=click.FloatRange(0, 100),
    metavar="PERCENT",
    help="With --ptq best or split: multiply-adds that copies may add to the network's.",
)
@click.option(
    "--max-drop",
    type=click.FloatRange(0, 100),
    metavar="PERCENT",
    help="Of scheme mixed: answers that may change; as few layers as keep it stay in float.",
)
@click.option(
    "--keep",
    multiple=True,
    metavar="PATTERN",
    help="Of scheme mixed: layers that stay in float whatever they cost, as 'block_1_*', or ops of "
    "a kind, as BATCH_MATMUL.",
)
@click.option(
    "--stem",
    default="plain",
    show_default=True,
    type=click.Choice(["plain", "paired"]),
    help="Of 8-bit .tflite files: whether the first convolution reads two pixels of a row as one, "
    "which 8-bit kernels on a CPU are faster at. The answers are the same.",
)
@click.option(
    "--io",
    "io_dtype",
    type=click.Choice(["int8", "uint8", "int16", "float32"]),
    help="Type of inputs and outputs of integer files; the scheme's own by default.",
)
@click.option(
    "--target",
    metavar="RUNTIME",
    help="Keep to the op versions of a runtime, as tflite-runtime-2.14.",
)
@click.option("--mean", metavar="M[,M,M]", help="Pixel mean of the model's pictures.")
@click.option("--std", metavar="S[,S,S]", help="Pixel standard deviation, as 127.5.")
@click.option(
    "--task",
    type=click.Choice(["classify", "segment", "tensors"]),
    help="Of a model of your own: what it answers. [default: classify if a picture gets a row of "
    "scores, else tensors]",
)
@click.option("--labels", type=click.Path(path_type=Path), metavar="FILE", help="One class a line.")
@click.option(
    "--shape",
    "shapes",
    multiple=True,
    metavar="INPUT=1,H,W,C",
    help="Shape of an input that the model leaves open; -1 leaves the batch free.",
)
@click.option("--max-bytes", type=click.IntRange(1), help="Of a gp's f32 .tflite: the best form.")
@click.option(
    "--max-nlpd-loss",
    type=click.FloatRange(0, min_open=True),
    metavar="NATS",
    help="Of a gp against its posterior: the smallest form. [default: 0.01]",
)
@click.option(
    "--form",
    type=click.Choice(["exact", "inducing", "eigen", "student", "sampling", "teacher"]),
    help="Of a gp: exact, inducing or eigen; the better of the last two if not given. Of a bear: "
    "its student, or the agent itself that samples, with noise as an input. Of a pearl: its "
    "student, or the teacher, which is the agent itself.",
)
@click.option(
    "--answer",
    type=click.Choice(["labels", "logits", "probabilities", "raw", "boxes", "postprocess"]),
    help="What files say: of a deeplab_v3 labels, logits or probabilities; of an ssdlite raw "
    "(codes and logits), boxes or postprocess. [default: as trained]",
)
@click.option(
    "--answer-stride",
    type=click.IntRange(1),
    help="Of a deeplab_v3: pixels of the input for each place of the answer, per side.",
)
@click.option(
    "--argmax-stride",
    type=click.IntRange(1),
    help="Of a deeplab_v3's labels: find them at fewer places, and repeat them.",
)
@click.option("--weights", metavar="imagenet|FILE", help="Of a preset; random if not given.")
@click.option("--sha256", metavar="HEX", help="What those weights must hash to.")
@click.option("--trust-model", is_flag=True, help="Run the code that a foreign model file carries.")
@click.option("--seed", default=0, show_default=True, help="Of noise, where no data is given.")
@output_options
def command(output: Path, as_json: bool, **options: Any) -> None:
    """Convert MODEL to an artifact in DIR and compare every file with it.

    MODEL is a family preset (mobilenet_v2:1.0-224), a training run, a .keras or .h5 file of Keras
    2 or 3, a SavedModel, or module:function.
    """  # fmt: skip
    from rich.text import Text

    from edgekit.artifact import open_artifact
    from edgekit.cli.tables import short_names
    from edgekit.profile.cost.precision import by_type, islands, types_text
    from edgekit.profile.graph import read_graph
    from edgekit.sources.job import run_conversion

    request = {
        **options,
        "output": str(output.resolve()),
        "mean": numbers(options["mean"], "--mean"),
        "std": numbers(options["std"], "--std"),
    }
    if request["labels"]:
        request["labels"] = _read_labels(request["labels"])
    with stderr().status(Text(one_line(f"converting {options['model']}"))):
        told = run_conversion(request)
    artifact = open_artifact(output)
    files = artifact.manifest.files
    data: dict[str, Any] = {
        "artifact": str(output),
        "files": [
            {"path": f.path, "scheme": f.scheme, "size_bytes": f.size_bytes, "madds": f.madds,
             "params": f.params, "parity": f.parity}
            for f in files
        ],
        **told,
    }  # fmt: skip
    kept = artifact.manifest.provenance.get("kept_in_float") or {}
    graphs = {f.path: read_graph(artifact.path(f)) for f in files}
    for entry in data["files"]:
        entry["types"] = dict(by_type(graphs[entry["path"]]))
        entry["float_islands"] = [[op.layer or op.name for op in group]
                                  for group in islands(graphs[entry["path"]])]  # fmt: skip
    names = short_names([f.path for f in files])
    types = [
        f"{name}: {types_text(graph)}" for name, graph in zip(names, graphs.values(), strict=True)
    ]
    emit({**data, "kept_in_float": kept}, as_json, _table(files), *types, *_drops(kept),
         _footer(artifact, told), *told["not_made"].values())  # fmt: skip
    if not_made := told["not_made"]:
        raise CheckFailedError(
            f"{output}: files not made",
            got=", ".join(not_made),
            do="leave them out with --scheme and --to, or do what their lines say",
        )
    if failed := [f for f in files if not (f.parity or {}).get("passed")]:
        see = "see: edgekit verify --per-layer"
        if any(f.scheme in ("w8", "w8a8", "w8a16") for f in failed):
            see += "; --scheme mixed --max-drop 1 leaves in float what integers harm"
        raise CheckFailedError(
            f"{output}: parity", got=f"{', '.join(f.path for f in failed)} out of its gate", do=see
        )


def _read_labels(path: Path) -> list[str]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: labels cannot be read", got=error) from None
    return [line.strip() for line in lines if line.strip()]


def _table(files: Any) -> Any:
    from edgekit.cli.tables import parity_cell, short_names, table
    from edgekit.report.numbers import counted

    rows = [
        (
            name,
            f"{f.size_bytes / 1e3:,.1f}",
            "unknown" if f.madds is None else counted(f.madds),
            *parity_cell(f),
        )
        for f, name in zip(files, short_names([f.path for f in files]), strict=True)
    ]
    return table(("file", "kB", "MAdds", "SQNR dB", "cosine", "parity"), rows)


def _drops(kept: dict[str, Any]) -> list[str]:
    """Return a line for each file whose loss was limited."""
    return [
        one_line(f"{path}: {choice['drop_percent']:.2g}% of answers are expected to change")
        for path, choice in kept.items()
        if choice.get("drop_percent") is not None
    ]


def _footer(artifact: Artifact, seconds: dict[str, float]) -> str:
    provenance = artifact.manifest.provenance
    told = provenance.get("calibration")
    calibrated = f", calibrated on {told['examples']} examples of {told['data']}" if told else ""
    return one_line(
        f"{artifact.folder}: converted in {seconds['converting_cpu_s']:.1f} CPU s{calibrated}; "
        f"checked against the source in {seconds['checking_cpu_s']:.1f} CPU s "
        f"on {provenance['compared_on']['examples']} examples"
    )
