"""A detector of ours in MediaPipe's ObjectDetector, in its own environment."""

from __future__ import annotations

import json
import os
import subprocess
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("tensorflow")

from edgekit.evaluate import answer, described
from edgekit.export.conversion import Plan, convert
from edgekit.export.metadata import read_metadata
from edgekit.families import family
from edgekit.quantize.scheme import parse_scheme
from edgekit.runtime import open_model
from edgekit.sources.preset import untrained
from edgekit.tasks import task
from edgekit.tasks.boxes import overlap

ROOT = Path(__file__).parents[2]
LABELS = [f"thing {index}, é" for index in range(10)]


@pytest.fixture(scope="module")
def artifact(tmp_path_factory: pytest.TempPathFactory):
    """A small detector whose random predictors are sure of some boxes."""
    kind = family("ssdlite")
    source = untrained(kind, replace(kind.tiny, answer="postprocess"), "detector", "tiny")
    rng = np.random.default_rng(0)
    for layer in source.model.layers:
        if layer.name.startswith(("class_", "box_")) and len(layer.weights) == 2:
            kernel, bias = layer.get_weights()
            deviation, level = (0.2, -7) if layer.name.startswith("class_") else (0.1, 0)
            layer.set_weights([rng.normal(0, deviation, kernel.shape), 0 * bias + level])
    source = replace(source, task={**source.task, "labels": LABELS})
    plan = Plan((parse_scheme("f32"),))
    return convert(source, plan, tmp_path_factory.mktemp("detector") / "artifact").artifact


def test_outputs_are_called_as_mediapipe_calls_them(artifact) -> None:
    metadata, labels = read_metadata(artifact.path(artifact.file()))
    assert list(labels) == LABELS
    outputs = {tensor.name: tensor for tensor in metadata.outputs}
    assert list(outputs) == ["location", "category", "score", "number of detections"]
    assert outputs["location"].boxes
    assert outputs["category"].names_values
    assert outputs["category"].label_file == "labels.txt"


def test_mediapipe_finds_our_boxes(artifact, tmp_path: Path) -> None:
    """In a picture of the input's own size, so that nobody's resizing matters.

    MediaPipe suppresses once more, over all classes: what it leaves out lies over a better box.
    """
    place = os.environ.get("EDGEKIT_MEDIAPIPE")
    python = Path(place or ROOT / ".venv-mediapipe/bin/python")
    if not python.is_file():
        pytest.skip("needs MediaPipe in an environment of its own: run make peers")
    picture = np.random.default_rng(1).integers(0, 256, (64, 64, 3)).astype(np.uint8)
    np.save(tmp_path / "picture.npy", picture)
    file = artifact.file()
    program = Path(__file__).with_name("detect_with_mediapipe.py")
    command = [python, program, artifact.path(file), tmp_path / "picture.npy", "0.3"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    theirs = json.loads(done.stdout.splitlines()[-1])
    params = artifact.manifest.task
    with closing(open_model(artifact.path(file))) as session:
        signature = described(session.signatures, file.signatures, file.path)
        ours = answer(task(params), session, signature, picture, params).above(0.3)
    # Theirs are whole pixels, and ours end at the picture's edge.
    boxes = np.clip(np.array([row["box"] for row in theirs], float), 0, 64)
    shared = overlap(boxes, ours.boxes)
    scores, labels = (np.array([[row[part]] for row in theirs]) for part in ("score", "label"))
    same = np.abs(scores - ours.scores) < 1e-4
    same &= labels == np.array([ours.name(int(index)) for index in ours.classes])
    assert len(theirs) > 15
    apart = np.abs(boxes[:, np.newaxis] - ours.boxes).max(axis=2)  # an edge's whole pixel, twice
    inside = (ours.boxes[:, :2] > 0).all(axis=1)  # of others theirs begin at 0 and keep their size
    assert (same & inside).sum() > 8
    assert apart[same & inside].max() < 2
    assert same.any(axis=1).all()
    left_out = ~same.any(axis=0)
    better = shared * (scores > ours.scores)
    assert left_out.mean() < 0.3
    assert better[:, left_out & inside].max(axis=0, initial=0).min(initial=1) > 0.4
