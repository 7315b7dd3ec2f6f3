"""Writes what a fit found into edgekit/profile/prediction/fitted/*.json.

That is its coefficients, sources and errors, and what its points cover.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import t as student

from anchors import XNNPACK, Point, pairs
from edgekit.files import write_file
from edgekit.profile.prediction import cores
from edgekit.profile.prediction.roofline import shares_of_time, time_op
from study import LEVEL, Key, Study, covered, half_width, halves, mape, worst

CORES = Path(cores.__file__).parent / "fitted"
REMARKS = {
    "pixel1": "TFLite of 2018, before XNNPACK: its README gives 49 ms where this table has 73.8",
    "pixel2": "published in whole ms; uint8 networks",
    "pixel4": "published in whole ms; uint8 networks",
}


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
    """Return a calibration as `edgekit.profile.prediction.cores.from_json` reads it."""
    core, runtime, dtype = study.key
    width = half_width(study.strictest)
    if runtime == "ncnn" and len(study.devices) == 1:
        quantile = float(student.ppf((1 + LEVEL) / 2, len(study.points) - 1))
        width = float(np.hypot(width, quantile * spread))  # another device was never seen
    clocks = [p.clock_ghz for p in study.points]
    madds = [sum(w.madds for w in works) for works in study.tables.works]
    apart = 2 * width if runtime == "ncnn" else max(2 * width, elsewhere)
    remark = "float32 networks, computed in fp16" if halves(study.key) else REMARKS.get(core, "")
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
    errors[list(errors)[-1]]["inside_interval_percent"] = round(covered(study), 1)
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
    if runtime != "ncnn" or halves(key):
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
