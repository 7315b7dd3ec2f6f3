"""What every command shares: --json, -q and -v, and the way to print.

With --json stdout carries the data alone; progress and remarks go to stderr.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from edgekit.errors import InputError

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

Command = Callable[..., Any]


def output_options(command: Command) -> Command:
    """Add --json, -q and -v."""
    for option in (
        click.option("--json", "as_json", is_flag=True, help="Data alone on stdout, as JSON."),
        click.option("-q", "--quiet", is_flag=True, callback=_quiet, expose_value=False,
                     help="Say nothing but errors and the result."),
        click.option("-v", "--verbose", is_flag=True, callback=_verbose, expose_value=False,
                     help="Say more about what is done."),
    ):  # fmt: skip
        command = option(command)
    return command


def emit(data: Any, as_json: bool, *renderables: RenderableType) -> None:
    """Print `data` as JSON, or the renderables for a person."""
    if as_json:
        click.echo(json.dumps(data, indent=2, ensure_ascii=False, allow_nan=False))
        return
    console = stdout()
    for renderable in renderables:
        console.print(renderable, markup=False)  # a name may look like markup


def stdout() -> Console:
    """Return the console for results; NO_COLOR and a pipe switch colour off."""
    from rich.console import Console

    return Console(highlight=False)


def stderr() -> Console:
    """Return the console for progress and remarks; silent under -q."""
    from rich.console import Console

    return Console(stderr=True, highlight=False, quiet=_log.level >= logging.ERROR)


def numbers(text: str | None, option: str) -> tuple[float, ...] | None:
    """Return the comma-separated numbers of an option.

    Raises:
        InputError: one is no number.
    """
    try:
        return None if text is None else tuple(float(part) for part in text.split(","))
    except ValueError:
        expected = "numbers, as 127.5 or 123.7,116.3,103.5"
        raise InputError(option, got=text, expected=expected) from None


_log = logging.getLogger("edgekit")
_native_stderr: int | None = None


def quieten() -> None:
    """Keep what libraries write by themselves off the screen; -v brings it back.

    TensorFlow and the runtimes log to file descriptor 2 before any setting can reach them. Python's
    own stderr goes on through a copy of it.
    """
    global _native_stderr
    _native_stderr = os.dup(2)
    sys.stderr = os.fdopen(os.dup(2), "w", buffering=1, errors="backslashreplace")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    handler = logging.StreamHandler(sys.stderr)
    _log.addHandler(handler)
    _log.setLevel(logging.WARNING)
    _log.propagate = False
    logging.getLogger().setLevel(logging.ERROR)
    warnings.simplefilter("ignore")


def _quiet(ctx: click.Context, param: click.Parameter, value: bool) -> None:
    if value:
        _log.setLevel(logging.ERROR)


def _verbose(ctx: click.Context, param: click.Parameter, value: bool) -> None:
    if value:
        _log.setLevel(logging.DEBUG)
        if _native_stderr is not None:
            os.dup2(_native_stderr, 2)
            logging.getLogger().setLevel(logging.INFO)
            warnings.simplefilter("default")
