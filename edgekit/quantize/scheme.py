"""Schemes are a grammar: weight bits, then activation bits.

`f32` and `f16` are floats; `w8` stores weights in 8 bits and computes in float (dynamic range);
`w8a8` is all integer; `w8a16` has 16-bit activations; `qat-` says that the ranges were learned.
`mixed` is w8a8 but for the layers that stay in float, and takes and gives floats.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from edgekit.errors import InputError

MIXED = "mixed"
SCHEMES = ("f32", "f16", "w8", "w8a8", "w8a16", MIXED, "qat-w8a8")
_IO_DTYPES = {  # by activation bits
    None: ("float32",),
    8: ("int8", "uint8", "float32"),
    16: ("int16", "float32"),
}


@dataclass(frozen=True)
class Scheme:
    """A parsed scheme; `activation_bits` is None where activations stay float."""

    name: str
    weight_bits: int
    activation_bits: int | None
    learned: bool
    mixed: bool = False  # some layers stay in float

    @property
    def calibrated(self) -> bool:
        """Whether the conversion needs a representative dataset."""
        return self.activation_bits is not None and not self.learned

    @property
    def all_in_8_bits(self) -> bool:
        """Whether every op works on 8 bits."""
        return self.activation_bits == 8 and not self.mixed

    @property
    def io_dtypes(self) -> tuple[str, ...]:
        """What inputs and outputs of a .tflite may be, the default first."""
        return _IO_DTYPES[None if self.mixed else self.activation_bits]

    def check_io(self, dtype: str) -> None:
        """Refuse a type of inputs and outputs that files of this scheme cannot have.

        Raises:
            InputError: the line lists those that they can.
        """
        if dtype not in self.io_dtypes:
            raise InputError(
                f"scheme {self.name}: no such input and output type",
                got=dtype,
                expected=" or ".join(self.io_dtypes),
            )


def parse_scheme(name: str) -> Scheme:
    """Return the scheme that `name` spells.

    Raises:
        InputError: it does not follow the grammar, or no converter makes it.
    """
    if name == MIXED:
        return Scheme(MIXED, 8, 8, learned=False, mixed=True)
    match = re.fullmatch(r"(qat-)?(?:f(\d+)|w(\d+)(?:a(\d+))?)", name)
    if not match or name not in SCHEMES:
        raise InputError(f"scheme {name}: unknown", expected="one of " + ", ".join(SCHEMES))
    learned, float_bits, weight_bits, activation_bits = match.groups()
    return Scheme(
        name,
        int(float_bits or weight_bits),
        int(activation_bits) if activation_bits else None,
        bool(learned),
    )


def parse_schemes(names: str) -> tuple[Scheme, ...]:
    """Return the schemes of a comma-separated list, in order and without repeats."""
    return tuple(parse_scheme(name) for name in dict.fromkeys(names.split(",")))
