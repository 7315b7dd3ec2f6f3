"""`edgekit train`: a family's network, float and then quantization-aware."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any

import click

from edgekit.cli.output import emit, output_options
from edgekit.errors import InputError, one_line
from edgekit.train import Options

Given = Mapping[str, Any]  # what the user wrote, by field of Options

QAT_EPOCHS = 10  # of --qat, where the recipe names no number


def _training_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add one option for each field of `Options`."""
    for option in reversed(fields(Options)):
        flag = "--" + option.name.replace("_", "-")
        text = f"{option.metadata['help']} [default: {option.default}, or the preset's]"
        kind = type(option.default)
        command = click.option(flag, option.name, type=kind, default=None, help=text)(command)
    return command


class _WithFields(click.Command):
    """Takes --NAME VALUE for each field of the family's configuration, as --set NAME=VALUE."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Rewrite the fields of the family that is named, then parse as usual."""
        from edgekit.families import MODULES, family

        named = (word.partition(":")[0] for word in args if not word.startswith("-"))
        found = next((name for name in named if name in MODULES), None)
        known = {o for p in self.params for o in p.opts}
        fields = asdict(family(found).tiny) if found else {}
        words, rest = list(args), []
        while words:
            word = words.pop(0)
            option, equals, value = word.partition("=")
            name = option.removeprefix("--").replace("-", "_")
            if option in known or not option.startswith("--") or name not in fields:
                rest.append(word)
            elif equals or words:
                rest += ["--set", f"{name}={value if equals else words.pop(0)}"]
            else:
                raise InputError(option, expected="a value")
        return super().parse_args(ctx, rest)


@click.command(cls=_WithFields, short_help="Train a family, float or quantization-aware.")
@click.argument("model", required=False, metavar="FAMILY[:PRESET]")
@click.option(
    "-o",
    "--output",
    required=True,
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="The run: weights, checkpoints, history, TensorBoard logs.",
)
@click.option(
    "--data", help="What the family learns from, a place or a name. [default: the family's own]"
)
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="NAME=VALUE",
    help="A field of the family's configuration, as alpha=0.35; --alpha 0.35 says the same.",
)
@click.option("--weights", help='"imagenet", or a file to start from.')
@click.option("--sha256", help="What those weights must hash to.")
@click.option("--qat", is_flag=True, help="Fine-tune quantization-aware after the float training.")
@click.option(
    "--teacher",
    metavar="RUN",
    help="No training in float and no labels: RUN's network teaches its quantized copy.",
)
@click.option("--resume", is_flag=True, help="Go on from the newest checkpoint in DIR.")
@click.option("--distributed", is_flag=True, help="Over TF_CONFIG's workers, or all local GPUs.")
@_training_options
@output_options
def command(
    model: str | None, output: Path, data: str | None, settings: tuple[str, ...],
    weights: str | None, sha256: str | None, qat: bool, teacher: str | None, resume: bool,
    distributed: bool, as_json: bool, **options: Any,
) -> None:  # fmt: skip
    """Train FAMILY, or a PRESET of it, on pictures, a table, simulations or a batch of transitions.

    Pictures with labels: a folder of class folders, an .npz or digits. With masks: a folder with
    images/, masks/ and labels.txt, Pascal VOC, or scenes (drawn). With boxes: Pascal VOC or COCO,
    or scattered (drawn digits). A table: a CSV. phylogeny simulates its own matrices. bear: a
    batch of random, medium, mixed or expert behaviour that is made now (or several, as
    random+medium), an earlier run's .npz, a D4RL .hdf5 or a Minari folder.

    \b
    edgekit train mobilenet_v2:digits --qat -o run
    edgekit train mobilenet_v2:0.35-96 --data photos/ --weights imagenet -o run
    edgekit train --teacher run --data photos/ -o quantized
    edgekit train deeplab_v3:scenes --qat -o run
    edgekit train ssdlite:scattered --qat -o run
    edgekit train --resume -o run
    edgekit train gp --data table.csv --target COLUMN --kernel "se + white" -o run
    edgekit train phylogeny:branching -o run
    edgekit train bear:pendulum --data random+medium -o run
    """  # noqa: D301
    from edgekit.families import family
    from edgekit.families.run import Run, open_run

    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    given = {name: value for name, value in options.items() if value is not None}
    if resume:
        run = open_run(output)
        _check_resumed(run, model, {"data": data, "weights": weights}, settings, given, qat)
    elif teacher:
        if model or settings or weights or not data:
            raise InputError(
                "train --teacher", got="no --data" if not data else "another network besides",
                expected="--teacher RUN --data PICTURES -o DIR, and options of the training",
            )  # fmt: skip
        run = _student(open_run(teacher), output, _absolute(data), given)
    else:
        if not model:
            raise InputError("train: no FAMILY given", expected="one, as mobilenet_v2:digits")
        name, config, training = _configure(model, settings, given, qat)
        kind = family(name)
        kind.check_options(given)
        source = data or kind.data
        if source is None:
            raise InputError(f"train {name}: no --data", expected="what it shall learn from")
        run = Run(output, name, config, training, _absolute(source), weights=weights)
    if run.teacher:
        done = family(run.family).distill(run, resume=resume, distributed=distributed)
    else:
        done = family(run.family).fit(run, sha256=sha256, resume=resume, distributed=distributed)
    emit(_data(done), as_json, *([] if as_json else [_table(done)]))


