"""The same values by other ops: how each op that integers lack, or bear badly, is written."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import tensorflow as tf

from edgekit.export.rewriting.functions import Body, inputs_of

_UNREACHED = 1e9
_HIGH = 1e3
_SELU = (1.0507009873554805, 1.6732632423543772)  # Klambauer et al. 2017, eq. 14


def _negative(body: Body) -> str:
    return body.op("Mul", body.inputs[0], body.constant(-1))


def _square(body: Body) -> str:
    return body.op("Mul", body.inputs[0], body.inputs[0])


def _squared_difference(body: Body) -> str:
    """Return (x - y)^2, of which runtimes have no kernel for 16 bits."""
    difference = body.op("Sub", *body.inputs)
    return body.op("Mul", difference, difference)


def _elu(body: Body) -> str:
    return body.op("AddV2", body.op("Relu", body.inputs[0]), _below_zero(body))


def _selu(body: Body) -> str:
    scale, alpha = _SELU
    above = body.op("Mul", body.op("Relu", body.inputs[0]), body.constant(scale))
    return body.op("AddV2", above, body.op("Mul", _below_zero(body), body.constant(scale * alpha)))


def _below_zero(body: Body) -> str:
    """Return exp(min(x, 0)) - 1.

    The lesser is a difference: to an op Minimum the quantizer gives one range with what it reads.
    """
    (x,) = body.inputs
    least = body.op("Sub", x, body.op("Relu", x))
    return body.op("Sub", body.op("Exp", least), body.constant(1))


def _softplus(body: Body) -> str:
    """Return relu(x) - log(sigmoid(|x|)), which is log(1 + exp(x)) without large numbers."""
    (x,) = body.inputs
    share = body.op("Sigmoid", body.op("Abs", x))
    return body.op("Sub", body.op("Relu", x), body.op("Log", share))


def unbounded(body: Body, makers: Mapping[str, Any]) -> str | None:
    """Return what a bound lets through that no activation reaches: as integer it would be random.

    Keras bounds the inverse of a length by 1e12: the quantizer lets what is more than 2^31 steps
    overflow.
    """
    sign = 1 if body.node.op == "Minimum" else -1
    for bound, other in (body.inputs, body.inputs[::-1]):
        number = _number(bound, makers)
        if number is not None and sign * number >= _UNREACHED:
            return other
    return None


def lessened(body: Body, makers: Mapping[str, Any]) -> str | None:
    """Return x - relu(x - c) for a ceiling c that may lie more than 2^31 steps above all x.

    One that lies low stays: what it cuts off gets no steps then.
    """
    for ceiling, x in (body.inputs, body.inputs[::-1]):
        if (_number(ceiling, makers) or 0) >= _HIGH:
            return body.op("Sub", x, body.op("Relu", body.op("Sub", x, ceiling)))
    return None


def summed(body: Body, terms: int) -> str:
    """Return so many times the mean: of 16-bit terms LiteRT's sums are wrong, and means right."""
    return body.op("Mul", body.copy("Mean"), body.constant(terms))


def chosen(body: Body, share: str) -> str:
    """Return x m + y (1 - m) for m ? x : y, given what the number m is called."""
    _, x, y = body.inputs
    other = body.op("Sub", body.constant(1), share)
    return body.op("AddV2", body.op("Mul", x, share), body.op("Mul", y, other))


def hard_swish(body: Body, makers: Mapping[str, Any]) -> str | None:
    """Return x / 6 * relu6(x + 3), where a product is that in another order."""
    for one, other in (body.inputs, body.inputs[::-1]):
        for x, bounded in ((one, _divided(other, makers)), _parts(one, other, makers)):
            if bounded and _is_hard(x, bounded, makers):
                return body.op("Mul", body.op("Mul", x, body.constant(1 / 6)), bounded)
    return None


def _divided(value: str, makers: Mapping[str, Any]) -> str | None:
    """Return what is divided by 6 to make `value`."""
    made = makers.get(value)
    if made is None or made.op not in ("RealDiv", "Mul"):
        return None
    divided, by = inputs_of(made)
    number, wanted = _number(by, makers), 6 if made.op == "RealDiv" else 1 / 6
    return divided if number is not None and abs(number - wanted) < 1e-5 else None


def _parts(one: str, other: str, makers: Mapping[str, Any]) -> tuple[str, str | None]:
    """Return the factors of `one`, where it is a product that `other` divides by 6."""
    made, number = makers.get(one), _number(other, makers)
    if made is None or made.op != "Mul" or number is None or abs(number - 1 / 6) > 1e-5:
        return "", None
    first, second = inputs_of(made)
    return (first, second) if _is_hard(first, second, makers) else (second, first)


def _is_hard(x: str, bounded: str, makers: Mapping[str, Any]) -> bool:
    """Whether `bounded` is relu6(x + 3)."""
    relu = makers.get(bounded)
    added = makers.get(inputs_of(relu)[0]) if relu is not None and relu.op == "Relu6" else None
    if added is None or added.op not in ("Add", "AddV2"):
        return False
    shifted, by = inputs_of(added)
    return shifted == x and _number(by, makers) == 3


def _number(value: str, makers: Mapping[str, Any]) -> float | None:
    made = makers.get(value)
    if made is None or made.op != "Const":
        return None
    number = tf.make_ndarray(made.attr["value"].tensor)
    return float(number.reshape(())) if number.size == 1 else None


WRITTEN: dict[str, Callable[[Body], str]] = {
    "Neg": _negative,
    "Square": _square,
    "SquaredDifference": _squared_difference,
    "Elu": _elu,
    "Selu": _selu,
    "Softplus": _softplus,
}
