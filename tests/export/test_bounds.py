"""A network whose answers are next to nothing has files that load and answer as it does."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import pytest

from edgekit.export.conversion import Plan, convert
from edgekit.export.mending.bounds import mend_bounds
from edgekit.export.source import Source
from edgekit.parity import sqnr_db
from edgekit.parity.answers import answer
from edgekit.quantize.scheme import parse_schemes
from edgekit.runtime import open_model


@pytest.mark.parametrize(("scheme", "size", "least_db"), [("w8a8", 2e-8, 15), ("w8a16", 1e-6, 30)])
def test_a_ceiling_beyond_all_integers(
    scheme: str, size: float, least_db: int, tmp_path: Path
) -> None:
    x = fed = keras.Input((12, 12, 3), name="x")
    x = keras.layers.Conv2D(8, 3, use_bias=False)(x)
    x = keras.layers.ReLU(6)(x)
    model = keras.Model(fed, keras.layers.Conv2D(4, 3, use_bias=False, name="y")(x))
    rng = np.random.default_rng(0)
    model.set_weights([rng.normal(size=w.shape) * size for w in model.get_weights()[:1]]
                      + [rng.normal(size=w.shape) for w in model.get_weights()[1:]])  # fmt: skip
    values = rng.normal(size=(100, 12, 12, 3)).astype(np.float32)
    np.save(tmp_path / "x.npy", values)
    plan = Plan(parse_schemes(scheme), calibrate=str(tmp_path / "x.npy"))
    artifact = convert(Source("net", model, "keras3", {}), plan, tmp_path / "out").artifact
    (file,) = artifact.manifest.files
    got = answer(open_model(artifact.path(file)), file.signatures, {"x": values[:8]})["y"]
    assert sqnr_db(model(values[:8]).numpy(), got) > least_db
    content = artifact.path(file).read_bytes()
    assert mend_bounds(content) == content
