"""Which entries are wrong? Corrections against exact MaxSAT and heuristics on the same matrices.

PhISCS-B (exact), huntress and scistree run from scphylo-tools in an environment of its own. Run:
python benchmarks/phylogeny_elimination.py [--smoke]; runs are kept in runs/.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgekit.families.phylogeny.policy import ORDERS, best_of_orders
from edgekit.families.phylogeny.simulation import add_noise, coalescent
from edgekit.families.rebuild import rebuild
from edgekit.families.run import Run
from edgekit.tasks.matrices.elimination import eliminate, log_odds
from edgekit.tasks.matrices.perfect import conflict_free, linear, nll
from edgekit.tasks.phylogeny import signed
from peers import environment, run, version
from phylogeny import RUNS as KEPT
from phylogeny import answers, artifact, minutes, preset, trained, tumour
from results import FOLDER, Row, write_results
from uci import DATA

RATES = (0.002, 0.1)
SIZES = {10: 20, 25: 8, 50: 4}  # matrices of each size, as in the facts
SEED = 0
FAST = 5  # kicks, for the throughput; 40 elsewhere
BATCH = 64  # matrices at a time, for the throughput
METHODS = ("phiscsb", "huntress", "scistree")
PACKAGE = "scphylo-tools"
KNOWN = {10: 7.59, 25: 41.27, 50: 182.79}  # of PhISCS-B on other matrices (facts, Nov 2026)
REAL = {"ALL6": ((0.001, 0.18), 586.8, ("huntress", "scistree")),
        "TNBC": ((0.001, 0.2), 105.31, METHODS)}  # fmt: skip
Array = npt.NDArray[Any]

PEER = """
import contextlib, io, json, sys, time
import numpy as np, pandas as pd
import scphylo as scp
scp.settings.verbosity = 0
path, method, alpha, beta = sys.argv[1], sys.argv[2], float(sys.argv[3]), float(sys.argv[4])
found, seconds = [], []
for values in np.load(path):
    n, m = values.shape
    frame = pd.DataFrame(values.astype(int), [f"c{i}" for i in range(n)],
                         [f"m{j}" for j in range(m)])
    frame.index.name = "cellIDxmutID"
    began = time.perf_counter()
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        out = getattr(scp.tl, method)(frame, alpha=alpha, beta=beta)
    seconds.append(time.perf_counter() - began)
    out = out.loc[frame.index, frame.columns]
    found.append(out.values.astype(np.uint8))
np.save(path.replace(".npy", "-" + method + ".npy"), np.array(found))
print(json.dumps(seconds))
"""


def main() -> int:
    """Correct, compare; write results/phylogeny_elimination.json."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--smoke", action="store_true", help="a tiny network, no peers")
    parser.add_argument("--runs", type=Path, default=KEPT, help="where runs are kept")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where to write")
    options = parser.parse_args()
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as scratch:
        place = Path(scratch)
        rows = smoke(place) if options.smoke else everything(options.runs, place)
        folder = place if options.smoke else options.folder
        write_results("phylogeny_elimination", rows, minutes=(time.monotonic() - began) / 60,
                      seeds=[SEED], folder=folder)  # fmt: skip
    for row in rows:
        print(f"{row.case}: {row.metric} {row.value:.4g} {row.unit}, {row.target}: {row.met}")
    return 0


def smoke(scratch: Path) -> list[Row]:
    """Train next to nothing, correct a few matrices."""
    small = {"rows": 10, "columns": 10, "channels": 8, "blocks": 1, "matrices": 64}
    config, training = preset("elimination", **small)
    made = artifact(trained("tiny", config, {**training, "epochs": 1, "batch_size": 32}, scratch),
                    scratch / "artifact", "f32")  # fmt: skip
    values = drawn(10, 4)
    found, _ = corrected(made, values, RATES)
    config, training = preset("elimination-pointer", channels=16, flips=2, matrices=64)
    pointer = trained("tiny-pointer", config, {**training, "epochs": 1, "batch_size": 32}, scratch)
    return [
        Row("10x10, 4 matrices", "conflict-free", "%", 100 * float(conflict_free(found).mean())),
        *pointed(pointer, scratch / "pointer", None),
    ]


