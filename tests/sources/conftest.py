"""Model files really written by both Kerases, once for all tests here."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from sources.written import Written, write_model


@pytest.fixture(scope="session")
def written(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Written]:
    """Return a function that writes one of MODELS, the first time that it is asked for."""
    folder = tmp_path_factory.mktemp("models")
    done: dict[str, Written] = {}

    def write(name: str) -> Written:
        if name not in done:
            done[name] = write_model(folder, name)
        return done[name]

    return write
