"""A training run: what its family makes of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from edgekit.export.source import Source
from edgekit.families import family
from edgekit.families.run import open_run
from edgekit.sources.weights import check_finite, keras_weights


def load(text: str, *, dial: Mapping[str, Any] | None = None) -> Source:
    """Rebuild what the run in folder `text` trained, at the size that `dial` asks for.

    Raises:
        InputError: not a run, not trained yet, or with weights that are no numbers.
    """
    run = open_run(text)
    source: Source = family(run.family).restore(run, dial or {})
    check_finite(keras_weights(source.model), text)
    return source
