"""edgekit doctor: what it finds, against the files that say what should be there."""

from __future__ import annotations

import configparser
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from fake_clients import put_on_path

from edgekit.cli import run
from edgekit.device.installation import (
    BASE,
    TESTED,
    Package,
    find_traps,
    installed,
    normalise,
    parse_extras,
)
from edgekit.device.qemu import CORES

ROOT = Path(__file__).parents[2]


def test_tested_versions_are_the_pins() -> None:
    pins: dict[str, str] = {}
    for line in (ROOT / "constraints.txt").read_text().splitlines():
        match = re.match(r"([\w.-]+)==([\w.]+)(?:; python_version (<|>=) \"3\.11\")?$", line)
        if match and (match[3] is None or (match[3] == "<") == (sys.version_info < (3, 11))):
            pins[normalise(match[1])] = match[2]
    assert {name: pins.get(name) for name in TESTED} == TESTED


def test_every_package_that_setup_names_has_a_tested_version() -> None:
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    extras = dict(setup["options.extras_require"])
    del extras["dev"], extras["all"]
    lines = "\n".join([setup["options"]["install_requires"], *extras.values()]).split("\n")
    names = {normalise(m[0]) for line in lines if (m := re.match(r"[A-Za-z][\w.-]*", line))}
    assert names == set(TESTED)


def test_extras_from_metadata() -> None:
    lines = [
        "click>=8.1", 'Jinja2>=3.1; extra == "report"',
        'old==1; python_version < "3.0" and extra == "x"',
        "tf_keras<3; extra == 'train'", 'edgekit[report]; extra == "all"',
    ]  # fmt: skip
    extras = {e.name: e for e in parse_extras(lines, {"click": "8.5.1", "tf-keras": "2.0"})}
    assert list(extras) == [BASE, "report", "train"]
    assert extras[BASE].packages == (Package("click", "8.5.1", TESTED["click"]),)
    assert (extras[BASE].missing, extras[BASE].remedy) == ([], "")
    assert extras["report"].missing == ["jinja2"]
    assert extras["report"].remedy == "pip install 'edgekit[report]'"
    assert extras["train"].packages[0].version == "2.0"


@pytest.mark.parametrize(
    ("versions", "part"),
    [
        ({"tflite-runtime": "2.14.0", "numpy": "2.1.0"}, "numpy<2"),
        ({"ai-edge-litert": "2.3.0", "ai-edge-litert-nightly": "2.4"}, "uninstall ai-edge-litert-"),
        ({"tensorflow": "2.21.0", "tensorflow-cpu": "2.21.0"}, "uninstall tensorflow-cpu"),
    ],
)
def test_traps(versions: dict[str, str], part: str) -> None:
    assert any(part in trap for trap in find_traps(versions))
    assert not find_traps(dict(list(versions.items())[:1]))


def test_installed_here() -> None:
    versions = installed()
    import click
    import numpy

    assert versions["numpy"] == numpy.__version__
    assert versions["click"].startswith(click.__version__[:1])


def test_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["doctor", "--json"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert data["extras"][0]["name"] == BASE
    assert data["extras"][0]["missing"] == []
    assert [d["kind"] for d in data["devices"]] == ["local", "ssh", "adb", "qemu"]
    assert data["devices"][0]["ready"]
    assert run(["doctor"]) == 0
    out = capsys.readouterr().out
    assert "numpy" in out
    assert "device ssh:" in out


def test_what_each_kind_of_device_needs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert run(["doctor"]) == 0
    out = capsys.readouterr().out
    assert "device local: this machine" in out
    assert "device ssh:   not ready: run: apt install openssh-client" in out
    assert "device adb:   not ready: run: apt install adb" in out
    assert "run: apt install qemu-user" in out


def test_every_device_that_can_be_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    listing = (
        "#!/bin/sh\nprintf 'List of devices attached\\nR58\\tdevice\\nX1\\tunauthorized\\n\\n'"
    )
    put_on_path(monkeypatch, tmp_path / "bin", {"adb": listing})
    monkeypatch.setenv("EDGEKIT_CACHE", str(tmp_path))
    assert run(["device", "list", "--json"]) == 0
    found = {d["url"]: d["remedy"] for d in json.loads(capsys.readouterr().out)["devices"]}
    assert found["local"] == ""
    assert (found["adb:R58"], found["adb:X1"]) == ("", "unauthorized")
    cores = {url.removeprefix("qemu:"): why for url, why in found.items() if "qemu:" in url}
    assert set(cores) == set(CORES)
    assert all("run: " in why for why in cores.values())


def test_no_client_for_phones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert run(["device", "list", "--json"]) == 0
    found = {d["url"]: d["remedy"] for d in json.loads(capsys.readouterr().out)["devices"]}
    assert found["adb:"] == "run: apt install adb"
    assert found["ssh://HOST"] == "run: apt install openssh-client"


def test_a_kind_to_set_up_is_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["device", "create"]) == 2
    assert capsys.readouterr().err == ("edgekit: Missing argument 'KIND'. Choose from: qemu\n")


@pytest.mark.parametrize("command", [["doctor"], ["device", "list"]], ids=" ".join)
def test_imports_no_runtime(command: list[str]) -> None:
    code = (
        f"import sys; from edgekit.cli import run; run([*{command}, '-q', '--json']); "
        "heavy = {'tensorflow', 'ai_edge_litert', 'tflite_runtime', 'onnxruntime', 'numpy'}; "
        "sys.exit(','.join(sorted(heavy & set(sys.modules))))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stderr.strip() == ""
