"""`edgekit run ARTIFACT --env NAME`: episodes played through the artifact alone."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgekit.cli.output import emit
from edgekit.errors import InputError

if TYPE_CHECKING:
    from edgekit.environments.episodes import Episodes

SCHEMA = 1


def tell_episodes(
    folder: Path, environment: str, episodes: int, seed: int, scheme: str | None,
    runtime: str | None, threads: int, save: Path | None, as_json: bool,
) -> None:  # fmt: skip
    """Play, print the returns and the time of a step, and save a picture.

    Raises:
        InputError: no artifact of a policy.
    """
    from edgekit.artifact import open_artifact
    from edgekit.play import play_isolated

    if not folder.is_dir():
        raise InputError(f"{folder}: no artifact", expected="a folder that convert wrote")
    artifact = open_artifact(folder)
    if (task := artifact.manifest.task.get("name")) != "control":
        raise InputError(f"{folder}: task", got=task, expected="control", do="leave out --env")
    played = play_isolated(
        artifact, environment, episodes=episodes, seed=seed, scheme=scheme, runtime=runtime,
        threads=threads,
    )  # fmt: skip
    copy = _save(save, folder, played) if save else None
    data = {
        "schema": SCHEMA, "kind": "episodes", "file": played["file"], "runtime": played["runtime"],
        "environment": environment, "seed": seed, "returns": played["returns"],
        "lengths": played["lengths"], "median_step_us": played["step_us"][0],
        "p95_step_us": played["step_us"][1], "saved": copy,
    }  # fmt: skip
    emit(data, as_json, *_lines(environment, played, copy))


def _lines(environment: str, played: dict[str, Any], copy: str | None) -> list[str]:
    import numpy as np

    returns, lengths = np.array(played["returns"]), np.array(played["lengths"])
    count = len(returns)
    error = f" +- {returns.std(ddof=1) / count**0.5:.3g}" if count > 1 else ""
    median, late = played["step_us"]
    found = [
        f"{Path(played['file']).name} in {played['runtime']}, {environment}",
        f"return {returns.mean():.5g}{error} (mean and standard error), {returns.min():.5g} to "
        f"{returns.max():.5g} in {count} episodes of {lengths.mean():.4g} steps",
        f"{median:.3g} microseconds a step (median, measured here; 95% within {late:.3g})",
    ]
    return [*found, f"saved {copy}"] if copy else found


def _save(save: Path, folder: Path, played: dict[str, Any]) -> str:
    from edgekit.tasks.control import SUFFIXES, draw_episodes
    from edgekit.tasks.drawing import save_png

    path = save / f"{folder.resolve().name}-{SUFFIXES[0]}.png"
    save_png(path, draw_episodes(_episodes(played)))
    return str(path)


def _episodes(played: dict[str, Any]) -> Episodes:
    import numpy as np

    from edgekit.environments.episodes import Episodes

    course = [np.array(played[name], float) for name in ("observations", "actions", "rewards")]
    return Episodes(np.array(played["returns"]), np.array(played["lengths"]), *course)
