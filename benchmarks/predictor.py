"""Errors of the latency predictor, by protocol: networks left out, devices left out.

Every figure is of points that the fit did not see. With --fit the coefficients that come along with
the library, edgekit/profile/cores/*.json, are written anew; the program is deterministic.

Run: python benchmarks/predictor.py [--smoke] [--fit]    (about 3 minutes)
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.stats import t as student

from anchors import XNNPACK, Point, pairs, read_points
from baselines import four_terms, log_line
from calibration import Fit, Setting, Tables, fit, leave_out, leave_out_both
from edgekit.files import write_file
from edgekit.profile import cores
from edgekit.profile.graph import Graph
from edgekit.profile.predict import shares_of_time, time_op
from results import FOLDER, Row, write_results

Array = npt.NDArray[np.float64]
Key = tuple[str, str, str]  # core, runtime, dtype
CORES = Path(cores.__file__).parent / "cores"
LEVEL = 0.9  # of the intervals
WORST_PERCENT = 20.0  # networks left out; what errs by more does not come along
# Multiply-adds a cycle at best, float32 and int8, by Arm's software optimization guides: lanes
# times pipes; dot products count where the core has them. Kryo as two 128-bit pipes.
PEAKS = {
    "cortex-a53": (4, 8), "cortex-a55": (4, 16), "cortex-a17": (4, 8), "cortex-a57": (4, 8),
    "cortex-a72": (4, 8), "cortex-a73": (4, 8), "kryo": (8, 16), "cortex-a76": (8, 32),
    "cortex-a78": (8, 32), "cortex-x4": (16, 64), "pixel1": (8, 16), "pixel2": (4, 8),
    "pixel4": (8, 32),
}  # fmt: skip
LITTLE = ("cortex-a53", "cortex-a55")
BIG = ("cortex-a17", "cortex-a57", "cortex-a72", "cortex-a73", "kryo")
NEWER = ("cortex-a76", "cortex-a78", "cortex-x4")
CLASSES = {
    "little, in-order": LITTLE,
    "big, ARMv7 to ARMv8.0": BIG,
    "big, ARMv8.2 and later": NEWER,
}
HALF_PRECISION = ("cortex-a55", *NEWER)  # ncnn computes float32 networks in fp16 there
REMARKS = {
    "pixel1": "TFLite of 2018, before XNNPACK: its README gives 49 ms where this table has 73.8",
    "pixel2": "published in whole ms; uint8 networks",
    "pixel4": "published in whole ms; uint8 networks",
}


@dataclass(frozen=True)
class Study:
    """One core, runtime and dtype: its points, fitted and left out."""

    key: Key
    tables: Tables
    setting: Setting

    @property
    def points(self) -> tuple[Point, ...]:
        return self.tables.points

    @property
    def devices(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(p.device for p in self.points))

    @cached_property
    def fit(self) -> Fit:
        return fit(self.tables, np.arange(len(self.points)), self.setting)

    @cached_property
    def without_network(self) -> Array:
        return leave_out(self.tables, self.setting, lambda p: p.network)

    @cached_property
    def without_device(self) -> Array:
        return leave_out(self.tables, self.setting, lambda p: p.device)

    @cached_property
    def without_both(self) -> Array:
        return leave_out_both(self.tables, self.setting)

    @property
    def strictest(self) -> Array:
        """The log ratios that the interval is made of."""
        return self.without_both if len(self.devices) > 1 else self.without_network

    @property
    def worth_having(self) -> bool:
        """Whether it errs little enough, and less than a line through log MAdds does."""
        line = mape(log_line(self.points, lambda p: p.network))
        return mape(self.without_network) <= min(WORST_PERCENT, line)

    def predict_ms(self, clock_ghz: float, graph: Graph) -> float:
        """Return the fit's latency for any graph."""
        point = Point(*self.key[:2], "", clock_ghz, "", graph, 1.0, 0.0, "")
        scaled = Tables([point])
        scaled.slowness = np.array([self.tables.clock_ghz / clock_ghz])
        return float(scaled.predict(self.fit.rates, np.array([0]))[0])


