"""edgekit run: answers for your inputs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgekit.cli.asked_model import AskedModel, from_artifact, from_file, open_asked
from edgekit.cli.output import emit, output_options, stderr
from edgekit.errors import InputError

if TYPE_CHECKING:
    from rich.text import Text

    from edgekit.runtime import Session
    from edgekit.tasks import Task

SCHEMA = 1


@click.command()
@click.argument("model", metavar="ARTIFACT_OR_FILE")
@click.argument("inputs", nargs=-1, metavar="INPUT...", type=click.Path())
@click.option(
    "--env", "environment", metavar="NAME", help="Play episodes there through a policy's artifact."
)
@click.option(
    "--episodes",
    default=10,
    show_default=True,
    type=click.IntRange(1),
    help="Of --env; or tasks, for a policy that adapts to them.",
)
@click.option(
    "--trajectories",
    type=click.IntRange(1),
    help="Of --env, for a policy that adapts: of each task. [default: as the artifact says]",
)
@click.option(
    "--seed", default=0, show_default=True, help="Of --env: of beginnings, tasks and noise."
)
@click.option(
    "--top",
    default=5,
    show_default=True,
    type=click.IntRange(min=1),
    help="How many labels of each picture.",
)
@click.option(
    "--file",
    "scheme",
    metavar="SCHEME",
    help="Which file of an artifact, as w8a8; the first if not given.",
)
@click.option("--runtime", help="litert, tflite-runtime or onnxruntime; by format if not given.")
@click.option("--threads", default=1, show_default=True, help="Of the runtime.")
@click.option(
    "--on",
    "place",
    metavar="DEVICE",
    help="Run an artifact there: ssh://, adb: or qemu:CORE; pictures are prepared here.",
)
@click.option(
    "--save",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Save a picture of each answer there: NAME-labelled.png, NAME-boxes.png, NAME-band.png "
    "over one input, or NAME-overlay.png and NAME-mask.png; of arrays NAME-answers.npz.",
)
@click.option(
    "--labels",
    type=click.Path(path_type=Path),
    metavar="TXT",
    help="For a bare file: the labels, one a line.",
)
@click.option(
    "--task",
    "task_name",
    type=click.Choice(["classify", "detect", "segment", "tensors"]),
    help="For a bare file: what it answers. [default: tensors to arrays, else classify]",
)
@click.option("--mean", metavar="M[,M,M]", help="For a bare file: (pixel - mean) / std goes in.")
@click.option("--std", metavar="S[,S,S]", help="See --mean.")
@output_options
def command(
    model: str, inputs: tuple[str, ...], environment: str | None, episodes: int,
    trajectories: int | None, seed: int, top: int, scheme: str | None, runtime: str | None,
    threads: int, place: str | None, save: Path | None, labels: Path | None,
    task_name: str | None, mean: str | None, std: str | None, as_json: bool,
) -> None:  # fmt: skip
    """Answer pictures, tables or arrays with an artifact, or with a bare .tflite or .onnx file.

    Pictures get labels, boxes, or a label for each pixel; the rows of a CSV a mean, its deviation
    and a 95% band; a mutation matrix (.csv, .tsv, .h5ad) gets words; rows of observations get
    actions, and a policy plays whole episodes with --env. One that adapts plays tasks there that it
    did not learn on, several trajectories of each. Arrays (.npy, or .npz by the names of several
    inputs) go into any model as they are, in real values, and its outputs come back.

    The model is opened in a sandbox; an artifact's files are compared with their SHA-256 before. A
    bare file says nothing of its labels nor of how pixels become its input: give --labels, --mean
    and --std. (A uint8 input without --mean takes the pixels as they are.)
    """
    from edgekit.tasks import task

    if environment is not None:
        from edgekit.cli.episodes import tell_episodes
        from edgekit.play import Wish

        if inputs or place:
            raise InputError("--env", got=place or inputs[0], expected="an artifact alone")
        wish = Wish(environment, episodes, seed, trajectories)
        tell_episodes(Path(model), wish, scheme, runtime, threads, save, as_json)
        return
    if not inputs:
        raise InputError("run: no INPUT", expected="at least one, or --env NAME for a policy")
    raw = _raw(inputs)
    if raw and task_name not in (None, "tensors"):
        raise InputError("--task", got=task_name, expected="tensors, for arrays")
    hints = {"--labels": labels, "--task": task_name, "--mean": mean, "--std": std}
    chosen = (
        from_artifact(Path(model), scheme, runtime, hints)
        if Path(model).is_dir()
        else from_file(Path(model), scheme, labels, task_name, mean, std, pictures=not raw)
    )
    chosen.params["top"] = top
    if raw:
        chosen.params["name"] = "tensors"
    the_task = task(chosen.params)
    copies = _copies(inputs, save, the_task.SUFFIXES)
    with open_asked(chosen, place, runtime, threads) as session:
        rows, texts = _answer(the_task, session, chosen, inputs, copies)
    if remark := the_task.remark(chosen.params):
        stderr().print(remark)
    saved = [[str(copy) for copy in of_one] for of_one in copies or len(inputs) * [()]]
    answers = [
        {"input": name, "answer": found, "saved": next(iter(of_one), None), "copies": of_one}
        for name, found, of_one in zip(inputs, rows, saved, strict=True)
    ]
    data = {"schema": SCHEMA, "kind": "answers", "file": str(chosen.path),
            "runtime": str(session.facts["runtime"]), "device": place or "local"}  # fmt: skip
    emit(data | {"answers": answers}, as_json, *_lines(inputs, texts, saved))


def _answer(
    the_task: Task, session: Session, model: AskedModel, inputs: tuple[str, ...],
    copies: list[tuple[Path, ...]],
) -> tuple[list[list[dict[str, Any]]], list[list[str]]]:  # fmt: skip
    """Return rows and lines of each answer; save drawn copies."""
    from edgekit.evaluate import answer

    signature = model.describe(session)
    things = [the_task.load(Path(name)) for name in inputs]
    answers = [answer(the_task, session, signature, thing, model.params) for thing in things]
    if copies:
        for thing, found, of_one in zip(things, answers, copies, strict=True):
            for copy, content in zip(of_one, the_task.draw(thing, found), strict=True):
                _save(copy, content)
    rows = [the_task.describe(found) for found in answers]
    return rows, [the_task.lines(found) for found in answers]


def _save(copy: Path, content: Any) -> None:
    """Write arrays by name, or a picture."""
    if isinstance(content, Mapping):
        from edgekit.tasks.arrays import save_npz

        save_npz(copy, content)
    else:
        from edgekit.tasks.pictures.drawing import save_png

        save_png(copy, content)


def _raw(inputs: Sequence[str]) -> bool:
    """Whether the inputs are arrays, which go in as they are, whatever the model is for.

    Raises:
        InputError: some are and some are not.
    """
    from edgekit.tasks.arrays import SUFFIXES

    arrays = [Path(name).suffix.lower() in SUFFIXES for name in inputs]
    if any(arrays) and not all(arrays):
        raise InputError("run: inputs", got=f"{inputs[arrays.index(True)]} beside "
                         f"{inputs[arrays.index(False)]}", expected="arrays alone, or none",
                         do="run them apart")  # fmt: skip
    return all(arrays)


def _copies(
    inputs: tuple[str, ...], save: Path | None, suffixes: Sequence[str]
) -> list[tuple[Path, ...]]:
    """Return where the copies of each input go: known to differ before anything runs."""
    if save is None:
        return []
    copies = [tuple(save / f"{Path(name).stem}-{suffix}" for suffix in suffixes) for name in inputs]
    for copy, *_ in copies:
        if [first for first, *_ in copies].count(copy) > 1:
            raise InputError(f"--save: two copies would be called {copy}", do="save them apart")
    return copies


def _lines(
    inputs: Sequence[str], texts: Sequence[Sequence[str]], saved: Sequence[Sequence[str]]
) -> list[Text]:
    """Return each input's name and under it its answer."""
    from rich.text import Text

    from edgekit.errors import one_line

    lines: list[Text] = []
    for name, text, copies in zip(inputs, texts, saved, strict=True):
        lines.append(Text(one_line(name), style="bold", overflow="fold"))
        for row in text:
            line = Text(f"  {one_line(row)}", overflow="ellipsis")
            line.no_wrap = True
            lines.append(line)
        for copy in copies:
            lines.append(Text(f"  saved {one_line(copy)}", style="dim", overflow="fold"))
    return lines
