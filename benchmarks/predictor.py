"""Errors of the latency predictor, by protocol: networks left out, devices left out.

Every figure is of points that the fit did not see. With --fit the coefficients that come along with
the library (edgekit/profile/prediction/fitted/) are written anew; the program is deterministic.

Run: python benchmarks/predictor.py [--smoke] [--fit]    (about 3 minutes)
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from baselines import four_terms, log_line
from core_files import CORES, write_calibrations
from results import FOLDER, Row, write_results
from study import BIG, LITTLE, NEWER, Array, Key, Study, covered, make_studies, mape, worst

CLASSES = {
    "little, in-order": LITTLE,
    "big, ARMv7 to ARMv8.0": BIG,
    "big, ARMv8.2 and later": NEWER,
}


def main() -> int:
    """Leave out, fit, compare; write results/predictor.json and, if asked, the coefficients."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--smoke", action="store_true", help="one core")
    parser.add_argument("--fit", action="store_true", help="write the library's coefficients")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where to write the errors")
    options = parser.parse_args()
    began = time.monotonic()
    studies = make_studies()
    rows = [*pixel_rows(studies["pixel1", "tflite", "f32"])]
    if not options.smoke:
        for core in ("pixel2", "pixel4"):
            rows += ovic_rows(studies[core, "tflite", "int8"])
        rows += class_rows(studies)
    if options.fit:
        write_calibrations(studies, CORES)
    minutes = (time.monotonic() - began) / 60
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) if options.smoke else options.folder
        write_results("predictor", rows, minutes=minutes, seeds=[], folder=folder)
    for row in rows:
        print(f"{row.case}: {row.metric} {row.value:.4g} {row.unit}, {row.target}: {row.met}")
    return 0


def pixel_rows(study: Study) -> list[Row]:
    """The 22 checkpoints on the Pixel 1, one left out at a time, beside the two baselines."""
    ours = study.without_network
    line, terms = (f(study.points, lambda p: p.network) for f in (log_line, four_terms))
    case = "pixel1 f32, 22 MobileNetV2, leave one out"
    source = "four non-negative terms, same folds"
    return [
        _row(f"{case}: log-log line", "MAPE", "%", mape(line)),
        _row(f"{case}: four non-negative terms", "MAPE", "%", mape(terms)),
        _row(case, "MAPE", "%", mape(ours), mape(terms), source, "< 3.0"),
        _row(case, "largest error", "%", worst(ours), worst(terms), source, "<= 10"),
        _row(case, "within 10%", "of 22", _within(ours), _within(terms), source, ">= 22"),
        _row(case, "inside the 90% interval", "%", covered(study), None, None, "80..100"),
    ]


def ovic_rows(study: Study) -> list[Row]:
    """The 20 int8 checkpoints whose latency is published in whole ms."""
    ratios, ms = study.without_network, study.tables.ms
    off = np.abs(ms * np.exp(ratios) - ms)
    line = log_line(study.points, lambda p: p.network)
    case, source = f"{study.key[0]} int8, 20 MobileNetV2, leave one out", "log-log line, same folds"
    return [
        _row(case, "MAPE", "%", mape(ratios), mape(line), source, f"<= {mape(line):.1f}"),
        _row(case, "within 1 ms or 10%", "of 20", float(((off <= 1) | (off <= 0.1 * ms)).sum()),
             None, None, ">= 19"),
        _row(case, "inside the 90% interval", "%", covered(study), None, None, "80..100"),
    ]  # fmt: skip


def class_rows(studies: Mapping[Key, Study]) -> list[Row]:
    """The table of ncnn by class of core: networks left out, devices left out, coverage."""
    rows = []
    for name, members in CLASSES.items():
        for dtype in ("f32", "int8"):
            found = [s for k, s in studies.items() if k[0] in members and k[1:] == ("ncnn", dtype)]
            case = f"{name}, {dtype}: {', '.join(s.key[0] for s in found)}"
            rows += _class_rows(case, found)
    return rows


def _class_rows(case: str, found: Sequence[Study]) -> list[Row]:
    several = [s for s in found if len(s.devices) > 1]
    source = "log-log line on MAdds and clock, same folds"
    rows = []
    for metric, studies, ours, group in (
        ("MAPE, network left out", found, "without_network", lambda p: p.network),
        ("MAPE, device left out", several, "without_device", lambda p: p.device),
    ):
        ratios = np.concatenate([getattr(s, ours) for s in studies])
        line = mape(np.concatenate([log_line(s.points, group) for s in studies]))
        rows.append(_row(case, metric, "%", mape(ratios), line, source, f"<= {line:.1f}"))
    both = np.concatenate([s.without_both for s in several])
    rows.append(_row(case, "MAPE, both left out", "%", mape(both)))
    inside = float(np.mean([covered(s) for s in found]))
    rows.append(_row(case, "inside the 90% interval", "%", inside, None, None, "80..100"))
    return rows


def _row(
    case: str, metric: str, unit: str, value: float, anchor: float | None = None,
    source: str | None = None, target: str | None = None,
) -> Row:  # fmt: skip
    return Row(case, metric, unit, value, kind="predicted", anchor=anchor, anchor_source=source,
               target=target)  # fmt: skip


def _within(ratios: Array) -> float:
    return float((np.abs(np.expm1(ratios)) <= 0.1).sum())


if __name__ == "__main__":
    raise SystemExit(main())