def everything(runs: Path, scratch: Path) -> list[Row]:
    """Return rows of simulations and of real tumours."""
    process = trained("elimination", *preset("elimination"), runs)
    made = artifact(process, scratch / "artifact", "f32,w8a8", "tflite,onnx")
    rows = [Row("elimination, up to 50x50", "training, one thread", "minutes", minutes(process),
                target="<= 60")]  # fmt: skip
    for size, count in SIZES.items():
        rows += simulated(made, size, count, runs / "peers")
    rows += throughput(made)
    pointer = trained("elimination-pointer", *preset("elimination-pointer"), runs)
    rows += pointed(pointer, scratch / "pointer", runs / "peers")
    made = artifact(process, scratch / "tumours", "f32", rows=192)
    for name in REAL:
        rows += real(made, name, runs / "peers")
    return [replace(row, value=float(row.value)) for row in rows]


def drawn(size: int, count: int, seed: int = SEED) -> Array:
    """Return noisy coalescent matrices."""
    rng = np.random.default_rng([seed, size])
    return add_noise(coalescent(count, size, size, rng), *RATES, 0.0, rng)


def corrected(made: Any, values: Array, rates: tuple[float, float], scheme: str = "f32",
              format: str = "tflite", **effort: int) -> tuple[Array, float]:  # fmt: skip
    """Return what a file's scores and the decoder make of matrices of one size, and the seconds."""
    began = time.perf_counter()
    scores = answers(made, signed(values), "scores", scheme, format)
    n, m = values.shape[1:]
    found = eliminate(log_odds(values, *rates), scores[:, :n, :m], **effort)
    return found, time.perf_counter() - began


def peers(values: Array, rates: tuple[float, float], methods: tuple[str, ...],
          kept: Path | None = None) -> dict[str, tuple[Array, list[float]]]:  # fmt: skip
    """Return what each method makes of the same matrices, and its seconds.

    With `kept`, a folder, what was found there before is not computed again.
    """
    python = environment("scphylo", PACKAGE)
    found = {}
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "peer.npy"
        np.save(path, values)
        for method in methods:
            key = hashlib.sha256(values.tobytes() + f"{method} {rates}".encode()).hexdigest()[:16]
            place = (kept or Path(scratch)) / f"{key}.npz"
            if not place.exists():
                seconds = run(python, PEER, str(path), method, *map(str, rates))
                out = np.load(Path(scratch) / f"peer-{method}.npy")
                place.parent.mkdir(parents=True, exist_ok=True)
                np.savez(place, out=out, seconds=seconds)
            with np.load(place) as file:
                found[method] = (file["out"], file["seconds"].tolist())
    return found


def simulated(made: Any, size: int, count: int, kept: Path) -> list[Row]:
    """Return ours and theirs on matrices of one size."""
    values = drawn(size, count)
    theirs = peers(values, RATES, METHODS, kept)
    case = f"{size}x{size} at (.002,.1), {count} matrices"
    costs = {method: nll(values, out, *RATES) for method, (out, _) in theirs.items()}
    exact, rival = costs["phiscsb"].mean(), costs["huntress"].mean()
    ours, seconds = corrected(made, values, RATES)
    cost = nll(values, ours, *RATES).mean()
    source = f"{PACKAGE} {version(environment('scphylo', PACKAGE), PACKAGE)}, same matrices"
    if size == 50:
        goal = Row(case, "NLL, f32 .tflite and decoder", "nats", cost, anchor=rival,
                   anchor_source=f"huntress, {source}", target=f"< {rival:.4f}")  # fmt: skip
    else:
        goal = Row(case, "NLL, f32 .tflite and decoder", "nats", cost, anchor=exact,
                   anchor_source=f"PhISCS-B (exact), {source}",
                   target=f"<= {1.02 * exact:.4f}")  # fmt: skip
    rows = [goal]
    for scheme, format in (("f32", "onnx"), ("w8a8", "tflite")):
        found, _ = corrected(made, values, RATES, scheme, format)
        rows.append(Row(case, f"NLL, {scheme} .{format} and decoder", "nats",
                        nll(values, found, *RATES).mean()))  # fmt: skip
    alone = eliminate(log_odds(values, *RATES))
    rows.append(Row(case, "NLL, decoder without the network", "nats",
                    nll(values, alone, *RATES).mean()))  # fmt: skip
    scores = answers(made, signed(values), "scores")[:, :size, :size]
    for name, given in (("with", scores), ("without", None)):
        found = eliminate(log_odds(values, *RATES), given, kicks=0)
        rows.append(Row(case, f"NLL, first optimum {name} the network", "nats",
                        nll(values, found, *RATES).mean()))  # fmt: skip
    for method, found in costs.items():
        rows.append(Row(case, f"NLL, {method}", "nats", found.mean(), anchor=KNOWN[size]
                        if method == "phiscsb" else None, anchor_source="other matrices, Nov 2026"
                        if method == "phiscsb" else None))  # fmt: skip
    free = 100 * float(conflict_free(ours).mean())
    up, down = (((values == a) & (ours == b)).sum((1, 2)).mean() for a, b in ((0, 1), (1, 0)))
    rows += [
        Row(case, "conflict-free", "%", free, target=">= 100"),
        Row(case, "entries changed to 1", "1", float(up)),
        Row(case, "entries changed to 0", "1", float(down)),
        Row(case, "f32 .tflite and decoder, seconds a matrix", "s", seconds / count),
    ]
    for method, (_, spent) in theirs.items():
        rows.append(Row(case, f"{method}, seconds a matrix", "s", float(np.mean(spent))))
    return rows


