"""Every command says what it does, in 80 columns, and can be told by the environment."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
import tiny_models
from click.testing import CliRunner

from edgekit import cli
from edgekit.cli import COMMANDS


@pytest.mark.parametrize("arguments", [[], *([name] for name in COMMANDS)], ids=str)
def test_help_fits_a_terminal(arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")  # click never uses more than 80 unless it is told to
    result = CliRunner().invoke(cli.cli, [*arguments, "--help"], prog_name="edgekit")
    assert result.exit_code == 0
    lines = result.output.splitlines()
    assert lines[0].startswith(" ".join(["Usage: edgekit", *arguments]))
    assert [line for line in lines if len(line) > 80] == []
    assert "Options:" in result.output


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_begins_with_one_sentence(name: str) -> None:
    command = cli.cli.get_command(click.Context(cli.cli), name)
    assert isinstance(command, click.Command)
    assert command.help
    summary = command.help.split("\n\n")[0]
    assert summary.strip().endswith((".", ":")), summary
    assert COMMANDS[name].endswith(".")
    assert len(COMMANDS[name]) <= 70


def test_the_module_is_the_command() -> None:
    done = subprocess.run([sys.executable, "-m", "edgekit", "--version"], capture_output=True,
                          text=True, check=True)  # fmt: skip
    assert done.stdout.startswith("edgekit, version ")


def test_no_command_is_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run([]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    for name, sentence in COMMANDS.items():
        assert f"  {name} " in out
        assert sentence.split()[0] in out


def leaves(name: str) -> Iterator[click.Command]:
    """Yield a command, or those inside of a group."""
    command = cli.cli.get_command(click.Context(cli.cli), name)
    assert command
    inside = command.commands.values() if isinstance(command, click.Group) else [command]
    yield from inside


@pytest.mark.parametrize(
    "command",
    [leaf for name in COMMANDS for leaf in leaves(name)],
    ids=lambda command: command.name,
)
def test_options_that_every_command_has(command: click.Command) -> None:
    options = {o for p in command.params for o in p.opts if isinstance(p, click.Option)}
    assert {"--json", "--quiet", "--verbose"} <= options
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            assert parameter.help, parameter.name


def test_an_option_from_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = str(tiny_models.write_tflite(tmp_path / "a.tflite"))
    monkeypatch.setenv("EDGEKIT_INSPECT_BY", "layer")
    assert cli.run(["inspect", path, "--json"]) == 0
    assert "by_layer" in json.loads(capsys.readouterr().out)
    assert cli.run(["inspect", path, "--json", "--by", "op"]) == 0
    assert "by_op" in json.loads(capsys.readouterr().out)
    monkeypatch.setenv("EDGEKIT_INSPECT_BY", "colour")
    assert cli.run(["inspect", path]) == 2
    assert "'colour' is not one of" in capsys.readouterr().err
