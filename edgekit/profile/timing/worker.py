"""Time one model file in one runtime: the one program that runs on a device.

It needs Python 3.9, NumPy and a runtime, nothing else, and is copied to the device as it stands:
`python worker.py CONFIG.json`. It writes one JSON object a line as it goes, so a cut connection
keeps the runs that were finished. Only the runtime's invoke is timed; inputs are set beforehand.
Where the device counts instructions, inferences are marked instead of timed; and it can answer
examples.

`Config` says what can be asked for, `main` which lines come back, `run` does it. Below them stand
timing, the runtimes, the inputs, and what the machine is and does.
"""

from __future__ import annotations

import contextlib
import functools
import gc
import hashlib
import importlib
import importlib.metadata
import importlib.util
import json
import os
import platform
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PACKAGES = {
    "litert": "ai-edge-litert",
    "tflite-runtime": "tflite-runtime",
    "onnxruntime": "onnxruntime",
}
MODULES = {
    "litert": "ai_edge_litert.interpreter",
    "tflite-runtime": "tflite_runtime.interpreter",
    "onnxruntime": "onnxruntime",
}
EXTRAS = {"litert": "litert", "tflite-runtime": "tflite", "onnxruntime": "onnx"}  # of edgekit
INPUT, SETUP = 2, 3  # exit codes: mend the input, mend the device
BATCH_SECONDS = 0.2  # of timed runs between two lines of output
WINDOW_SECONDS = 0.05  # of warm-up runs compared with the window before
STABLE = 0.98  # warm when a window is not faster than this times the best before it
STATE_SECONDS = 1.0  # of timed runs between two looks at clocks and temperatures
MARK = 0x6D61726B << 16  # where no file ends: the emulator's plugin sees a seek to it
COUNTED = 4  # inferences at the end, which differ by less than ALIKE or are in doubt
WARM_UP = 2  # at the least before them: memory is touched, caches fill, Python specializes its code
MOST = 60  # inferences in all
ALIKE = 0.001
CLASSES = 6  # the first of COUNTS, each instruction is one of them
EXACT_SUMS = "session.x64quantprecision"  # of 8 bits; twice as slow where they are exact anyway
# An .onnx, as edgekit.runtime.exact_sums has it: sums = MatMulInteger(a [2, 2], [127, 127]).
PROBE = (
    b'\x08\x08:b\n\x1d\n\x01a\n\x01b\x12\x04sums"\rMatMulInteger:\x00\x12\x05probe*\r\x08\x02\x08'
    b"\x01\x10\x03*\x02\x7f\x7fB\x01bZ\x13\n\x01a\x12\x0e\n\x0c\x08\x02\x12\x08\n\x02\x08\x02\n\x02\x08\x02b"
    b"\x16\n\x04sums\x12\x0e\n\x0c\x08\x06\x12\x08\n\x02\x08\x02\n\x02\x08\x01B\x04\n\x00\x10\r"
)
PROFILED = 30  # inferences, where a profile is asked for
COUNTS = ("integer", "branch", "memory", "simd", "dot", "other", "accesses", "l1_misses",
          "l2_misses")  # fmt: skip

# The instruction sets that decide how fast integer and half kernels are.
FEATURES = {
    "avx2", "fma", "avx512f", "avx512_vnni", "avx_vnni", "amx_int8",
    "asimd", "asimddp", "asimdhp", "i8mm", "sve", "neon",
}  # fmt: skip
ARM_CORES = {
    "0xb76": "ARM1176", "0xc07": "Cortex-A7", "0xc0f": "Cortex-A15",
    "0xd03": "Cortex-A53", "0xd04": "Cortex-A35", "0xd05": "Cortex-A55", "0xd07": "Cortex-A57",
    "0xd08": "Cortex-A72", "0xd09": "Cortex-A73", "0xd0a": "Cortex-A75", "0xd0b": "Cortex-A76",
    "0xd0c": "Neoverse-N1", "0xd0d": "Cortex-A77", "0xd40": "Neoverse-V1", "0xd41": "Cortex-A78",
    "0xd44": "Cortex-X1", "0xd46": "Cortex-A510", "0xd47": "Cortex-A710", "0xd48": "Cortex-X2",
    "0xd49": "Neoverse-N2", "0xd4d": "Cortex-A715", "0xd4e": "Cortex-X3", "0xd80": "Cortex-A520",
    "0xd81": "Cortex-A720", "0xd82": "Cortex-X4",
}  # fmt: skip


