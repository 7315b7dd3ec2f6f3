"""The command line: a group whose commands are imported when they are called.

A command module holds one click command called `command`; whatever is heavier than click is
imported inside its body, so that `edgekit --help` starts at once.
"""

from __future__ import annotations

import os
import sys
from importlib import import_module

import click

from edgekit import __version__
from edgekit.cli.output import quieten
from edgekit.errors import EdgekitError, one_line

COMMANDS = {
    "demo": "The main job on data that comes along.",
    "models": "Families and presets with task, parameters, MAdds.",
    "train": "Train a family, float or quantization-aware.",
    "convert": "Turn a model into an artifact: TFLite and ONNX, in several schemes.",
    "verify": "Integrity, then parity against the source or another file.",
    "inspect": "MAdds, parameters and the op table of a model.",
    "evaluate": "The task's metric for each file of an artifact.",
    "run": "Answers for your inputs: a label, with its score.",
    "bench": "Latency with its interval, load time, memory.",
    "gate": "Compare two results; exit 1 beyond the allowed loss.",
    "report": "One HTML file from artifacts, model files and results.",
    "deploy": "Set a board up, put an artifact there, check its answers there.",
    "device": "What --on takes here; setting up the emulated ARM cores.",
    "doctor": "What is installed, what is missing, and the pip line.",
}


class _Commands(click.Group):
    """Looks a command up by name and imports it then."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return None
        module = "answers" if name == "run" else name  # edgekit.cli.run is the function below
        found: click.Command = import_module(f"edgekit.cli.{module}").command
        return found

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(
    cls=_Commands,
    context_settings={"auto_envvar_prefix": "EDGEKIT"},
    invoke_without_command=True,
)
@click.version_option(__version__, prog_name="edgekit")
@click.pass_context
def cli(ctx: click.Context) -> None:
    """Take a model from Keras to a phone or a Raspberry Pi.

    Exit codes: 0 done; 1 a gate or a parity check failed; 2 the input is wrong; 3 the device or
    the installation is wrong; 130 interrupted.
    """
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())


def main() -> None:
    """Run the command line and exit; an error is one line on stderr, never a traceback."""
    quieten()
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Run one command and return its exit code."""
    try:
        cli.main(arguments, prog_name="edgekit", standalone_mode=False)
    except EdgekitError as error:
        return _fail(str(error), error.exit_code)
    except click.ClickException as error:
        return _fail(error.format_message().replace("\n\t", " "), 2)  # of a choice that is missing
    except click.Abort as abort:
        if isinstance(abort.__cause__, EOFError):  # click takes one for the end of a dialogue
            return _fail_unforeseen(abort.__cause__)
        return _fail("interrupted", 130)
    except KeyboardInterrupt:
        return _fail("interrupted", 130)
    except (BrokenPipeError, SystemExit):
        # The reader of our pipe has gone: click and rich exit by themselves then, and only then.
        # Nothing is wrong, and nothing more can be said.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    except MemoryError:
        return _fail("out of memory: close other programs or take a smaller input", 3)
    except Exception as error:
        return _fail_unforeseen(error)
    return 0


def _fail_unforeseen(error: Exception) -> int:
    if os.environ.get("EDGEKIT_TRACEBACK"):
        raise error
    if isinstance(error, OSError) and error.strerror:  # a full disk, a folder that may not be read
        return _fail(f"{error.filename or 'output'}: {error.strerror}", 3)
    place = f"{type(error).__name__}: {error}"
    hint = "set EDGEKIT_TRACEBACK=1 to see where, and report it"
    return _fail(f"internal error: {place[:300]}: {hint}", 3)


def _fail(line: str, code: int) -> int:
    click.echo(f"edgekit: {one_line(line)}", err=True)
    return code
