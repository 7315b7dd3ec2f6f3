"""Errors, named for what the caller can do; each prints as one line and knows its exit code."""

from __future__ import annotations


class EdgekitError(Exception):
    """One line: *what failed: got, expected, what to do*.

    Args:
        what: the thing that failed, with its name.
        got: what was found there.
        expected: what would have been right.
        do: what the reader can do about it.
    """

    exit_code = 2

    def __init__(self, what: str, *, got: object = "", expected: str = "", do: str = "") -> None:
        details = [
            f"got {got}" if got != "" else "",
            f"expected {expected}" if expected else "",
            do,
        ]
        line = ": ".join(part for part in (what, ", ".join(d for d in details if d)) if part)
        super().__init__(one_line(line))


class InputError(EdgekitError):
    """Mend the input: a file, an option or an array is wrong."""

    exit_code = 2


class CheckFailedError(EdgekitError):
    """Look at the figures: a gate or a parity check failed."""

    exit_code = 1


class SetupError(EdgekitError):
    """Mend the installation or the device: something is missing or out of reach."""

    exit_code = 3


class MissingExtraError(SetupError):
    """Install the extra that the line names."""

    def __init__(self, module: str, extra: str) -> None:
        super().__init__(f"{module} is not installed", do=f"run: pip install 'edgekit[{extra}]'")


def one_line(text: str) -> str:
    """Return `text` with control characters escaped: no hostile name forges a second line."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