def main() -> int:
    """Leave out, fit, compare; write results/predictor.json and, if asked, the coefficients."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--smoke", action="store_true", help="one core")
    parser.add_argument("--fit", action="store_true", help="write edgekit/profile/cores/*.json")
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


def make_studies() -> dict[Key, Study]:
    """Return the points by core, runtime and dtype."""
    points: dict[Key, list[Point]] = {}
    for point in read_points():
        points.setdefault((point.core, point.runtime, point.dtype), []).append(point)
    return {key: Study(key, Tables(found), _setting(key)) for key, found in points.items()}


def _setting(key: Key) -> Setting:
    core, runtime, dtype = key
    peak = PEAKS[core][dtype == "int8"]
    if runtime == "tflite":
        # One family of networks, one device. The width of its kernels is not documented.
        return Setting(peak, (1, 4, 8, 16, 32), noise=0.03)
    # ncnn packs channels by 4 floats, 8 halves or 8 bytes; its networks differ widely.
    half = _halves(key)
    width = 8 if half or dtype == "int8" else 4
    return Setting(peak * (1 + half), (width,), noise=0.10, winograd=4.0)


def _halves(key: Key) -> bool:
    return key[0] in HALF_PRECISION and key[1:] == ("ncnn", "f32")


def mape(ratios: Array) -> float:
    """Return the mean absolute relative error in percent."""
    return float(100 * np.abs(np.expm1(ratios)).mean())


def worst(ratios: Array) -> float:
    """Return the largest absolute relative error in percent."""
    return float(100 * np.abs(np.expm1(ratios)).max())


def half_width(ratios: Array) -> float:
    """Return the log of the factor that a new point's interval is over and times: Student's t."""
    n = len(ratios)
    quantile = float(student.ppf((1 + LEVEL) / 2, n - 1))
    return quantile * float(np.sqrt((ratios**2).mean() * (1 + 1 / n)))


def coverage(ratios: Array, groups: Sequence[str]) -> float:
    """Return the percentage of points inside the interval that the other groups' errors give."""
    names = np.array(groups)
    inside = [
        abs(ratio) <= half_width(ratios[names != name])
        for ratio, name in zip(ratios, names, strict=True)
    ]
    return float(100 * np.mean(inside))


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
        _row(case, "inside the 90% interval", "%", _covered(study), None, None, "80..100"),
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
        _row(case, "inside the 90% interval", "%", _covered(study), None, None, "80..100"),
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
    covered = float(np.mean([_covered(s) for s in found]))
    rows.append(_row(case, "inside the 90% interval", "%", covered, None, None, "80..100"))
    return rows


def _row(
    case: str, metric: str, unit: str, value: float, anchor: float | None = None,
    source: str | None = None, target: str | None = None,
) -> Row:  # fmt: skip
    return Row(case, metric, unit, value, kind="predicted", anchor=anchor, anchor_source=source,
               target=target)  # fmt: skip


def _within(ratios: Array) -> float:
    return float((np.abs(np.expm1(ratios)) <= 0.1).sum())


def _covered(study: Study) -> float:
    return coverage(study.strictest, [p.network for p in study.points])


def write_calibrations(studies: Mapping[Key, Study], folder: Path) -> None:
    """Write a file for every calibration that is worth having, and no other."""
    ncnn = [s for s in studies.values() if s.key[1] == "ncnn"]
    spread = device_spread([s for s in ncnn if len(s.devices) > 1])
    # What other kinds of network err by, where one kind alone was published.
    elsewhere = half_width(np.concatenate([s.without_network for s in ncnn if s.worth_having]))
    for path in folder.glob("*.json"):
        path.unlink()
    for key, study in studies.items():
        if study.worth_having:
            data = describe(study, spread, elsewhere, _transfers(studies, key))
            text = json.dumps(data, indent=1, ensure_ascii=False) + "\n"
            write_file(folder / f"{'.'.join(key)}.json", text)


def device_spread(studies: Sequence[Study]) -> float:
    """Return how far devices of one core lie apart: RMS of each device's mean log ratio."""
    means = [
        study.without_device[[p.device == name for p in study.points]].mean()
        for study in studies
        for name in study.devices
    ]
    return float(np.sqrt(np.mean(np.square(means))))


