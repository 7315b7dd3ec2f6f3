"""Published latencies on ARM cores, as points to fit: which core, at which clock, which network.

The files are data to bring (`EDGEKIT_SHARED_DATA`, folder anchors/): facts from the tables named in
each point's source. Threads are one, but for `pairs`.
"""

from __future__ import annotations

import csv
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from edgekit.profile.graph import Graph
from networks import NETWORKS, mobilenet_v1, mobilenet_v2

DATA = Path(os.environ.get("EDGEKIT_SHARED_DATA", Path(__file__).parents[2] / "shared/data"))
SLIM = "tensorflow/models research/slim/nets/mobilenet/README.md"
OVIC = "google-ai-edge/LiteRT tflite/java/ovic/README.md"
NCNN = "Tencent/ncnn benchmark/README.md"
XNNPACK = "google/XNNPACK README.md"
DTYPES = {"float32": "f32", "int8": "int8"}


@dataclass(frozen=True)
class Device:
    """A device of ncnn's table; `powersave` 1 is its little cores, 2 its big ones, 0 all."""

    needle: str  # in the table's name of it
    powersave: str
    name: str
    core: str
    clock_ghz: float


# The first of a core gives its clock where none is asked for. Left out: devices whose
# single thread runs on an unknown core (Denver 2 + A57), Apple's, and the Snapdragon 675, whose
# rows come from an ncnn before fp16 arithmetic.
DEVICES = (
    Device("Raspberry Pi 3", "0", "Raspberry Pi 3B+", "cortex-a53", 1.4),
    Device("Raspberry Pi 4", "0", "Raspberry Pi 4B", "cortex-a72", 1.8),
    Device("Raspberry Pi 5", "0", "Raspberry Pi 5", "cortex-a76", 2.4),
    Device("MSM8916", "0", "Snapdragon 410", "cortex-a53", 1.2),
    Device("Rockchip RK3399 (", "1", "RK3399, little", "cortex-a53", 1.5),
    Device("EAIDK 310", "0", "RK3228H", "cortex-a53", 1.3),
    Device("AX630C", "0", "AX630C", "cortex-a53", 1.2),
    Device("Arduino UNO Q", "0", "Arduino UNO Q", "cortex-a53", 2.0),
    Device("Station-M2", "0", "RK3566, Station M2", "cortex-a55", 1.8),
    Device("OrangePicm4", "0", "RK3566, Orange Pi CM4", "cortex-a55", 1.8),
    Device("RK3288", "0", "RK3288", "cortex-a17", 1.8),
    Device("MSM8994", "2", "Snapdragon 810", "cortex-a57", 2.0),
    Device("Jetson Nano", "0", "Jetson Nano", "cortex-a57", 1.43),
    Device("Rockchip RK3399 (", "2", "RK3399, big", "cortex-a72", 1.8),
    Device("Kirin 970", "2", "Kirin 970", "cortex-a73", 2.4),
    Device("MSM8998", "2", "Snapdragon 835", "cortex-a73", 2.45),
    Device("MSM8996", "0", "Snapdragon 821", "kryo", 2.35),
    Device("SM8150", "2", "Snapdragon 855+", "cortex-a76", 2.96),
    Device("AGX Orin", "0", "Jetson AGX Orin", "cortex-a78", 2.2),
    Device("MT6989", "2", "Dimensity 9300", "cortex-x4", 3.25),
)


@dataclass(frozen=True)
class Point:
    """A published latency."""

    core: str
    runtime: str
    device: str
    clock_ghz: float
    network: str
    graph: Graph
    ms: float
    rounding_ms: float  # half of the last digit
    source: str

    @property
    def dtype(self) -> str:
        return DTYPES[self.graph.inputs[0].dtype]


def read_points() -> tuple[Point, ...]:
    """Return every point, of all cores."""
    return (*_slim(), *_ovic(), *_ncnn())


@cache
def read_table(name: str) -> tuple[dict[str, str], ...]:
    """Return the rows of an anchors file, without its first line, which names the source."""
    text = (DATA / "anchors" / name).read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if not line.lstrip('"').startswith("#")]
    return tuple(csv.DictReader(lines))


@cache
def _mobilenet_v2(alpha: str, resolution: str, dtype: str) -> Graph:
    return mobilenet_v2(float(alpha), int(resolution), dtype, classes=1001)


