"""Sums of products over one axis, as attention takes, written as a product of matrices."""

from __future__ import annotations

from typing import Any

from tf2onnx import utils
from tf2onnx.onnx_opset.math import Einsum


def write_product(graph: Any, node: Any, name: str, _: Any) -> None:
    """Write an einsum as transpositions and a MatMul, if each factor has one axis of its own.

    tf2onnx finds sizes at run time and goes through five axes. Other sums are left to it.
    """
    factors, order = _letters(node.get_attr_str("equation"))
    read, shapes = [*node.input], [graph.get_shape(value) for value in node.input]
    shared = [a for a in order if all(a in factor for factor in factors)]
    own = [[a for a in order if a in factor and a not in shared] for factor in factors]
    summed = [a for a in factors[0] if a not in order]
    if any(shape is None for shape in shapes) or not _is_matrices(factors, shared, own, summed):
        Einsum.version_12(graph, node)
        return
    if order.index(own[1][0]) < order.index(own[0][0]):  # as they come in the answer
        factors, read, shapes, own = factors[::-1], read[::-1], shapes[::-1], own[::-1]
    sizes = {a: size for factor, shape in zip(factors, shapes, strict=True)
             for a, size in zip(factor, shape, strict=True)}  # fmt: skip
    dtype = graph.get_dtype(read[0])

    def turned(value: str, given: str, wanted: str, outputs: list[str] | None = None) -> str:
        made = graph.make_node(
            "Transpose", [value], attr={"perm": [given.index(a) for a in wanted]}, outputs=outputs,
            name=utils.make_name(name), shapes=[[sizes[a] for a in wanted]], dtypes=[dtype],
        )  # fmt: skip
        return str(made.output[0])

    around = "".join(shared)
    wanted = around + own[0][0] + summed[0], around + summed[0] + own[1][0]
    matrices = [value if given == axes else turned(value, given, axes)
                for value, given, axes in zip(read, factors, wanted, strict=True)]  # fmt: skip
    made = around + own[0][0] + own[1][0]
    answers = node.output
    graph.remove_node(node.name)
    product = graph.make_node(
        "MatMul", matrices, outputs=answers if made == order else None,
        name=utils.make_name(name), shapes=[[sizes[a] for a in made]], dtypes=[dtype],
    )  # fmt: skip
    if made != order:
        turned(product.output[0], made, order, answers)


def _letters(equation: str) -> tuple[list[str], str]:
    """Return the axes of the factors and of the answer."""
    left, _, right = equation.replace(" ", "").partition("->")
    return left.split(","), right


def _is_matrices(
    factors: list[str], shared: list[str], own: list[list[str]], summed: list[str]
) -> bool:
    """Whether two factors share all axes but one each, and one that is summed over is the last."""
    distinct = all(len({*factor}) == len(factor) == len(shared) + 2 for factor in factors)
    one_each = [len(each) for each in own] == [1, 1] and len(summed) == 1
    return len(factors) == 2 and distinct and one_each and summed[0] in factors[1]
