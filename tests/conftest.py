"""Shared fixtures."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of published models and photographs; tests that need it skip without it."""
    place = os.environ.get("EDGEKIT_SHARED_DATA")
    folder = Path(place) if place else Path(__file__).parents[2] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"needs the published models and photographs in {folder}")
    return folder
