"""Kernels as text: "se + periodic(period=1)*se + white".

Each term of the sum has a variance of its own, which a leading number sets where the search begins:
`4*se`. `white` is the noise of the observations; without it there is noise all the same.
"""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import reduce
from typing import Any

from edgekit.errors import InputError
from edgekit.families.gp.prior.kernel import Kernel, Product, Scaled, Sum
from edgekit.families.gp.prior.linear import Linear
from edgekit.families.gp.prior.periodic import Periodic
from edgekit.families.gp.prior.stationary import (
    Matern12,
    Matern32,
    Matern52,
    RationalQuadratic,
    SquaredExponential,
)

KERNELS: dict[str, Callable[..., Kernel]] = {
    "se": SquaredExponential,
    "matern12": Matern12,
    "matern32": Matern32,
    "matern52": Matern52,
    "rq": RationalQuadratic,
    "periodic": Periodic,
    "linear": Linear,
}
WHITE = "white"
NOISE_VARIANCE = 0.1  # where the search begins


@dataclass(frozen=True)
class Expression:
    """What the text means."""

    kernel: Kernel  # of f
    noise: float  # variance of y - f, where the search begins


def parse(text: str) -> Expression:
    """Return the kernel and the noise that `text` spells.

    Raises:
        InputError: it is no sum of products of known kernels, or holds the noise twice.
    """
    try:
        terms = _terms(ast.parse(text.strip(), mode="eval").body)
    except (SyntaxError, ValueError, RecursionError):
        raise _wrong(text, text) from None
    whites: list[float] = []
    kernels: list[Kernel] = []
    for term in terms:
        number, factors = _factors(term, text)
        if WHITE in [name for name, _ in factors]:
            if len(factors) > 1 or factors[0][1]:
                raise InputError(f"kernel {text!r}: white", do="let it stand alone in the sum")
            whites.append(NOISE_VARIANCE if number is None else number)
            continue
        made = [_make(name, options, text) for name, options in factors]
        product: Kernel = reduce(Product, made)
        kernels.append(Scaled(product, 1.0 if number is None else number))
    if len(whites) > 1:
        raise InputError(f"kernel {text!r}: white", got=len(whites), expected="one at the most")
    if not kernels:
        raise InputError(f"kernel {text!r}: nothing but noise", expected="as se + white")
    return Expression(reduce(Sum, kernels), whites[0] if whites else NOISE_VARIANCE)


def _terms(node: ast.expr) -> list[ast.expr]:
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return [*_terms(node.left), *_terms(node.right)]
    return [node]


def _factors(node: ast.expr, text: str) -> tuple[float | None, list[tuple[str, dict[str, Any]]]]:
    """Return the number in a product, and the name and options of each kernel."""
    number: float | None = None
    named: list[tuple[str, dict[str, Any]]] = []
    waiting = [node]
    while waiting:
        part = waiting.pop(0)
        if isinstance(part, ast.BinOp) and isinstance(part.op, ast.Mult):
            waiting = [part.left, part.right, *waiting]
        elif isinstance(part, ast.Constant) and isinstance(part.value, int | float):
            number = float(part.value) * (1.0 if number is None else number)
        elif isinstance(part, ast.Name):
            named.append((part.id, {}))
        elif isinstance(part, ast.Call) and isinstance(part.func, ast.Name) and not part.args:
            named.append(
                (part.func.id, {k.arg or "": _value(k.value, text) for k in part.keywords})
            )
        else:
            raise _wrong(ast.unparse(part), text)
    if not named or (number is not None and not 0 < number < float("inf")):
        raise _wrong(ast.unparse(node), text)
    return number, named


def _value(node: ast.expr, text: str) -> float | bool:
    if isinstance(node, ast.Constant) and isinstance(node.value, bool | int | float):
        return node.value
    raise _wrong(ast.unparse(node), text)


def _make(name: str, options: dict[str, Any], text: str) -> Kernel:
    if name not in KERNELS:
        raise _wrong(name, text)
    kind: Any = KERNELS[name]
    known = {f.name: f.type for f in fields(kind)}
    for option, value in options.items():
        if option not in known:
            raise InputError(f"kernel {text!r}: {name} has no {option}",
                             expected="one of " + ", ".join(known))  # fmt: skip
        if (known[option] == "bool") != isinstance(value, bool) or not 0 <= value < float("inf"):
            raise InputError(f"kernel {text!r}: {option}", got=value, expected=str(known[option]))
        if not isinstance(value, bool) and value == 0:
            raise InputError(f"kernel {text!r}: {option}", got=value, expected="above 0")
    made: Kernel = kind(**options)
    return made


def _wrong(part: str, text: str) -> InputError:
    names = ", ".join([*KERNELS, WHITE])
    return InputError(
        f"kernel {text!r}", got=part, expected=f"a sum of products of {names}, as se + white"
    )