def pointed(run: Run, folder: Path, kept: Path | None) -> list[Row]:
    """Return what the paper's pointer network does by itself, and as the decoder's beginning."""
    size = run.config.rows
    values = drawn(size, SIZES[size])
    made = artifact(run, folder, "f32,w8a8", "tflite,onnx")
    case = f"{size}x{size} at (.002,.1), {len(values)} matrices, pointer network"
    exact = peers(values, RATES, ("phiscsb",), kept)["phiscsb"][0] if kept else None
    network = rebuild(run)
    ways = {f"best of {ORDERS} orders": best_of_orders(network, signed(values))[0]}
    for scheme, format in (("f32", "tflite"), ("f32", "onnx"), ("w8a8", "tflite")):
        scores = answers(made, signed(values), "scores", scheme, format)
        passed = (made.file(scheme=scheme, format=format).parity or {}).get("passed")
        doubt = "" if passed else " (fails its parity gate)"
        ways[f"likeliest order, {scheme} .{format}{doubt}"] = (scores > 0).astype(np.uint8)
    rows = [Row(case, "training, one thread", "minutes", minutes(run), target="<= 60")]
    for way, found in ways.items():
        free = conflict_free(found)
        rows.append(Row(case, f"conflict-free, {way}", "%", 100 * float(free.mean())))
        if exact is not None and free.any():
            cost, best = (nll(values[free], out[free], *RATES).mean() for out in (found, exact))
            rows.append(Row(case, f"NLL over PhISCS-B's where conflict-free, {way}", "x",
                            cost / best))  # fmt: skip
    found, _ = corrected(made, values, RATES)
    cost = nll(values, found, *RATES).mean()
    rows.append(Row(case, "NLL, f32 .tflite and decoder", "nats", cost))
    return rows


def throughput(made: Any) -> list[Row]:
    """Return matrices a second in a batch at 50x50, against PhISCS-B's."""
    values = drawn(50, BATCH, SEED + 1)
    few = values[:4]
    (exact, seconds) = peers(few, RATES, ("phiscsb",))["phiscsb"]
    found, ours = corrected(made, values, RATES, kicks=FAST)
    cost, best = nll(few, found[:4], *RATES).mean(), nll(few, exact, *RATES).mean()
    case = f"50x50 at (.002,.1), batch of {BATCH}, {FAST} kicks"
    return [
        Row(case, "matrices a second", "1/s", BATCH / ours),
        Row(case, "matrices a second over PhISCS-B's", "x", BATCH / ours * float(np.mean(seconds)),
            anchor=1 / float(np.mean(seconds)), anchor_source="PhISCS-B, 1/s, 4 of them, same run",
            target=">= 10"),
        Row(case, "NLL over the optimum, first 4", "x", cost / best),
    ]  # fmt: skip


def real(made: Any, name: str, kept: Path) -> list[Row]:
    """Return ours and theirs on a tumour, by its own rates."""
    rates, known, methods = REAL[name]
    values = tumour(DATA, name)[None]
    theirs = peers(values, rates, methods, kept)
    found, seconds = corrected(made, values, rates)
    n, m = values.shape[1:]
    case = f"{name}, {n}x{m}, at {json.dumps(rates)}"
    rows = [
        Row(case, "NLL, f32 .tflite and decoder", "nats", float(nll(values, found, *rates)[0]),
            anchor=known, anchor_source="huntress, Nov 2026", target=f"<= {known + 0.05}"),
        Row(case, "conflict-free", "%", 100 * float(conflict_free(found)[0]), target=">= 100"),
        Row(case, "linear (1) or branching (0)", "1", float(linear(found)[0])),
        Row(case, "seconds", "s", seconds),
    ]  # fmt: skip
    for method, (out, spent) in theirs.items():
        rows.append(Row(case, f"NLL, {method}", "nats", float(nll(values, out, *rates)[0])))
        rows.append(Row(case, f"seconds, {method}", "s", spent[0]))
    return rows


if __name__ == "__main__":
    raise SystemExit(main())
