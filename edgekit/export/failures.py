"""What TensorFlow's converter, tf2onnx and ONNX Runtime raise, as one line with the op's name."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager

from edgekit.errors import EdgekitError, InputError

# How TensorFlow's converter names an op that a .tflite cannot hold.
_NO_KERNEL = re.compile(r"'tf\.(\w+)' op is neither a custom op nor a flex op")
_PLACE = re.compile(r'fused\["(\w+):", "([^"@]+)[@"]')
# What its quantizer says of what ops without a kernel of 16 bits read and write.
_IN_FLOAT = re.compile(r"Unsupported ((?:in|out)put) type INT16 for \w+ tensor '?(?:\w+:)?(\d+)")
# What it says of integers that it would have to compare.
_NO_RANGE = re.compile(r"Empty min/max for tensor serving_default_(\w+)")

_log = logging.getLogger("edgekit")


@contextmanager
def one_line_failures(what: str) -> Iterator[None]:
    """Turn whatever a converter raises into an InputError that begins with `what`.

    Raises:
        InputError: in place of the converter's own error; it names the op where one is to blame.
    """
    try:
        yield
    except (EdgekitError, MemoryError):
        raise
    except Exception as error:
        raise _one_line(what, error) from None


@contextmanager
def told_omissions() -> Iterator[None]:
    """Say in a line each which optimizers of tf2onnx gave up: without them a file is slower."""
    logger, failed = logging.getLogger("tf2onnx.optimizer"), _Failed()
    own = logger.level, logger.propagate
    logger.setLevel(logging.WARNING)
    logger.propagate = False
    logger.addHandler(failed)
    try:
        yield
    finally:
        logger.removeHandler(failed)
        logger.setLevel(own[0])
        logger.propagate = own[1]
    for line in failed.lines:
        _log.warning("%s", line)


class _Failed(logging.Handler):
    """Keeps what tf2onnx says of optimizers that failed, each once."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: dict[str, None] = {}

    def emit(self, record: logging.LogRecord) -> None:
        reason = record.exc_info[1] if record.exc_info else None
        line = f"ONNX: right, but slower than it could be: tf2onnx: {record.getMessage()}: {reason}"
        self.lines[line] = None


def _one_line(what: str, error: Exception) -> InputError:
    text = str(error)
    if ops := sorted(set(_NO_KERNEL.findall(text))):
        places = dict(_PLACE.findall(text))
        named = [f"{op} ({places[op]})" if op in places else op for op in ops]
        return InputError(
            f"{what}: TFLite has no such op",
            got=", ".join(named),
            do="compute it outside of the network or write it with other ops",
        )
    if ends := sorted({" ".join(end) for end in _IN_FLOAT.findall(text)}):
        return InputError(
            f"{what}: no 16-bit kernel of the op at an end of the network, which stays in float",
            got=", ".join(ends), do="take --io float32, or w8a8",
        )  # fmt: skip
    if names := sorted(set(_NO_RANGE.findall(text))):
        return InputError(
            f"{what}: no 16-bit activations beside integers that are compared, as for a mask of "
            "padding", got=f"input {', '.join(names)}", do="take w8a8, w8 or f16",
        )  # fmt: skip
    reason = " ".join(text.split()) or "no reason"
    return InputError(what, got=f"{type(error).__name__}: {reason}"[:300])