@dataclass(frozen=True)
class Config:
    """What is asked for, as the keys of a JSON object."""

    model: str  # path of the file
    sha256: str | None = None  # hex; checked where given
    runtime: str = "litert"  # litert, tflite-runtime or onnxruntime
    threads: int = 1  # of the runtime
    signature: str | None = None  # entry point of a .tflite; the first graph where None
    inputs: str | None = None  # path of an .npz with raw tensors by input name; random where None
    seed: int = 0  # of the random inputs
    warmup_runs: int = 3  # at least, beside the first run
    warmup_max_seconds: float = 10.0  # whether it has become stable or not
    runs: int = 100  # at least
    min_seconds: float = 1.0  # at least, counting invoke alone
    max_seconds: float = 60.0  # whichever of the two comes first then
    cpus: list[int] | None = None  # cores to stay on, as [0, 1]
    counter: str | None = None  # file of instruction counts: marks inferences, times none
    profile: bool = False  # say what each op takes, where the runtime does
    answers: str | None = None  # .npz to write for the examples [N, ...] of `inputs`; times none
    setup: str | None = None  # the command that installs a runtime on this device


class RefusedError(Exception):
    """The run cannot go on; the exit code says whether the input or the device is to blame."""

    def __init__(self, code: int, line: str) -> None:
        super().__init__(line)
        self.code = code


def main(arguments: list[str]) -> int:
    """Run one configuration and return the exit code.

    Events, in order: `device` (facts), `loaded` (load_ms, runtime, inputs, baseline_memory_bytes),
    `first` (ms), `warm` (runs, stable, state), `runs` (ns of each run; many, with the state about
    every second), `done` (peak_memory_bytes, state, truncated), and where it is asked for `profile`
    (pre_ms, invoke_ms, post_ms, ops). Where instructions are counted, `counted` (inferences) stands
    after `loaded`, where examples are answered, `answered` (examples). `error` (code, line) stands
    in the place of any.
    """
    try:
        (path,) = arguments
        run(Config(**json.loads(Path(path).read_text(encoding="utf-8"))))
    except RefusedError as error:
        say("error", code=error.code, line=str(error))
        return error.code
    except MemoryError:
        say("error", code=INPUT, line="the model asks for more memory than the device has")
        return INPUT
    return 0


def run(config: Config) -> None:
    """Load, warm up, time, and say so line by line.

    Raises:
        RefusedError: the file, the inputs or the device is wrong.
    """
    check_hash(config)
    limit_memory()
    if config.cpus:
        pin(config.cpus)
    say("device", **device_facts())
    module = import_runtime(config.runtime, config.setup)
    baseline_bytes = memory_bytes("VmRSS")
    try:
        began = time.perf_counter_ns()
        model = OPENERS[config.runtime](module, config)
        load_ns = time.perf_counter_ns() - began
        if config.answers and config.inputs:
            examples = answer(model, config.inputs, config.answers)
            say("answered", examples=examples, runtime=runtime_facts(config, model))
            return
        arrays = make_inputs(model.wanted(), config)
        model.give(arrays)
        say("loaded", load_ms=load_ns / 1e6, runtime=runtime_facts(config, model),
            inputs=describe(arrays, config), baseline_memory_bytes=baseline_bytes)  # fmt: skip
        if config.counter:
            count_model(model.invoke, config.counter)
        else:
            time_model(model.invoke, config)
        if config.profile:
            say("profile", **profile(model, arrays))
    except (RefusedError, MemoryError):
        raise
    except Exception as error:  # each runtime has exceptions of its own
        raise RefusedError(INPUT, f"{config.runtime} refuses the model: {error}") from None


