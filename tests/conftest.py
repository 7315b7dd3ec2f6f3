"""Shared fixtures."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import arm_board
import pytest

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")


@pytest.fixture(autouse=True)
def first_weights() -> None:
    """Every test begins from the same random state, whichever ran before it."""
    if keras := sys.modules.get("tf_keras"):
        keras.utils.set_random_seed(0)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of published models and photographs; tests that need it skip without it."""
    place = os.environ.get("EDGEKIT_SHARED_DATA")
    folder = Path(place) if place else Path(__file__).parents[2] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"needs the published models and photographs in {folder}")
    return folder


@pytest.fixture(scope="session")
def emulator() -> Path:
    """The userland of the emulated cores; tests that need it skip where a tool is missing."""
    return arm_board.userland_or_skip()


@pytest.fixture(scope="session")
def board(tmp_path_factory: pytest.TempPathFactory) -> Iterator[arm_board.Board]:
    """A real aarch64 sshd and adbd on loopback; tests that need it skip where a tool is missing."""
    if reason := arm_board.missing():
        pytest.skip(reason)
    with arm_board.running(tmp_path_factory.mktemp("board")) as started:
        yield started


@pytest.fixture
def reach(board: arm_board.Board, monkeypatch: pytest.MonkeyPatch) -> arm_board.Board:
    """The board, with the clients that reach it on PATH."""
    monkeypatch.setenv("PATH", f"{board.clients}{os.pathsep}{os.environ['PATH']}")
    return board
