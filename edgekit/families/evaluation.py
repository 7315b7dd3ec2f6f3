"""A training run's float network judged as its files are, where it does what no file can."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from edgekit.errors import InputError
from edgekit.evaluate import Evaluation
from edgekit.families import family
from edgekit.families.run import open_run
from edgekit.files import file_sha256


def evaluate_at_scales(
    folder: str | Path,
    source: str,
    scales: Sequence[float],
    *,
    mirror: bool,
    on_example: Callable[[str, int, int], None] | None = None,
) -> list[Evaluation]:
    """Return the scores of a run's float network, averaged over scales, as an evaluation's rows.

    Args:
        folder: of the run.
        source: the data, whose test split is read.
        scales: of the picture, each above 0.
        mirror: whether the mirrored pictures are asked as well.
        on_example: called with the weights' name, how many examples are done, how many there are.

    Raises:
        InputError: no run, one whose networks have one size, scales that are none, or data that
            does not fit.
    """
    if not scales or not all(0 < scale < float("inf") for scale in scales):
        raise InputError("--scales", got=", ".join(f"{s:g}" for s in scales) or "none",
                         expected="numbers above 0, as 0.5,1,1.5")  # fmt: skip
    run = open_run(folder)
    weights = run.weights_path("float")
    scores = family(run.family).evaluate_at_scales(
        run, source, scales, mirror=mirror,
        on_done=partial(on_example, weights.name) if on_example else None,
    )  # fmt: skip
    how = f"tf_keras at {', '.join(f'{s:g}' for s in scales)}{' and mirrored' if mirror else ''}"
    sha256 = file_sha256(weights)
    return [Evaluation(weights.name, "keras", "f32", sha256, how, score) for score in scores]
