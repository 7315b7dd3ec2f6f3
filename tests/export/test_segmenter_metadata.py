"""A file of ours in MediaPipe's ImageSegmenter, in its own environment."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("tensorflow")

from edgekit.evaluate import answer, described
from edgekit.export.conversion import Plan, convert
from edgekit.export.metadata import read_metadata
from edgekit.quantize.scheme import parse_scheme
from edgekit.runtime import open_model
from edgekit.sources import load
from edgekit.tasks import task
from edgekit.tasks.pictures.images import read_image
from edgekit.tasks.pictures.masks import VOC_CLASSES

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def artifact(shared_data: Path, tmp_path_factory: pytest.TempPathFactory):
    """The published 0.5/257, imported, that answers with logits of its own size."""
    folder = tmp_path_factory.mktemp("deeplab")
    program, path = ROOT / "converters/published_deeplab_v3.py", "tflite/deeplabv3.tflite"
    subprocess.run([sys.executable, program, shared_data / path, "-o", folder / "run"], check=True)
    source = load(str(folder / "run"), dial={"answer": "logits"})
    return convert(source, Plan((parse_scheme("f32"),)), folder / "artifact").artifact


def test_labels_name_the_last_axis(artifact) -> None:
    metadata, labels = read_metadata(artifact.path(artifact.file()))
    assert labels == VOC_CLASSES
    assert metadata.inputs[0].color_space == "RGB"


def test_mediapipe_finds_our_mask(artifact, shared_data: Path, tmp_path: Path) -> None:
    place = os.environ.get("EDGEKIT_MEDIAPIPE")
    python = Path(place or ROOT / ".venv-mediapipe/bin/python")
    if not python.is_file():
        pytest.skip("needs MediaPipe in an environment of its own: run make peers")
    picture = read_image(shared_data / "images/bird_segmentation.bmp")
    np.save(tmp_path / "bird.npy", picture)
    file = artifact.file()
    program = Path(__file__).with_name("segment_with_mediapipe.py")
    places = (program, artifact.path(file), tmp_path / "bird.npy", tmp_path / "mask.npy")
    command = [str(python), *map(str, places)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert tuple(ast.literal_eval(done.stdout.splitlines()[-1])) == VOC_CLASSES
    theirs = np.load(tmp_path / "mask.npy").squeeze()
    params = artifact.manifest.task
    with closing(open_model(artifact.path(file))) as session:
        signature = described(session.signatures, file.signatures, file.path)
        ours = answer(task(params), session, signature, picture, params).classes
    assert theirs.shape == ours.shape
    # Theirs is resampled by other code, on the way in and on the way out.
    assert (theirs == ours).mean() > 0.98
    bird = VOC_CLASSES.index("bird")
    both, either = (
        ((theirs == bird) & (ours == bird)).sum(),
        ((theirs == bird) | (ours == bird)).sum(),
    )
    assert both / either > 0.9
