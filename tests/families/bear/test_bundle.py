"""What is exported does what the agent does, in every runtime, with noise as an input."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

tf = pytest.importorskip("tensorflow")

from edgekit.agents import Scaling  # noqa: E402
from edgekit.export.conversion import Plan, convert  # noqa: E402
from edgekit.families.bear import FAMILY, Config  # noqa: E402
from edgekit.families.bear.fit import build_agent  # noqa: E402
from edgekit.families.bear.network import build_sampling, set_agent, set_scaling  # noqa: E402
from edgekit.parity.answers import check_file  # noqa: E402
from edgekit.quantize.scheme import parse_scheme  # noqa: E402
from edgekit.runtime import RUNTIMES  # noqa: E402
from edgekit.runtime.sandbox import open_isolated  # noqa: E402
from edgekit.sources.preset import untrained  # noqa: E402

SMALL = Config(hidden_units=(8, 8), act_samples=6, actions=2, form="sampling")
SCALING = Scaling(np.array([1, 2, 3], "f"), np.array([1, 2, 4], "f"), np.array([2, 5], "f"))


@pytest.mark.parametrize("algorithm", ["bear", "bc", "sac"])
def test_the_sampling_network_is_the_agent(algorithm: str) -> None:
    config = replace(SMALL, algorithm=algorithm)
    agent, network = build_agent(config), build_sampling(config)
    set_scaling(network, SCALING)
    set_agent(network, agent)
    rng = np.random.default_rng(0)
    seen = rng.standard_normal((5, 3)).astype(np.float32)
    noise = rng.standard_normal((5, 6, 2)).astype(np.float32)
    expected = agent.choose((seen - SCALING.mean) / SCALING.std, tf.constant(noise))
    found = network([seen, noise] if algorithm == "bear" else seen)["action"]
    np.testing.assert_allclose(found, expected * SCALING.limit, rtol=1e-4, atol=1e-5)


def test_sampling_files_agree_in_every_runtime(tmp_path: Path) -> None:
    source = untrained(FAMILY, SMALL, "sampling", "sampling")
    made = convert(source, Plan((parse_scheme("f32"),), ("tflite", "onnx")), tmp_path / "a")
    (tflite, onnx) = made.artifact.manifest.files
    inputs = tflite.signatures["serving_default"].inputs
    assert {spec.name: spec.shape for spec in inputs} == {
        "observation": (1, 3), "noise": (1, 6, 2),
    }  # fmt: skip
    for runtime, (format, _, _) in RUNTIMES.items():
        pytest.importorskip(runtime.replace("-", "_").replace("litert", "ai_edge_litert"))
        file = tflite if format == "tflite" else onnx
        with closing(open_isolated(made.artifact.path(file), runtime=runtime)) as session:
            for parity in check_file(made.artifact, file, session):
                assert parity.passed, (runtime, parity)