def describe(
    study: Study, spread: float, elsewhere: float, transfers: Mapping[str, Any]
) -> dict[str, Any]:
    """Return a calibration as `edgekit.profile.cores.from_json` reads it."""
    core, runtime, dtype = study.key
    width = half_width(study.strictest)
    if runtime == "ncnn" and len(study.devices) == 1:
        quantile = float(student.ppf((1 + LEVEL) / 2, len(study.points) - 1))
        width = float(np.hypot(width, quantile * spread))  # another device was never seen
    clocks = [p.clock_ghz for p in study.points]
    madds = [sum(w.madds for w in works) for works in study.tables.works]
    apart = 2 * width if runtime == "ncnn" else max(2 * width, elsewhere)
    remark = "float32 networks, computed in fp16" if _halves(study.key) else REMARKS.get(core, "")
    return {
        "core": core, "runtime": runtime, "dtype": dtype, "clock_ghz": study.tables.clock_ghz,
        "clocks_ghz": [min(clocks), max(clocks)], "remark": remark,
        "rates": _rounded(asdict(study.fit.rates)), "level": LEVEL,
        "factor": _digits(float(np.exp(width))),
        "factor_elsewhere": _digits(float(np.exp(apart))), "errors": _errors(study),
        "madds": [min(madds), max(madds)], "shares": _shares(study),
        "transfers": transfers, "points": _sources(study.points),
    }  # fmt: skip


def _errors(study: Study) -> dict[str, dict[str, float]]:
    found = {"network left out": study.without_network}
    if len(study.devices) > 1:
        found["device left out"] = study.without_device
        found["network and device left out"] = study.without_both
    errors = {
        name: {"mape_percent": round(mape(r), 1), "max_percent": round(worst(r), 1), "n": len(r)}
        for name, r in found.items()
    }
    errors[list(errors)[-1]]["inside_interval_percent"] = round(_covered(study), 1)
    return errors


def _shares(study: Study) -> dict[str, tuple[float, float]]:
    """Return the least and most of a point's time that each kernel class takes."""
    rates = study.fit.rates
    found = [shares_of_time([time_op(w, rates) for w in works]) for works in study.tables.works]
    kinds = sorted({kind for shares in found for kind in shares})
    return {
        kind: (_digits(min(s.get(kind, 0.0) for s in found)),
               _digits(max(s.get(kind, 0.0) for s in found)))
        for kind in kinds
    }  # fmt: skip


def _sources(points: Sequence[Point]) -> list[dict[str, Any]]:
    devices: dict[tuple[str, float, str], list[str]] = {}
    for p in points:
        devices.setdefault((p.device, p.clock_ghz, p.source), []).append(p.network)
    return [
        {"device": device, "clock_ghz": clock_ghz, "source": source, "networks": networks}
        for (device, clock_ghz, source), networks in devices.items()
    ]


def _transfers(studies: Mapping[Key, Study], key: Key) -> dict[str, Any]:
    """Return how XNNPACK's published latencies compare with ncnn's, over all cores of both.

    None of the pairs is of a core where ncnn computes in fp16: nothing carries over there.
    """
    _, runtime, dtype = key
    if runtime != "ncnn" or _halves(key):
        return {}
    found = [
        pair
        for pair in pairs(lambda core, dt, ghz, g: studies[core, "ncnn", dt].predict_ms(ghz, g))
        if pair.dtype == dtype
    ]
    ratios = np.log([pair.xnnpack_ms / pair.ncnn_ms for pair in found])
    n = len(ratios)
    quantile = float(student.ppf((1 + LEVEL) / 2, n - 1))
    width = quantile * float(ratios.std(ddof=1)) * float(np.sqrt(1 + 1 / n))
    return {
        "xnnpack": {
            "ratio": _digits(float(np.exp(ratios.mean()))),
            "factor": _digits(float(np.exp(width))),
            "points": [f"{XNNPACK}: {pair.name}" for pair in found],
        }
    }


def _digits(value: float) -> float:
    return float(f"{value:.4g}")


def _rounded(data: Any) -> Any:
    if isinstance(data, dict):
        return {name: _rounded(value) for name, value in data.items()}
    return _digits(data) if isinstance(data, float) else data


if __name__ == "__main__":
    raise SystemExit(main())