def time_model(invoke: Callable[[], Any], config: Config) -> None:
    """Say the first run, the warm-up and the timed runs of `invoke`."""
    gc.collect()
    gc.disable()
    say("first", ms=timed(invoke, 1)[0] / 1e6)
    runs, stable = warm_up(invoke, config.warmup_runs, config.warmup_max_seconds)
    say("warm", runs=runs, stable=stable, state=device_state())
    count = elapsed_ns = last_ns = looked_ns = 0
    while count < config.runs or elapsed_ns < config.min_seconds * 1e9:
        if elapsed_ns >= config.max_seconds * 1e9:
            break
        left = max(config.runs - count, 1)
        fitting = int(BATCH_SECONDS * 1e9 / last_ns) if last_ns else 1
        batch = timed(invoke, max(1, fitting if config.min_seconds else min(left, fitting)))
        last_ns = max(1, middle(batch))
        count, elapsed_ns = count + len(batch), elapsed_ns + sum(batch)
        if elapsed_ns - looked_ns > STATE_SECONDS * 1e9:
            looked_ns = elapsed_ns
            say("runs", ns=batch, state=device_state())
        else:
            say("runs", ns=batch)
    say("done", peak_memory_bytes=memory_bytes("VmHWM"), state=device_state(),
        truncated=count < config.runs)  # fmt: skip


def count_model(invoke: Callable[[], Any], counter: str) -> None:
    """Say what each inference executed, by the marks that the emulator counts to.

    Two marks with nothing between them come first each time: what a mark itself takes is
    subtracted. It goes on until COUNTED inferences in a row are alike.
    """
    gc.collect()
    gc.disable()
    inferences: list[dict[str, int]] = []
    with Path(os.devnull).open("rb") as nowhere:
        place = nowhere.fileno()
        while len(inferences) < MOST and not steady(inferences):
            mark(place, 0)
            mark(place, 1)
            invoke()
            mark(place, 2)
            inferences.append(last_count(counter))
    say("counted", inferences=inferences)


def last_count(counter: str) -> dict[str, int]:
    """Return what stands between the last two marks, without what a mark takes."""
    lines = (read(counter) or "").splitlines()[-3:]
    if len(lines) < 3:
        raise RefusedError(SETUP, f"{len(lines)} of 3 marks were counted")
    before, begin, end = ([int(n) for n in line.split()[1:]] for line in lines)
    return {name: end[j] - 2 * begin[j] + before[j] for j, name in enumerate(COUNTS)}


def steady(inferences: list[dict[str, int]]) -> bool:
    """Whether the last COUNTED of them, which follow a warm-up, differ by less than ALIKE."""
    if len(inferences) < WARM_UP + COUNTED:
        return False
    sums = [sum(one[name] for name in COUNTS[:CLASSES]) for one in inferences[-COUNTED:]]
    return max(sums) - min(sums) <= ALIKE * max(sums)


def mark(place: int, number: int) -> None:
    """Set a mark that the emulator sees; elsewhere nothing happens."""
    os.lseek(place, MARK | number, os.SEEK_SET)


def profile(model: Any, arrays: dict[str, Any]) -> dict[str, Any]:
    """Return the ms before, in and after an inference, and of each op where the runtime says it.

    Before is handing the inputs over, after is taking the outputs.
    """
    parts = {"pre_ms": lambda: model.give(arrays), "invoke_ms": model.invoke, "post_ms": model.take}
    middles = {name: middle(timed(part, PROFILED)) / 1e6 for name, part in parts.items()}
    return {**middles, "ops": model.ops(arrays)}


