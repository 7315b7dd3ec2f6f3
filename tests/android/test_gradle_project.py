"""The app's Gradle project: built by real Gradle, the Makefile's package comes out."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import android_app
import pytest

from edgekit.device.android_project import MODELS

PACKAGES = ("gradle", "android-sdk-build-tools")
OURS, GRADLES = "build/edgekit.apk", "build/gradle/app/outputs/apk/app-debug.apk"
SAME_PACKAGE = android_app.PROJECT / "tools" / "same_package.py"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A copy of the app's source with a model, or what it takes for one."""
    reason = android_app.missing()
    if not reason and (lacking := " ".join(filter(not_there, PACKAGES))):
        reason = f"the Gradle project is built by Debian's: apt-get install {lacking}"
    if reason:
        pytest.skip(reason)
    done = android_app.make("build/gradle/done")
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    left_out = shutil.ignore_patterns("build", "models")
    copy = shutil.copytree(android_app.PROJECT, tmp_path / "android_demo", ignore=left_out)
    (copy / "build").mkdir()
    for fetched in ("lib", "tools", "gradle"):  # not a second time
        (copy / "build" / fetched).symlink_to(android_app.PROJECT / "build" / fetched)
    model = copy / MODELS / "wave" / "wave.f32.tflite"
    model.parent.mkdir(parents=True)
    model.write_bytes(bytes(4096))
    return copy


def not_there(package: str) -> bool:
    return subprocess.run(["dpkg", "-s", package], capture_output=True, check=False).returncode != 0


def gradle(project: Path) -> subprocess.CompletedProcess[str]:
    return android_app.make("gradle", f"PYTHON={sys.executable}", project=project)


def test_gradle_makes_the_same_package(project: Path) -> None:
    done = gradle(project)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert re.search(r"the same in .*: \d{3} classes, \d+ facts, \d+ files", done.stdout)
    with zipfile.ZipFile(project / GRADLES) as file:
        model = file.getinfo("assets/models/wave/wave.f32.tflite")
    assert model.compress_type == zipfile.ZIP_STORED  # as app/build.gradle says
    with zipfile.ZipFile(project / OURS, "a") as file:
        file.writestr("assets/more", b"")
    argv = [sys.executable, SAME_PACKAGE, OURS, GRADLES]
    other = subprocess.run(argv, cwd=project, capture_output=True, text=True, check=False)
    assert other.returncode == 1
    assert f"got other files, expected those of {OURS}: look at assets/more" in other.stderr


def test_a_word_that_no_plugin_knows_stops_gradle(project: Path) -> None:
    script = project / "app" / "build.gradle"
    script.write_text(script.read_text().replace("noCompress ", "noCompresses "))
    done = gradle(project)
    assert done.returncode != 0
    assert "Could not find method noCompresses()" in done.stderr
