"""A conversion as a job of JSON types, so that a foreign model can be converted in a child."""

from __future__ import annotations

import logging
import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from edgekit.artifact import MANIFEST, check_artifact_place, open_artifact, write_artifact
from edgekit.errors import InputError, MissingExtraError
from edgekit.profile.graph import parse_shapes
from edgekit.quantize.ptq.techniques import BEST, Mixed, PostTraining, parse_techniques
from edgekit.quantize.scheme import MIXED, parse_schemes
from edgekit.runtime.child_process import Limits
from edgekit.runtime.sandbox import run_isolated
from edgekit.sources import parse

_log = logging.getLogger("edgekit")

DIAL = (  # of some families
    "max_bytes", "max_nlpd_loss", "form", "answer", "answer_stride", "argmax_stride",
)  # fmt: skip

# TensorFlow reserves far more address space than it uses; the time is for large models.
LIMITS = Limits(timeout_s=3600, memory_bytes=64 << 30, file_bytes=16 << 30, open_files=1024)


def run_conversion(request: Mapping[str, Any]) -> dict[str, Any]:
    """Convert as `edgekit convert` was asked to; return CPU seconds, and why files are not made.

    A foreign file is loaded and converted in a child process, a model of our own in this one.

    Raises:
        EdgekitError: the model or an option is wrong, or no file can be made; nothing was written.
    """
    _check(request)
    if parse(request["model"]).foreign:
        return _convert_isolated(request)
    return convert(request)


def _convert_isolated(request: Mapping[str, Any]) -> dict[str, Any]:
    """Convert in a child, and take over what it made once it is whole.

    The child may die at any moment; whatever it was writing then goes with `scratch`.
    """
    with tempfile.TemporaryDirectory(prefix="edgekit-") as scratch:
        inside = {**request, "output": str(Path(scratch) / "artifact"), "scratch": scratch}
        done = run_isolated(
            f"{__name__}:convert_within", inside, what=request["model"], runner="TensorFlow",
            limits=LIMITS,
        )  # fmt: skip
        made = open_artifact(inside["output"])
        made.check()
        contents = {p.name: p.read_bytes() for p in made.folder.iterdir() if p.name != MANIFEST}
        write_artifact(request["output"], made.manifest, contents)
    for level, remark in done["remarks"]:
        _log.log(level, "%s", remark)
    told: dict[str, Any] = done["told"]
    return told


def convert_within(request: Mapping[str, Any]) -> dict[str, Any]:
    """Do `convert` in the request's scratch folder, and hand back what was said on the way."""
    tempfile.tempdir = request["scratch"]
    remarks: list[tuple[int, str]] = []

    class Listener(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            remarks.append((record.levelno, record.getMessage()))

    _log.addHandler(Listener())
    _log.setLevel(logging.INFO)
    return {"told": convert(request), "remarks": remarks}


def convert(request: Mapping[str, Any]) -> dict[str, Any]:
    """Load the model, convert it and write the artifact; see `run_conversion`."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    try:
        from edgekit.export.conversion import Plan
        from edgekit.export.conversion import convert as convert_source
        from edgekit.export.files import Wanted
    except ModuleNotFoundError as error:
        raise MissingExtraError(error.name or "TensorFlow", "train") from None
    from edgekit.sources import load

    source = load(
        request["model"],
        trust=request["trust_model"],
        seed=request["seed"],
        weights=request["weights"],
        sha256=request["sha256"],
        dial={name: request.get(name) for name in DIAL},
    )
    source = replace(
        source,
        task=_task(source.task, request),
        mean=_tuple(request["mean"]) or source.mean,
        std=_tuple(request["std"]) or source.std,
    )
    plan = Plan(
        schemes=parse_schemes(request["schemes"]),
        formats=tuple(dict.fromkeys(request["formats"].split(","))),
        calibrate=request["calibrate"] or None,
        samples=request["samples"],
        shapes=parse_shapes(request["shapes"]),
        wanted=Wanted(
            io_dtype=request["io_dtype"],
            target=request["target"],
            post_training=_post_training(request),
            mixed=Mixed(request["max_drop"], tuple(request["keep"])),
            stem=request["stem"],
        ),
        seed=request["seed"],
        whole=False,
    )
    done = convert_source(source, plan, request["output"])
    for remark in source.remarks:  # an error stays alone
        _log.warning("%s", remark)
    return {
        "converting_cpu_s": done.converting_cpu_s,
        "checking_cpu_s": done.checking_cpu_s,
        "not_made": {name: str(error) for name, error in done.not_made.items()},
    }


def _task(known: Mapping[str, Any] | None, request: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return the source's task with the labels, or what is asked for of a model of the user's own.

    Raises:
        InputError: the model says itself what it answers.
    """
    asked = request["task"]
    if known and asked:
        raise InputError("--task", got=asked, expected="a model of your own",
                         do=f"leave it out: {request['model']} says {known['name']}")  # fmt: skip
    named = {"name": asked} if asked else known or {}
    if asked == "segment":  # as Keras' own resizing does it
        named = {**named, "fit": "stretch", "align_corners": False}
    labels = {"labels": request["labels"]} if request["labels"] else {}
    return {**named, **labels} or None


def _post_training(request: Mapping[str, Any]) -> PostTraining:
    techniques = parse_techniques(request["ptq"])
    ranges = request["ranges"] or ("effect" if techniques == (BEST,) else "minmax")
    return PostTraining(techniques, ranges, request["extra_madds"])


def _check(request: Mapping[str, Any]) -> None:
    """Find what is wrong with the options before anything heavy is loaded."""
    schemes = parse_schemes(request["schemes"])
    formats = request["formats"].split(",")
    for format in formats:
        if format not in ("tflite", "onnx"):
            raise InputError(f"--to {format}: no such format", expected="tflite, onnx or both")
    parse_shapes(request["shapes"])
    wanted = _post_training(request)
    made = {scheme.name for scheme in schemes} if "tflite" in formats else set()
    as_onnx = {scheme.name for scheme in schemes} if "onnx" in formats else set()
    if wanted.techniques and not (made & {"w8a8", "w8a16", MIXED} or "w8a8" in as_onnx):
        raise InputError("--ptq", got=request["ptq"],
                         expected="w8a8, or w8a16 or mixed as .tflite")  # fmt: skip
    limits = request["max_drop"] is not None or bool(request["keep"])
    if limits != (MIXED in made):
        raise InputError(
            "scheme mixed", got="no limit" if MIXED in made else "--max-drop or --keep alone",
            expected="--scheme mixed with --max-drop, --keep or both, as TFLite",
        )  # fmt: skip
    in_8_bits = any(scheme.all_in_8_bits for scheme in schemes)
    if request["stem"] != "plain" and not ("tflite" in formats and in_8_bits):
        raise InputError("--stem", got=request["stem"], expected="w8a8 or qat-w8a8 as .tflite")
    if request["io_dtype"]:
        integer = [scheme for scheme in schemes if scheme.activation_bits]
        if not integer or "tflite" not in formats:
            raise InputError("--io", got=request["io_dtype"], expected="an integer .tflite to make")
        for scheme in integer:
            scheme.check_io(request["io_dtype"])
    if request["target"]:
        from edgekit.export.targets import accepted_versions

        accepted_versions(request["target"])
    check_artifact_place(request["output"])


def _tuple(values: Sequence[float] | None) -> tuple[float, ...] | None:
    return None if values is None else tuple(values)
