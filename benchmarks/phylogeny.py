"""What the phylogeny benchmarks share: runs, files' answers to many matrices, real tumours."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from edgekit.artifact import Artifact
from edgekit.evaluate import described
from edgekit.export.conversion import Plan, convert
from edgekit.families.phylogeny import FAMILY, Config
from edgekit.families.run import Run, open_run
from edgekit.quantize.scheme import parse_scheme
from edgekit.runtime import open_model
from edgekit.sources.run import load
from edgekit.tasks.matrices.perfect import UNKNOWN
from edgekit.train import Options
from edgekit.train.history import read_history

RUNS = Path(__file__).parents[1] / "runs"  # git-ignored; a finished run is not trained again
TUMOURS = {"TNBC": "tnbc", "ALL6": "acute_lymphocytic_leukemia6", "CRC1": "colorectal1"}
Array = npt.NDArray[Any]


def trained(name: str, config: Config, training: dict[str, Any], runs: Path) -> Run:
    """Return the run called `name`, trained now unless it is there with the same settings."""
    folder, options = runs / f"phylogeny-{name}", Options(**training)
    if (folder / "run.json").exists():
        run = open_run(folder)
        if run.done and (run.config, run.options) == (config, options):
            return run
        raise SystemExit(f"{folder}: another run: remove it")
    run = FAMILY.fit(Run(folder, FAMILY.name, config, options, "simulation"))
    assert isinstance(run, Run)
    return run


def preset(name: str, **changes: Any) -> tuple[Config, dict[str, Any]]:
    """Return a preset's configuration with changes, and its training."""
    found = FAMILY.preset(name)
    return replace(found.config, **changes), dict(found.training)


def minutes(run: Run) -> float:
    """Return how long the training of a run took."""
    return float(sum(row["seconds"] for row in read_history(run.folder))) / 60


def artifact(
    run: Run, folder: Path, schemes: str, formats: str = "tflite", **size: int
) -> Artifact:
    """Convert a run, with other declared sizes if any are given: the weights do not know them."""
    source = load(str(run.folder))
    if size:
        network = FAMILY.build(replace(run.config, train_rows=0, train_columns=0, **size))
        network.set_weights(source.model.get_weights())
        source = replace(source, model=network, data=None)
    plan = Plan(tuple(map(parse_scheme, schemes.split(","))), tuple(formats.split(",")))
    return convert(source, plan, folder).artifact


def answers(made: Artifact, matrices: Sequence[Array] | Array, output: str, scheme: str = "f32",
            format: str = "tflite") -> Array:  # fmt: skip
    """Return a file's answers to signed matrices `[N, n, m]`, one by one."""
    file = made.file(scheme=scheme, format=format)
    session = open_model(made.path(file))
    signature = described(session.signatures, file.signatures, file.path)
    (spec,) = signature.inputs
    (out,) = (s for s in signature.outputs if s.name == output)
    padded = np.zeros((1, *spec.shape[1:]), np.float32)
    found = []
    for one in matrices:
        padded[:] = 0
        padded[0, : one.shape[0], : one.shape[1]] = one
        found.append(out.dequantize(session({spec.name: spec.quantize(padded)})[output])[0])
    return np.array(found)


def tumour(shared: Path, name: str) -> Array:
    """Return a real tumour's matrix of 0, 1 and UNKNOWN."""
    with h5py.File(shared / "phylogeny" / f"{TUMOURS[name]}.h5ad") as file:
        x: Any = file["X"]
        if isinstance(x, h5py.Group):
            raise SystemExit(f"{name}: a sparse matrix")
        values = np.asarray(x)
    return np.where(np.isin(values, (0, 1)), values, UNKNOWN).astype(np.uint8)


def leukemias(shared: Path) -> tuple[list[Array], Array, Array, float]:
    """Return the 120 AML simulations, whether each branches, and what was published.

    That is PhyloM's probabilities and Phyolin's accuracy.
    """
    with np.load(shared / "phylogeny" / "acute_myeloid_leukemia_many.npz") as file:
        told = json.loads(bytes(file["__metadata__"]).decode())["instances"]
        matrices = [file[f"input__{one['instance_id']}"].astype(np.uint8) for one in told]
    branched = np.array([one["published_topology"] != "linear" for one in told])
    published = np.array([1 - one["deep_learning_linear_probability"] for one in told])
    phyolin = float(np.mean([one["phyolin_classification_correct"] for one in told]))
    return matrices, branched, published, phyolin