def _absolute(source: str) -> str:
    return str(Path(source).resolve()) if Path(source).exists() else source


def _student(teacher: Any, output: Path, data: str, given: Given) -> Any:
    """Return a new run in `output` that begins with the teacher's float weights."""
    from edgekit.families.run import claim
    from edgekit.files import write_file

    claim(output)
    weights = teacher.weights_path("float")
    if not weights.is_file():
        raise InputError(f"{teacher.folder}: not trained yet", do="train it first")
    options = Options(**{"qat_epochs": QAT_EPOCHS, **given})
    test = {"float": teacher.test["float"]} if "float" in teacher.test else {}
    run = replace(
        teacher, folder=output, options=options, data=data, teacher=str(teacher.folder.resolve()),
        best={k: v for k, v in teacher.best.items() if k == "float"}, test=test,
    )  # fmt: skip
    write_file(run.weights_path("float"), weights.read_bytes())
    return run


def _configure(
    model: str, settings: tuple[str, ...], given: Given, qat: bool
) -> tuple[str, Any, Options]:
    """Return the family's name, the configuration and the options, the preset's where not given."""
    from edgekit.families import family

    name, _, preset_name = model.partition(":")
    kind = family(name)
    preset = kind.preset(preset_name) if preset_name else next(iter(kind.presets.values()))
    config = _assign(preset.config, settings)
    training = {**preset.training, **given}
    if not qat and "qat_epochs" not in given:
        training["qat_epochs"] = 0
    elif qat and not training.get("qat_epochs"):
        training["qat_epochs"] = QAT_EPOCHS
    return name, config, Options(**training)


def _assign(config: Any, settings: tuple[str, ...]) -> Any:
    """Return `config` with each NAME=VALUE in it, read as the type of the field."""
    changes = {}
    for setting in settings:
        name, _, text = setting.partition("=")
        known = asdict(config)
        if name not in known:
            raise InputError(f"--set {setting}", got=name, expected="one of " + ", ".join(known))
        kind = type(known[name])
        try:
            changes[name] = _read(text, kind)
        except (ValueError, KeyError):
            raise InputError(f"--set {setting}", got=text, expected=kind.__name__) from None
    return replace(config, **changes)


def _read(text: str, kind: type) -> Any:
    """Return a value as the type of its field; a tuple is of integers, as 64,64.

    What is None unless it is given is a number.
    """
    if kind is type(None):
        return float(text)
    if kind is bool:
        return {"true": True, "false": False}[text]
    return tuple(int(part) for part in text.split(",")) if kind is tuple else kind(text)


def _check_resumed(
    run: Any, model: str | None, given: Given, settings: tuple[str, ...], options: Given, qat: bool
) -> None:
    """Compare what was given beside --resume with what the run was started with."""
    same = {**asdict(run.options), "data": run.data, "weights": run.weights}
    wanted = {name: value for name, value in {**given, **options}.items() if value is not None}
    if "data" in wanted and Path(wanted["data"]).exists():
        wanted["data"] = str(Path(wanted["data"]).resolve())
    pairs = [(name, value, same[name]) for name, value in wanted.items()]
    pairs += [("family", model.partition(":")[0], run.family)] if model else []
    pairs += [("configuration", _assign(run.config, settings), run.config)]
    pairs += [("qat", True, run.qat)] if qat else []
    for name, value, expected in pairs:
        if value != expected:
            raise InputError(
                f"{run.folder}: resumed with another {name}",
                got=value,
                expected=str(expected),
                do="leave it out, or start a new run",
            )


def _data(run: Any) -> dict[str, Any]:
    return {
        "schema": 1, "run": str(run.folder), "family": run.family, "config": asdict(run.config),
        "training": asdict(run.options), "data": run.data, "classes": list(run.classes),
        "best": dict(run.best), "test": {k: dict(v) for k, v in run.test.items()},
    }  # fmt: skip


def _table(run: Any) -> Any:
    from rich.table import Table
    from rich.text import Text

    heading = Text(one_line(f"{run.family} on {Path(run.data).name}"))
    table = Table(title=heading, title_justify="left")
    last = list(run.test)[-1:] if run.teacher else list(run.test)
    metrics = list(run.test[last[0]]) if last else []
    share = next(
        (name for name in ("accuracy", "agreement", "mIOU", "AP50") if name in metrics), None
    )
    shares, shown = share is not None, [share] if share else metrics
    best = {"accuracy": "best on validation", "agreement": "likeness on validation",
            "mIOU": "best mIOU on validation", "AP50": "best AP50 on validation"}  # fmt: skip
    figures = {"cost": "best on validation", "return": "return on validation, at the end"}
    titles = [f"test {name}" for name in shown]
    if share:
        titles = ["test" if share == "accuracy" else f"{share} on test"]
    for title in (
        "phase",
        best.get(share or "")
        or next((figures[m] for m in metrics if m in figures), "log likelihood"),
        *titles,
    ):
        table.add_column(title, justify="left" if title == "phase" else "right")
    for phase in last:
        scores = run.test[phase]
        values = [run.best[phase], *(scores[name] for name in shown)]
        cells = [f"{100 * v:.2f}%" if shares else f"{v:.4g}" for v in values]
        table.add_row(phase, *cells)
    return table
