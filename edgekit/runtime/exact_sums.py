"""Sums of products of 8 bits in ONNX Runtime, exact on every CPU, and fast where they can be.

An x86 without VNNI adds two products up in 16 bits, which saturate. ONNX Runtime's other kernels
are exact, but on a CPU with VNNI, whose sums are exact anyway, take twice as long. ONNX Runtime
(1.32 at least) takes them on every x86 that is asked for them, so only those are asked that need.
"""

from __future__ import annotations

import functools
import logging
from typing import Any

import numpy as np
import onnx.parser
import onnxruntime
from onnxruntime.capi.onnxruntime_pybind11_state import Fail, RuntimeException

_log = logging.getLogger("edgekit")

PROVIDER = "CPUExecutionProvider"
SETTING = "session.x64quantprecision"
PROBE = """
<ir_version: 8, opset_import: ["": 13]>
probe (uint8[2, 2] a) => (int32[2, 1] sums) <int8[2, 1] b = {127, 127}> {
    sums = MatMulInteger(a, b)
}
"""


def start(name: str, content: bytes, options: Any) -> tuple[Any, bool]:
    """Return a session of a model, and whether its sums of 8 bits are exact here.

    ONNX Runtime (1.32 at least) cannot make them so in a file that reads one weight twice; a
    warning says so.

    Args:
        name: of the file, for the warning.
        content: of the .onnx.
        options: ONNX Runtime's own; this setting is added to them.
    """
    if not saturates():
        return _session(content, options), True
    options.add_session_config_entry(SETTING, "1")
    try:
        return _session(content, options), True
    except (Fail, RuntimeException):
        options.add_session_config_entry(SETTING, "0")
        session = _session(content, options)
        _log.warning("%s: ONNX Runtime cannot load it with %s, so that sums of 8 bits saturate on "
                     "this CPU", name, SETTING)  # fmt: skip
        return session, False


@functools.cache
def saturates() -> bool:
    """Whether 255 x 127 + 255 x 127 is more than this CPU's sums hold: it is tried."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = _session(onnx.parser.parse_model(PROBE).SerializeToString(), options)
    (sums,) = session.run(None, {"a": np.full((2, 2), 255, np.uint8)})
    return int(sums[0, 0]) != 2 * 255 * 127


def _session(content: bytes, options: Any) -> Any:
    return onnxruntime.InferenceSession(content, options, providers=[PROVIDER])
