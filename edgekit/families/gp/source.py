"""A source from a run: the process in its device forms, at the size that was asked for."""

from __future__ import annotations

import dataclasses
import io
from typing import Any

import numpy as np

from edgekit.export.source import Source
from edgekit.families.gp import FAMILY
from edgekit.families.gp.device.compress import Budget, Compressed, compress, overhead
from edgekit.families.gp.device.integer import LOWEST, distill, on_grid
from edgekit.families.gp.device.samples import draw_inputs
from edgekit.families.gp.keep import FILE, Trained, read
from edgekit.families.gp.network import INPUT, float_network, integer_network
from edgekit.families.gp.prior.kernel import Array
from edgekit.families.run import CALIBRATION, Run
from edgekit.files import file_sha256, write_file

# std_f is the hardest to say: float32 rounds what the data leave of the prior variance, and the
# integer form learns it from samples.
GATES = {
    "f32": {"tolerance": [5e-3, 1e-3]},
    "w8a8": {"min_cosine": 0.98},
    "w8a16": {"min_cosine": 0.98},
}
_EXAMPLES = 100


def source(
    run: Run, max_bytes: int | None = None, max_nlpd_loss: float | None = None,
    form: str | None = None,
) -> Source:  # fmt: skip
    """Return the device form within the budget, and the integer form beside it.

    Raises:
        InputError: the run is not finished, or the budget cannot be kept to.
    """
    trained = read(run.folder)
    budget = Budget(max_bytes, max_nlpd_loss, form)
    return assemble(run, trained, compressed(trained, budget, run.options.seed))


def compressed(trained: Trained, budget: Budget, seed: int = 0) -> Compressed:
    """Return the device form of a trained process within the budget.

    Raises:
        InputError: the budget cannot be kept to.
    """
    warped = trained.units.curve is not None
    return compress(trained.posterior(), budget, seed=seed, warped=warped)


def assemble(run: Run, trained: Trained, made: Compressed) -> Source:
    """Return the source of a trained process and its device form."""
    seed = run.options.seed

    def of_8_bits() -> Any:
        rounded = trained.posterior(on_grid(trained.x))  # 16 bits need no grid
        form = distill(rounded, on_grid, unbent=trained.units.unbent, seed=seed)
        return integer_network(form, trained.units)

    def of_16_bits() -> Any:
        form = distill(trained.posterior(), unbent=trained.units.unbent, seed=seed)
        return integer_network(form, trained.units)

    write_file(run.folder / CALIBRATION, _packed(_examples(trained, seed)))
    return Source(
        name=f"{run.family}-{run.folder.resolve().name}",
        model=float_network(made.form, trained.units),
        kind="tf_keras",
        provenance={
            "source": str(run.folder),
            "config": dataclasses.asdict(run.config),
            "training": dataclasses.asdict(run.options),
            "trained_on": run.data or None,
            "weights_sha256": {"gp": file_sha256(run.folder / FILE)},
            "form": _describe(made, warped=trained.units.curve is not None),
            "gates": GATES,
        },
        integer={8: of_8_bits, 16: of_16_bits},
        signatures=FAMILY.signatures,
        family=run.family,
        task={"name": FAMILY.task, **run.task},
        mean=tuple(map(float, trained.units.shift)),
        std=tuple(map(float, trained.units.scale)),
        data=str(run.folder / CALIBRATION),
    )


def _describe(made: Compressed, *, warped: bool) -> dict[str, float]:
    return {
        "points": len(made.form.support),
        "features": len(made.form.variance.kept),
        "constants_bytes": made.form.bytes,
        "expected_bytes": made.form.bytes + overhead(made.form.gp.kernel, warped=warped),
        "expected_nlpd_loss": round(made.loss, 6),
    }


def _examples(trained: Trained, seed: int) -> Array:
    """Return inputs that span the data: each column's ends, then rows, then inputs beside them.

    One value reaches as low as the integer form's grid, which fixes that grid.
    """
    rng = np.random.default_rng(seed)
    ends = np.concatenate([trained.x.argmin(axis=0), trained.x.argmax(axis=0)])
    rows = np.unique(np.concatenate([ends, rng.permutation(len(trained.x))[:_EXAMPLES]]))
    rows = np.concatenate([ends, np.setdiff1d(rows, ends)])[:_EXAMPLES]
    known = trained.x[rows]
    beside = (
        draw_inputs(trained.x, _EXAMPLES - len(known), rng) if len(known) < _EXAMPLES else known
    )
    found: Array = np.vstack([known, np.clip(beside, -1.0, 1.0)])[:_EXAMPLES]
    lowest = np.argwhere(found == -1.0)[0] if (found == -1.0).any() else (0, 0)
    found[tuple(lowest)] = LOWEST
    return found


def _packed(x: Array) -> bytes:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **{INPUT: x.astype(np.float32)})
    return buffer.getvalue()
