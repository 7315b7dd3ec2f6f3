"""What every command shares: --json, -q and -v, and the way to print.

With --json stdout carries the data alone; progress and remarks go to stderr.
"""

from __future__ import annotations

import json
import logging
import math
import os
import sys
import warnings
from collections.abc import Callable
from functools import partial
from io import TextIOWrapper
from typing import TYPE_CHECKING, Any

import click

from edgekit.errors import InputError, one_line

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
    """Print `data` as JSON, or the renderables for a person; a string is never markup."""
    if as_json:
        click.echo(json.dumps(data, indent=2, ensure_ascii=False, allow_nan=False))
        return
    from rich.text import Text

    console = stdout()
    for renderable in renderables:
        plain = isinstance(renderable, str)
        console.print(Text(one_line(str(renderable))) if plain else renderable)


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
        InputError: one is no number, or is not finite.
    """
    if text is None:
        return None
    try:
        values = tuple(float(part) for part in text.split(","))
    except ValueError:
        values = (math.nan,)
    if not all(map(math.isfinite, values)):
        raise InputError(option, got=text, expected="numbers, as 127.5 or 123.7,116.3,103.5")
    return values


class _OneLine(logging.Formatter):
    """A remark is one line, whatever the names of files in it hold."""

    def format(self, record: logging.LogRecord) -> str:
        return one_line(super().format(record))


_log = logging.getLogger("edgekit")
_native_stderr: int | None = None


def quieten() -> None:
    """Keep what libraries write by themselves off the screen; -v brings it back.

    TensorFlow and the runtimes log to file descriptor 2 before any setting can reach them. Python's
    own stderr goes on through a copy of it.
    """
    global _native_stderr
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:  # closed by whoever started us: the next file would get its number
            os.open(os.devnull, os.O_RDWR)
    _native_stderr = os.dup(2)
    sys.stderr = os.fdopen(os.dup(2), "w", buffering=1, errors="backslashreplace")
    if isinstance(sys.stdout, TextIOWrapper):  # a file's name may be no text
        sys.stdout.reconfigure(errors="backslashreplace")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_OneLine())
    _log.addHandler(handler)
    _log.setLevel(logging.WARNING)
    _log.propagate = False
    logging.getLogger().setLevel(logging.ERROR)
    warnings.simplefilter("ignore")


def _quiet(ctx: click.Context, param: click.Parameter, value: bool) -> None:
    if value:
        _say(ctx, logging.ERROR)


def _verbose(ctx: click.Context, param: click.Parameter, value: bool) -> None:
    if value:
        _say(ctx, logging.DEBUG)
        if _native_stderr is not None:
            os.dup2(_native_stderr, 2)
            logging.getLogger().setLevel(logging.INFO)
            warnings.simplefilter("default")


def _say(ctx: click.Context, level: int) -> None:
    """Set what is said for this command alone."""
    ctx.call_on_close(partial(_log.setLevel, _log.level))
    _log.setLevel(level)