def answer(model: Any, examples: str, answers_path: str) -> int:
    """Write the model's answers to the examples and return how many there were."""
    import numpy as np

    with np.load(examples, allow_pickle=False) as file:
        inputs = {name: file[name] for name in file}
    answers = []
    for i in range(min(len(array) for array in inputs.values())):
        model.give({name: array[i : i + 1] for name, array in inputs.items()})
        model.invoke()
        answers.append(model.take())
    np.savez(answers_path, **{n: np.concatenate([a[n] for a in answers]) for n in answers[0]})
    return len(answers)


def timed(invoke: Callable[[], Any], runs: int) -> list[int]:
    """Return the nanoseconds of each of `runs` calls."""
    clock = time.perf_counter_ns
    spent = [0] * runs
    for i in range(runs):
        began = clock()
        invoke()
        spent[i] = clock() - began
    return spent


def middle(values: list[int]) -> int:
    """Return the upper median."""
    return sorted(values)[len(values) // 2]


def warm_up(invoke: Callable[[], Any], runs: int, max_seconds: float) -> tuple[int, bool]:
    """Call until a window of runs is no faster than the best before it.

    Returns:
        The runs made, and whether they had become stable; (0, True) where `runs` is 0.
    """
    if not runs:
        return 0, True
    began, done, best_ns = time.monotonic(), 0, 0
    while True:
        window = max(1, int(WINDOW_SECONDS * 1e9 / best_ns)) if best_ns else 1
        median_ns = max(1, middle(timed(invoke, window)))
        done += window
        # The first window only says how long a window is.
        if done > window and done >= runs and median_ns > STABLE * best_ns:
            return done, True
        if time.monotonic() - began > max_seconds:
            return done, False
        best_ns = min(best_ns or median_ns, median_ns)


class TFLiteModel:
    """A .tflite file in LiteRT or tflite-runtime: one signature, or the first graph.

    The first graph is invoked alone; another goes through its runner, whose copies of inputs and
    outputs are then timed with it.
    """

    def __init__(self, module: Any, config: Config) -> None:
        self.interpreter = module.Interpreter(model_path=config.model, num_threads=config.threads)
        self.interpreter.allocate_tensors()
        signatures = list(self.interpreter.get_signature_list())
        usual = "serving_default" if "serving_default" in signatures else None
        key = config.signature or usual or next(iter(signatures), None)
        if key and key not in signatures:
            raise RefusedError(INPUT, f"no signature {key}: there is {', '.join(signatures)}")
        runner = self.interpreter.get_signature_runner(key) if key else None
        source = runner or self.interpreter
        self.inputs, self.outputs = map(
            by_name, (source.get_input_details(), source.get_output_details())
        )
        # While a runner refers to the interpreter, neither allocate nor invoke is allowed.
        self.runner: Any = runner if runner and runner._subgraph_index else None
        self.invoke: Callable[[], Any] = self._run if self.runner else self.interpreter.invoke

    def wanted(self) -> dict[str, tuple[list[int], Any, list[int]]]:
        """Return shape, dtype and the shape that the file allows, of each input."""
        return {
            name: (list(d["shape"]), d["dtype"], list(d["shape_signature"]))
            for name, d in self.inputs.items()
        }

    def give(self, arrays: dict[str, Any]) -> None:
        """Hand the inputs over."""
        self.arrays = arrays
        if self.runner:
            return
        resized = {
            n: a.shape for n, a in arrays.items() if list(a.shape) != list(self.inputs[n]["shape"])
        }
        for name, shape in resized.items():
            self.interpreter.resize_tensor_input(self.inputs[name]["index"], shape)
            self.inputs[name]["shape"] = shape
        if resized:
            self.interpreter.allocate_tensors()
        for name, array in arrays.items():
            self.interpreter.set_tensor(self.inputs[name]["index"], array)

    def _run(self) -> None:
        self.answers = self.runner(**self.arrays)

    def take(self) -> dict[str, Any]:
        """Return the outputs by name."""
        if self.runner:
            return dict(self.answers)
        return {n: self.interpreter.get_tensor(d["index"]) for n, d in self.outputs.items()}

    def facts(self) -> dict[str, Any]:
        """Return how many nodes of the first graph a delegate took."""
        try:
            nodes = self.interpreter._get_ops_details()
            outputs = [int(d["index"]) for d in self.interpreter.get_output_details()]
        except (AttributeError, RuntimeError, ValueError):
            return {}
        return count_delegated(nodes, outputs)

    def ops(self, arrays: dict[str, Any]) -> None:
        """Return nothing: these interpreters tell no times of ops."""


class OnnxModel:
    """An .onnx file in ONNX Runtime, on the CPU."""

    def __init__(self, module: Any, config: Config) -> None:
        if config.signature:
            raise RefusedError(INPUT, f"no signature {config.signature}: .onnx files have none")
        self.module, self.config = module, config
        # From bytes: external data beside the file is then out of reach.
        self.content = Path(config.model).read_bytes()
        self.session = self._open()
        self.binding = self.session.io_binding()
        self.invoke = functools.partial(self.session.run_with_iobinding, self.binding)

    def _open(self, profile: bool = False) -> Any:
        options = self.module.SessionOptions()
        options.intra_op_num_threads = self.config.threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 4
        options.enable_profiling = profile
        self.exact_sums = True
        if not self._saturates():
            return self._start(self.content, options)
        try:
            options.add_session_config_entry(EXACT_SUMS, "1")
            return self._start(self.content, options)
        except Exception:  # it reads one weight twice, or is damaged and fails again
            self.exact_sums = False
            options.add_session_config_entry(EXACT_SUMS, "0")
            return self._start(self.content, options)

    def _saturates(self) -> bool:
        """Say whether this CPU holds sums of 8-bit products in 16 bits: an x86 without VNNI."""
        import numpy as np

        probe = self._start(PROBE, self.module.SessionOptions())
        (sums,) = probe.run(None, {"a": np.full((2, 2), 255, np.uint8)})
        return int(sums[0, 0]) != 2 * 255 * 127

    def _start(self, content: bytes, options: Any) -> Any:
        return self.module.InferenceSession(content, options, providers=["CPUExecutionProvider"])

    def wanted(self) -> dict[str, tuple[list[int], Any, list[int]]]:
        """Return shape, dtype and the shape that the file allows, of each input."""
        free = {i: [d if isinstance(d, int) else -1 for d in i.shape] for i in self._inputs()}
        return {
            i.name: ([max(d, 1) for d in shape], numpy_dtype(i.type), shape)
            for i, shape in free.items()
        }

    def give(self, arrays: dict[str, Any]) -> None:
        """Hand the inputs over."""
        for name, array in arrays.items():
            self.binding.bind_cpu_input(name, array)
        for output in self.session.get_outputs():
            self.binding.bind_output(output.name)

    def take(self) -> dict[str, Any]:
        """Return the outputs by name."""
        names = [output.name for output in self.session.get_outputs()]
        return dict(zip(names, self.binding.copy_outputs_to_cpu()))  # noqa: B905 (Python 3.9)

    def facts(self) -> dict[str, Any]:
        """Return the execution providers, and whether sums of 8 bits are exact here."""
        return {
            "providers": self.session.get_providers(),
            "exact_sums": self.exact_sums,
        }

    def ops(self, arrays: dict[str, Any]) -> list[dict[str, Any]]:
        """Return name, op and median ms of each node, by ONNX Runtime's profiler."""
        session = self._open(profile=True)
        for _ in range(PROFILED):
            session.run(None, arrays)
        events = json.loads(Path(session.end_profiling()).read_text(encoding="utf-8"))
        spent: dict[tuple[str, str], list[int]] = {}
        for event in events:
            if event["cat"] == "Node" and event["name"].endswith("_kernel_time"):
                name = event["name"][: -len("_kernel_time")]
                spent.setdefault((name, event["args"]["op_name"]), []).append(event["dur"])
        return [{"name": n, "op": op, "ms": middle(us) / 1e3} for (n, op), us in spent.items()]

    def _inputs(self) -> list[Any]:
        return self.session.get_inputs()  # type: ignore[no-any-return]


OPENERS: dict[str, Callable[[Any, Config], Any]] = {
    "litert": TFLiteModel,
    "tflite-runtime": TFLiteModel,
    "onnxruntime": OnnxModel,
}


def import_runtime(name: str, setup: str | None) -> Any:
    """Import a runtime.

    Args:
        name: as the configuration has it.
        setup: the command that installs it on this device; pip where None.

    Raises:
        RefusedError: unknown, not installed, or broken.
    """
    if name not in MODULES:
        raise RefusedError(INPUT, f"runtime {name}: expected one of {', '.join(MODULES)}")
    try:
        return importlib.import_module(MODULES[name])
    except ImportError as error:
        line = f"{PACKAGES[name]} cannot be imported ({error}): "
        line += "run: " + (setup or f"pip install 'edgekit[{EXTRAS[name]}]'")
        others = [n for n in MODULES if OPENERS[n] is OPENERS[name] and installed(MODULES[n])]
        line += "".join(f", or give --runtime {other}" for other in others)
        raise RefusedError(SETUP, line) from None


def installed(module: str) -> bool:
    """Return whether a module is there; it may be broken."""
    return importlib.util.find_spec(module.partition(".")[0]) is not None


def runtime_facts(config: Config, model: Any) -> dict[str, Any]:
    """Return the runtime's name, version, threads, and what its delegate took."""
    version = importlib.metadata.version(PACKAGES[config.runtime])
    facts = {"name": config.runtime, "version": version, "threads": config.threads}
    return {**facts, **model.facts()}


def count_delegated(nodes: list[dict[str, Any]], outputs: list[int]) -> dict[str, int]:
    """Return `nodes` and `delegated_nodes` of a planned graph.

    The list holds every original node and, after them, a DELEGATE node for each part that was taken
    over. Walking back from the outputs, the nodes that still run by themselves are those reached
    without passing through a DELEGATE.
    """
    original = [n for n in nodes if n["op_name"] != "DELEGATE"]
    if len(original) == len(nodes):
        return {"nodes": len(nodes), "delegated_nodes": 0}
    makers = {int(t): n for n in nodes for t in n["outputs"]}  # a DELEGATE comes last, so it wins
    alone, seen, waiting = 0, set(), list(outputs)
    while waiting:
        node = makers.get(waiting.pop())
        if node is None or node["index"] in seen:
            continue
        seen.add(node["index"])
        alone += node["op_name"] != "DELEGATE"
        waiting += [int(t) for t in node["inputs"]]
    return {"nodes": len(original), "delegated_nodes": len(original) - alone}


def by_name(details: Any) -> dict[str, Any]:
    """Return tensors' details by name: a signature's are so already, a graph's are a list."""
    return details if isinstance(details, dict) else {d["name"]: d for d in details}


def make_inputs(
    wanted: dict[str, tuple[list[int], Any, list[int]]], config: Config
) -> dict[str, Any]:
    """Return one array for each input: from the .npz, or random from the seed.

    Args:
        wanted: shape, dtype, and the shape that the file allows (-1 where free), by input.
        config: its `inputs` and `seed`.
    """
    import numpy as np

    if not config.inputs:
        rng = np.random.default_rng(config.seed)
        return {name: random_array(rng, *spec[:2]) for name, spec in wanted.items()}
    try:
        with np.load(config.inputs, allow_pickle=False) as file:
            arrays = {name: np.ascontiguousarray(file[name]) for name in file}
    except Exception as error:  # whatever NumPy, zipfile and zlib raise, the file is what is wrong
        raise RefusedError(INPUT, f"inputs: cannot be read as .npz: {error}") from None
    if set(arrays) != set(wanted):
        got, expected = ", ".join(arrays) or "none", ", ".join(wanted)
        raise RefusedError(INPUT, f"{config.inputs}: inputs {got}: expected {expected}")
    for name, array in arrays.items():
        shape, dtype, free = wanted[name]
        shape = free or shape
        fits = len(shape) == array.ndim and all(
            a in (-1, b)
            for a, b in zip(shape, array.shape)  # noqa: B905 (Python 3.9)
        )
        if array.dtype != dtype or not fits:
            got, expected = f"{array.dtype} {list(array.shape)}", f"{np.dtype(dtype)} {shape}"
            raise RefusedError(INPUT, f"input {name}: got {got}, expected {expected}")
    return arrays


def random_array(rng: Any, shape: list[int], dtype: Any) -> Any:
    """Return uniform values: [-1, 1) for floats, all codes of 8 and 16 bits, 0 or 1 for the rest.

    Wider integers are mostly indices, which must stay in range.
    """
    import numpy as np

    dtype = np.dtype(dtype)
    if dtype.kind == "f":
        return rng.uniform(-1, 1, shape).astype(dtype)
    if dtype.kind in "iu" and dtype.itemsize <= 2:
        return rng.integers(0, 256**dtype.itemsize, shape).astype(f"u{dtype.itemsize}").view(dtype)
    if dtype.kind in "iub":
        return rng.integers(0, 2, shape).astype(dtype)
    raise RefusedError(INPUT, f"cannot make random {dtype} inputs: give them as an .npz")


def describe(arrays: dict[str, Any], config: Config) -> list[dict[str, Any]]:
    """Return name, shape, dtype and origin of each input."""
    origin = "file" if config.inputs else f"random, seed {config.seed}"
    return [
        {"name": name, "shape": list(a.shape), "dtype": str(a.dtype), "from": origin}
        for name, a in arrays.items()
    ]


def numpy_dtype(onnx_type: str) -> Any:
    """Return the NumPy dtype of ONNX Runtime's "tensor(float)"."""
    import numpy as np

    names = {"float": "float32", "double": "float64"}
    name = onnx_type[len("tensor(") : -1]
    try:
        return np.dtype(names.get(name, name))
    except TypeError:
        raise RefusedError(INPUT, f"input of type {onnx_type}: expected a numeric tensor") from None


def check_hash(config: Config) -> None:
    """Compare the file with the SHA-256 that it should have."""
    digest = hashlib.sha256()
    try:
        with Path(config.model).open("rb") as file:
            for block in iter(functools.partial(file.read, 1 << 20), b""):
                digest.update(block)
    except OSError as error:
        raise RefusedError(INPUT, f"the model cannot be read: {error.strerror}") from None
    if config.sha256 not in (None, digest.hexdigest()):
        got, expected = digest.hexdigest()[:12], config.sha256[:12]
        raise RefusedError(INPUT, f"the model's SHA-256 is {got}...: expected {expected}...")


def limit_memory() -> None:
    """Keep a hostile file from taking all memory: an address space of the device's size, or 4 GiB.

    The limit is that generous because runtimes reserve far more than they touch.
    """
    with contextlib.suppress(ImportError, OSError, ValueError):
        import resource

        size_bytes = max(4 << 30, device_memory_bytes() or 0)
        if size_bytes < sys.maxsize:
            hard = resource.getrlimit(resource.RLIMIT_AS)[1]
            resource.setrlimit(resource.RLIMIT_AS, (size_bytes, hard))


def pin(cpus: list[int]) -> None:
    """Stay on these cores; threads that are started later inherit it."""
    try:
        os.sched_setaffinity(0, cpus)
    except (AttributeError, OSError, ValueError) as error:
        raise RefusedError(SETUP, f"cannot stay on cores {cpus}: {error}") from None


def device_facts() -> dict[str, Any]:
    """Return what the machine is; what cannot be read is None."""
    cpuinfo = read("/proc/cpuinfo") or ""
    flags = " ".join(
        line.split(":", 1)[1]
        for line in cpuinfo.splitlines()
        if line.split(":")[0].strip().lower() in ("flags", "features")
    )
    cores = sorted(Path("/sys/devices/system/cpu").glob("cpu[0-9]*/cpufreq/scaling_governor"))
    governors = dict.fromkeys(name for name in map(read_line, cores) if name)
    model = read("/proc/device-tree/model") or read("/sys/firmware/devicetree/base/model")
    return {
        "board": model.strip("\0\n ") if model else None,
        "cpu": cpu_name(cpuinfo),
        "machine": platform.machine(),
        "cores": os.cpu_count(),
        "features": sorted(FEATURES & set(flags.split())),
        "affinity": sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None,
        "governor": " + ".join(governors) or None,
        "memory_bytes": device_memory_bytes(),
        "system": platform.system(),
        "kernel": platform.release(),
        "python": platform.python_version(),
    }


def device_state() -> dict[str, Any]:
    """Return what changes while a model runs: clocks, temperature, throttling, load."""
    cpus = sorted(Path("/sys/devices/system/cpu").glob("cpu[0-9]*/cpufreq/scaling_cur_freq"))
    zones = sorted(Path("/sys/class/thermal").glob("thermal_zone*/temp"))
    clocks_khz = [int(text) for text in map(read_line, cpus) if text]
    degrees_c = [int(text) / 1000 for text in map(read_line, zones) if text]
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
    return {
        "clocks_khz": clocks_khz or None,
        "temperature_c": max(degrees_c) if degrees_c else None,
        "throttled": throttled(),
        "thermal_status": thermal_status(),
        "load_average": load,
    }


def throttled() -> str | None:
    """Return a Raspberry Pi's throttling flags as hex; None on other machines."""
    return (asked("vcgencmd", "get_throttled") or "").strip().rpartition("=")[2] or None


def thermal_status() -> int | None:
    """Return that of Android's PowerManager: 0 none, 1 light, 2 moderate, 3 severe throttling."""
    words = (asked("dumpsys", "thermalservice") or "").partition("Thermal Status:")[2].split()
    return int(words[0]) if words and words[0].isdigit() else None


def asked(program: str, *arguments: str) -> str | None:
    """Return what a program of the device says; None where there is no such program."""
    path = shutil.which(program)
    if not path:
        return None
    answer = subprocess.run([path, *arguments], capture_output=True, text=True, check=False)
    return answer.stdout


def cpu_name(cpuinfo: str) -> str | None:
    """Return the model name, or ARM's cores by part number: "4x Cortex-A55 + 4x Cortex-A76"."""
    fields = [line.split(":", 1) for line in cpuinfo.splitlines() if ":" in line]
    values = [(key.strip().lower(), value.strip()) for key, value in fields]
    parts = [ARM_CORES.get(value, f"part {value}") for key, value in values if key == "cpu part"]
    if parts:
        return " + ".join(f"{parts.count(p)}x {p}" for p in dict.fromkeys(parts))
    return next((value for key, value in values if key == "model name"), None)


def device_memory_bytes() -> int | None:
    """Return the size of the machine's memory."""
    return kilobytes(read("/proc/meminfo"), "MemTotal")


def memory_bytes(field: str) -> int | None:
    """Return VmRSS (now) or VmHWM (peak) of this process."""
    return kilobytes(read("/proc/self/status"), field)


def kilobytes(text: str | None, field: str) -> int | None:
    """Return the bytes on the line `field: N kB` of a file of /proc."""
    for line in (text or "").splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1]) * 1024
    return None


def read(path: str | Path) -> str | None:
    """Return a file's text, None where it cannot be read."""
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None


def read_line(path: str | Path) -> str | None:
    """Return a file's text without the line end, None where it is empty or cannot be read."""
    return (read(path) or "").strip() or None


def say(event: str, **facts: Any) -> None:
    """Write one JSON line."""
    print(json.dumps({"event": event, **facts}), flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
