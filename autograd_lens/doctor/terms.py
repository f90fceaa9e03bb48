"""A loss as a weighted sum: what it adds up, and with which weight.

NOTE 1 [What is passed over]: from the number that a backward starts from, the walk goes back
through sums and differences, products with numbers, means and sums over axes, and views. What is
left is a term. A mean divides by a count; that is left out of the weight, so that the sign and
the program's own factors remain.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from autograd_lens.trace.graph import VIEWS, TapeIndex, constant, operator_name, tensors
from autograd_lens.trace.records import Argument, Constant, Kernel, TensorUse

__all__ = ["Term", "factor", "is_logarithm", "likelihoods", "loss_terms", "unscaled"]

_MOST = 400  # kernels on the way
_PARTS = frozenset({"as_strided", "diagonal", "narrow", "select", "slice", "split", "unbind"})
_THROUGH = (VIEWS - _PARTS) | {"_to_copy", "clone", "mean", "nansum", "stack", "sum"}
_ADDS = frozenset({"add", "add_", "sub", "sub_", "rsub"})
_MULTIPLIES = frozenset({"mul", "mul_", "div", "div_"})
_SCALES = frozenset({"mul", "div"})


@dataclass(frozen=True, slots=True)
class Term:
    """One summand.

    Attributes:
        use: The tensor.
        kernel: The kernel that made it.
        weight: What it counts with (NOTE 1).
        by: The kernel that multiplied it with a number of the program, the one nearest to it or the
            one that made the weight 0; None for none.
    """

    use: TensorUse
    kernel: Kernel
    weight: float
    by: Kernel | None = None


def loss_terms(tape: TapeIndex, backward: int) -> list[Term]:
    """The terms with a gradient of what a backward started from, the last added first."""
    root = tape.loss_kernel(backward)
    if root is None or not root.outputs:
        return []
    waiting, found, passed = [Term(root.outputs[0], root, 1.0)], list[Term](), 0
    while waiting and passed < _MOST:
        term = waiting.pop(0)
        passed += 1
        parts = list(_parts(tape, term))
        waiting += parts
        if not parts:
            found.append(term)
    return found


def _parts(tape: TapeIndex, term: Term) -> Iterator[Term]:
    """What a term is the sum of; nothing where it is one by itself."""
    kernel, name = term.kernel, operator_name(term.kernel)
    given = list(_grown(tape, kernel))
    if name in _THROUGH:
        yield from (Term(use, made, term.weight, term.by) for use, made in given)
    elif name == "neg":
        yield from (Term(use, made, -term.weight, term.by) for use, made in given)
    elif name in _ADDS:
        places = [use.tensor for use in tensors(kernel.inputs)]
        for use, made in given:
            weight = term.weight * _share(kernel, places.index(use.tensor))
            yield Term(use, made, weight, term.by)
    elif name in _MULTIPLIES and len(given) == 1 and (number := factor(kernel)) is not None:
        use, made = given[0]
        yield Term(use, made, term.weight * number, kernel if term.weight else term.by)


def _grown(tape: TapeIndex, kernel: Kernel) -> Iterator[tuple[TensorUse, Kernel]]:
    """The inputs that carry a gradient, with the kernels that made them."""
    for use in tensors(kernel.inputs):
        made = tape.maker(use.tensor, kernel.index)
        if made is not None and made.phase == "forward" and made.requires_grad:
            yield use, made


def _share(kernel: Kernel, place: int) -> float:
    """With which factor a sum counts its first or second input."""
    alpha = constant(kernel, "alpha")
    size = 1.0 if alpha is None else alpha
    name = operator_name(kernel).rstrip("_")
    if name == "rsub":
        return 1.0 if place else -size
    return 1.0 if not place else size if name == "add" else -size


def factor(kernel: Kernel) -> float | None:
    """The number that a kernel multiplies its first input with; None where it is not known."""
    other = next((_number(one) for one in kernel.inputs[1:] if one.name == "other"), None)
    if other is None or operator_name(kernel).startswith("mul"):
        return other
    return 1 / other if other else None


def unscaled(
    tape: TapeIndex, tensor: int, before: int
) -> tuple[Kernel | None, float, list[Kernel]]:
    """What made a tensor, known factors but 0 taken out: their product, and their kernels.

    Args:
        tape: The tape.
        tensor: The tensor.
        before: The kernel that reads it.
    """
    made, scale, products = tape.through_views(tensor, before), 1.0, list[Kernel]()
    while made is not None and operator_name(made) in _SCALES and (by := factor(made)):
        scale *= by
        products.append(made)
        made = tape.through_views(next(tensors(made.inputs)).tensor, made.index)
    return made, scale, products


def _number(given: Argument) -> float | None:
    if isinstance(given.value, Constant):
        number = given.value.value
        return float(number) if isinstance(number, int | float) else None
    value = given.value.value if isinstance(given.value, TensorUse) else None
    single = value is not None and value.complete and value.numel == 1
    item = value.item() if value is not None and single else None
    return float(item) if isinstance(item, int | float) else None


_LOGARITHMS = frozenset({"_log_softmax", "log", "logsigmoid", "log_sigmoid_forward"})
_PICKS = frozenset({"gather", "index", "diagonal", "select", "slice"})
_PLAIN = _PICKS | VIEWS


def likelihoods(tape: TapeIndex, use: TensorUse, before: int) -> Iterator[Kernel]:
    """The kernel that made the logarithms which a term picked some of, if it did just that.

    ``F.log_softmax(scores, 1).gather(1, label)`` and ``Categorical.log_prob`` are such terms.
    """
    kernel, picked = tape.maker(use.tensor, before), False
    while kernel is not None and operator_name(kernel) in _PLAIN:
        picked = picked or operator_name(kernel) in _PICKS
        base = next(tensors(kernel.inputs), None)
        kernel = tape.maker(base.tensor, kernel.index) if base is not None else None
    if kernel is not None and picked and is_logarithm(tape, kernel):
        yield kernel


def is_logarithm(tape: TapeIndex, kernel: Kernel) -> bool:
    """Whether a kernel made logarithms, of probabilities as they go."""
    if operator_name(kernel) in _LOGARITHMS:
        return True
    if operator_name(kernel) != "sub":  # scores - logsumexp(scores)
        return False
    makers = [tape.through_views(one.tensor, kernel.index) for one in tensors(kernel.inputs)]
    return any(one is not None and operator_name(one) == "logsumexp" for one in makers)
