"""Golden vectors of a policy that adapts, against its own arithmetic, and its way into the app."""

from __future__ import annotations

import io
import json
import shutil
import zipfile
from typing import Any

import android_app
import numpy as np
import pytest

from edgekit.artifact import open_artifact
from edgekit.cli import run
from edgekit.device.android_project import MODELS
from edgekit.export.conversion import Plan, convert
from edgekit.families import family
from edgekit.parity.golden import NAME
from edgekit.quantize.scheme import parse_scheme
from edgekit.sources.preset import untrained


@pytest.fixture(scope="module")
def golden(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What `edgekit deploy --android` lays beside an untrained agent."""
    folder = tmp_path_factory.mktemp("agent")
    kind = family("pearl")
    source = untrained(kind, kind.tiny, "pearl", "tiny")
    convert(source, Plan((parse_scheme("f32"),)), folder / "artifact")
    left_out = shutil.ignore_patterns("build", "models")
    project = shutil.copytree(android_app.PROJECT, folder / "android_demo", ignore=left_out)
    assert run(["deploy", str(folder / "artifact"), "--android", str(project)]) == 0
    there = open_artifact(project / MODELS / "pearl")
    there.check()
    with zipfile.ZipFile(there.folder / NAME) as file:
        return {
            name.rpartition(".")[0]: np.load(io.BytesIO(file.read(name)))
            if name.endswith(".npy")
            else json.loads(file.read(name))
            for name in file.namelist()
        }


def test_calls_follow_from_one_another(golden: dict[str, Any]) -> None:
    """Sums go into fuse, its z into act, actions move the robot, and what they bring is encoded."""
    for number in range(2):
        call = {k.removeprefix(f"{number}/pearl.f32.tflite/"): v for k, v in golden.items()}
        moves = np.clip(call["act/output/action"], -0.1, 0.1).reshape(3, 20, 2)
        paths = np.concatenate([np.zeros((3, 1, 2)), moves.cumsum(axis=1)], axis=1)
        told = np.array([one["path"] for one in call["answer"]])
        assert told == pytest.approx(paths, abs=1e-5)
        assert call["encode/input/observation"] == pytest.approx(told[:, :-1].reshape(60, 2))
        distances = np.linalg.norm(told[:, 1:] - golden[f"{number}/thing"], axis=2)
        assert call["encode/input/reward"] == pytest.approx(-distances.reshape(60, 1), abs=1e-5)
        assert [one["return"] for one in call["answer"]] == pytest.approx(
            -distances.sum(axis=1), rel=1e-5
        )
        for name in ("precision", "precision_mean"):
            sums = call[f"encode/output/{name}"].reshape(3, 20, -1).sum(axis=1).cumsum(axis=0)
            before = np.concatenate([np.zeros_like(sums[:1]), sums[:-1]])
            assert call[f"fuse/input/{name}"] == pytest.approx(before, rel=1e-4, abs=1e-4)
        assert (call["fuse/input/noise"] == golden[f"{number}/noise"]).all()
        z = call["fuse/output/z"]
        assert (call["act/input/z"].reshape(3, 20, -1) == z[:, None]).all()
        assert [one["z"] for one in call["answer"]] == pytest.approx(z)


def test_goals_lie_on_the_half_circle(golden: dict[str, Any]) -> None:
    goals = np.stack([golden[f"{number}/thing"] for number in range(2)])
    assert np.linalg.norm(goals, axis=1) == pytest.approx(1.0)
    assert (goals[:, 1] >= 0).all()
    assert golden["pearl.f32.tflite/gate"] == {"tolerance": [1e-4, 1e-4], "min_agreement": 0.999}