@cache
def _network(name: str, dtype: str) -> Graph:
    return NETWORKS[name](dtype)


def _slim() -> Iterator[Point]:
    for row in read_table("slim_mobilenet_v2_pixel1.csv"):
        graph = _mobilenet_v2(row["alpha"], row["resolution"], "float32")
        name = f"mobilenet_v2 {row['alpha']}/{row['resolution']}"
        ms = float(row["pixel1_ms"])
        yield Point("pixel1", "tflite", "Pixel 1", 2.15, name, graph, ms, 0.05, SLIM)


def _ovic() -> Iterator[Point]:
    for row in read_table("tflite_ovic_int8.csv"):
        graph = _mobilenet_v2(row["alpha"], row["resolution"], "int8")
        name = f"mobilenet_v2 {row['alpha']}/{row['resolution']}"
        for core, device, clock_ghz in (("pixel2", "Pixel 2", 2.35), ("pixel4", "Pixel 4", 2.84)):
            ms = float(row[f"{core}_ms"])
            yield Point(core, "tflite", device, clock_ghz, name, graph, ms, 0.5, OVIC)


def _ncnn() -> Iterator[Point]:
    for device in DEVICES:
        for network, dtype, ms in _ncnn_rows(device, "1"):
            graph = _network(network, dtype)
            yield Point(device.core, "ncnn", device.name, device.clock_ghz, network, graph, ms,
                        0.005, NCNN)  # fmt: skip


def _ncnn_rows(device: Device, threads: str) -> Iterator[tuple[str, str, float]]:
    """Yield network, dtype and least ms; the mean holds what the system did besides."""
    for row in read_table("ncnn_arm_ms.csv"):
        if device.needle not in row["device"] or row["powersave"] != device.powersave:
            continue
        name, int8, _ = row["model"].partition("_int8")
        if row["threads"] == threads and name in NETWORKS:
            yield name, "int8" if int8 else "float32", float(row["min_ms"])


@dataclass(frozen=True)
class Pair:
    """One network in XNNPACK, and what ncnn would take for it on the same core and threads."""

    dtype: str
    name: str
    xnnpack_ms: float
    ncnn_ms: float


# Columns of XNNPACK's table: the core or the device, and the clock in GHz.
SINGLE_THREADS = (("pixel1_1t", "kryo", 2.15), ("pixel2_1t", "cortex-a73", 2.35))
FOUR_THREADS = (("rpi3plus", "Raspberry Pi 3", 1.4), ("rpi4_arm64", "Raspberry Pi 4", 1.5))


def pairs(predicted_ms: Callable[[str, str, float, Graph], float]) -> Iterator[Pair]:
    """Yield the networks that both runtimes publish for a core.

    Single threads compare with the prediction of the ncnn calibration. The Raspberry Pis ran on
    four threads: there ncnn's own four-thread row of MobileNetV1 compares, scaled by the prediction
    where the network or the clock is another.

    Args:
        predicted_ms: core, dtype, clock and graph to the ncnn calibration's ms.
    """
    for row in read_table("xnnpack_ms.csv"):
        dtype = {"fp32": "float32", "int8": "int8"}[row["dtype"]]
        graph = (mobilenet_v1 if row["model"] == "mobilenet_v1" else mobilenet_v2)(dtype=dtype)
        for column, core, clock_ghz in SINGLE_THREADS:
            if row[column]:
                ncnn_ms = predicted_ms(core, DTYPES[dtype], clock_ghz, graph)
                yield Pair(DTYPES[dtype], f"{row['model']}, {column}", float(row[column]), ncnn_ms)
        for column, needle, clock_ghz in FOUR_THREADS:
            device = next(d for d in DEVICES if d.needle == needle)
            base_ms = next(
                ms for name, found, ms in _ncnn_rows(device, "4")
                if (name, found) == ("mobilenet", dtype)
            )  # fmt: skip
            base = mobilenet_v1(dtype=dtype)
            scale = predicted_ms(device.core, DTYPES[dtype], clock_ghz, graph) / predicted_ms(
                device.core, DTYPES[dtype], device.clock_ghz, base
            )
            name = f"{row['model']}, {column}"
            yield Pair(DTYPES[dtype], name, float(row[column]), base_ms * scale)
