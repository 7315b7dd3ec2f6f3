"""`edgekit run ARTIFACT --env NAME`: episodes played through the artifact alone."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from edgekit.cli.output import emit
from edgekit.errors import InputError

if TYPE_CHECKING:
    from edgekit.play import Wish

SCHEMA = 1
_DRAWN = ("observations", "actions", "rewards", "paths")  # what a picture needs and nobody reads


def tell_episodes(
    folder: Path, wish: Wish, scheme: str | None, runtime: str | None, threads: int,
    save: Path | None, as_json: bool,
) -> None:  # fmt: skip
    """Play, print the returns and the time of a step, and save a picture.

    Raises:
        InputError: no artifact of a policy.
    """
    from edgekit.artifact import open_artifact
    from edgekit.play import play_isolated, player_of
    from edgekit.tasks.control import SUFFIXES
    from edgekit.tasks.pictures.drawing import save_png

    if not folder.is_dir():
        raise InputError(f"{folder}: no artifact", expected="a folder that convert wrote")
    artifact = open_artifact(folder)
    if (task := artifact.manifest.task.get("name")) != "control":
        raise InputError(f"{folder}: task", got=task, expected="control", do="leave out --env")
    player = player_of(artifact, scheme, runtime)
    played = play_isolated(artifact, wish, scheme=scheme, runtime=runtime, threads=threads)
    copy = None
    if save:
        copy = str(save / f"{folder.resolve().name}-{SUFFIXES[0]}")
        save_png(Path(copy), player.draw(played))
    told = {name: value for name, value in played.items() if name not in _DRAWN}
    data = {"schema": SCHEMA, "kind": "episodes", "environment": wish.environment,
            "seed": wish.seed, **told, "saved": copy}  # fmt: skip
    head = f"{Path(played['file']).name} in {played['runtime']}, {wish.environment}"
    tail = [f"saved {copy}"] if copy else []
    emit(data, as_json, head, *player.lines(played, wish.environment), *tail)
