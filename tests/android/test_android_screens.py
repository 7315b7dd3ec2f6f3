"""The app's own screens: its activities in Android 15 on the JVM, by Robolectric."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import android_app
import pytest
from PIL import Image

SIZE = (616, 1096)  # 411 by 731 units at 240 dots an inch
SCREENS = ("models", "classify", "detect", "segment", "regress", "phylogeny", "corrections",
           "policy", "adapt", "benchmark", "no-picture", "wrong-version")  # fmt: skip
COLOURS = 8  # letters alone have more, at their edges


def test_the_screens(tmp_path: Path) -> None:
    """Gallery, camera, bad input, rotation, benchmark: JUnit's tests pass, and leave pictures."""
    reason = android_app.missing()
    if not reason and (done := android_app.make("robolectric")).returncode:
        reason = f"Robolectric cannot be fetched: {(done.stdout + done.stderr)[:500]}"
    if reason:
        pytest.skip(reason)
    done = android_app.make("screens", f"PYTHON={sys.executable}", f"SCREENS={tmp_path}")
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    tests = re.search(r"OK \((\d+) tests\)", done.stdout)
    assert tests is not None
    assert int(tests[1]) >= 30
    assert {path.stem for path in tmp_path.glob("*.png")} == set(SCREENS)
    for name in SCREENS:
        with Image.open(tmp_path / f"{name}.png") as picture:
            assert picture.size == SIZE, name
            colours = picture.convert("RGB").getcolors(SIZE[0] * SIZE[1])
            assert colours is not None
            assert len(colours) >= COLOURS, name
