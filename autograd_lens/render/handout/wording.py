"""Values, computations and reasons, as a handout writes them."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from autograd_lens.analysis.lesson import KEPT, NONE
from autograd_lens.analysis.names import Names
from autograd_lens.analysis.story import NodeStory, Outgoing, formula
from autograd_lens.render.graph_text import shorten, shorten_call
from autograd_lens.render.handout.blocks import Text, runs
from autograd_lens.render.numbers import scalar
from autograd_lens.trace.expr import Equation, Name, Number, digits, substituted
from autograd_lens.trace.expression import notation, spoken_name
from autograd_lens.trace.graph import constant, operator_name
from autograd_lens.trace.records import Kernel, TensorUse
from autograd_lens.trace.values import Floats, Value

__all__ = [
    "computation",
    "first_element",
    "held",
    "number",
    "real",
    "reason",
    "shape_text",
    "tiny",
    "value_text",
    "written",
]

_ALIKE: Mapping[str, str] = {
    "_native_batch_norm_legit": "batch_norm",
    "_log_softmax": "log_softmax",
    "max_pool2d_with_indices": "max_pool",
    "native_batch_norm": "batch_norm",
    "native_layer_norm": "layer_norm",
    "matmul": "mm",
    "nll_loss_forward": "nll_loss",
    "reshape": "view",
    "square": "pow",
    "t": "view",
    "threshold": "relu",
    "transpose": "view",
    "unsqueeze": "view",
}
_FEW = 4
_WIDTH = 44
_RULE = 160  # letters of PyTorch's own rule
_RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def written(number: float) -> str:
    """A number with at most six digits that count and a real minus sign."""
    return scalar(number).replace("-", "−")


def held(value: float, state: int, words: Mapping[str, str]) -> str:
    """A followed number, or why there is none.

    Args:
        value: The number.
        state: What the recording holds of it.
        words: The words of a language.
    """
    return {KEPT: written(value), NONE: "None"}.get(state, words["not_kept"])


def tiny(number: float) -> str:
    """The size of a small difference: one digit and a power of ten."""
    digit, _, power = f"{number:.0e}".partition("e")
    if not -4 > int(power) > -300:  # shorter without a power
        return f"{number:.1g}"
    return f"{digit} × 10{str(int(power)).translate(_RAISED)}"


def real(value: Value | None, place: int = 0) -> float | None:
    """One element as a float; None where it cannot be read."""
    if value is None or not value.complete or value.numel <= place:
        return None
    try:
        return float(np.real(value.array.ravel()[place]))
    except (TypeError, ValueError):
        return None


def first_element(value: Value | None) -> str:
    """The first element, or nothing."""
    number = real(value)
    return "" if number is None else written(number)


def shape_text(shape: tuple[int, ...]) -> str:
    """Sizes with a multiplication sign, ``100 × 1``; ``1`` for a scalar."""
    return " × ".join(map(str, shape)) or "1"


def value_text(value: Value | None, words: Mapping[str, str]) -> str:
    """All elements of a small tensor, the range of a large one."""
    if value is None:
        return "None"
    if not value.complete:
        norm = value.summary.norm if value.summary else None
        return words["not_kept"] if norm is None else words["summary"].format(norm=written(norm))
    if real(value) is None:
        return shape_text(value.shape)
    array = np.real(value.array)
    if array.dtype.kind == "b":
        return words["of_true"].format(count=int(array.sum()), total=array.size)
    if array.size <= _FEW:
        return ", ".join(written(number) for number in array.ravel().tolist())
    return _range(array.astype(np.float64).ravel(), words)


def _range(numbers: Floats, words: Mapping[str, str]) -> str:
    finite = numbers[np.isfinite(numbers)]
    nans, infinite = int(np.isnan(numbers).sum()), int(np.isinf(numbers).sum())
    parts = []
    if len(finite):
        low, high = (
            scalar(float(edge), 4).replace("-", "−") for edge in (finite.min(), finite.max())
        )
        alike = finite.min() == finite.max()
        one = words["all_equal"].format(value=written(float(finite[0])))
        parts.append(one if alike else words["range"].format(low=low, high=high))
    parts += [words["with_nan"].format(count=nans)] if nans else []
    parts += [words["with_inf"].format(count=infinite)] if infinite else []
    return words["comma"].join(parts)


def number(value: float) -> Number:
    """A number in a formula, with the digits that ``written`` shows."""
    return digits(scalar(value))


def computation(kernel: Kernel, names: Names, width: int = _WIDTH) -> str:
    """What a kernel computed, and what of it: ``x @ w1 → t2``."""
    made = names.made(kernel)
    computed = shorten_call(notation(kernel, names), width)
    return f"{computed} → {shorten(made, 24)}" if made else computed


def box_words(kernel: Kernel, names: Names, width: int) -> str:
    """What a kernel computed, in a box: as much of it as has room."""
    made, computed, operation = names.made(kernel), notation(kernel, names), spoken_name(kernel)
    first = names(kernel.outputs[0]) if made else ""
    told = (f"{computed} → {first}", computed) if made else (computed,)
    both = f"{operation} → {first}" if first != operation else ""
    short = (both, first, operation) if made else (operation,)
    fitting = (text for text in (*told, *short) if text and len(text) <= width)
    return next(fitting, shorten(operation, width))


# --- why a node does what it does ----------------------------------------------------------


def reason(story: NodeStory, words: Mapping[str, str]) -> Text:
    """Why the node passes on what it does, for a beginner.

    In the reader's words where there are some, else by the textbook's formula, else by
    PyTorch's own.
    """
    if story.node.variable:
        return runs(words["why_accumulate"], name=story.node.variable)
    if story.kernel is None:
        return runs(words["why_unknown"])
    key = f"why_{_kind(story)}"
    if key in words:
        return runs(words[key], n=_count(story))
    formulas = [text for out in story.outgoing for text in _formula(out, words)]
    if formulas:
        return (*formulas, *runs(words["why_formula"]))
    rules = "; ".join(dict.fromkeys(formula(rule) for _, rule in story.node.formula))
    return (
        runs(words["why_pytorch"], rule=shorten(rules, _RULE))
        if rules
        else runs(words["why_unknown"])
    )


def _kind(story: NodeStory) -> str:
    """Which of the reader's words fit; ``""`` for none."""
    if story.kernel is None:
        return ""
    name = operator_name(story.kernel).removesuffix("_")
    if name == "pow" and constant(story.kernel, "exponent") != 2:  # only squares are explained
        return ""
    if name in {"mul", "div"} and constant(story.kernel, "other") is not None:
        return "mul_constant" if name == "mul" else "div"
    if name == "div":
        return ""
    if name == "add" and any(out.broadcast for out in story.outgoing):
        return "add_bias"
    return _ALIKE.get(name, name)


def _count(story: NodeStory) -> int:
    """Elements that the node gathers."""
    uses = [each.value for each in story.kernel.inputs] if story.kernel else []
    sizes = [math.prod(use.spec.shape) for use in uses if isinstance(use, TensorUse)]
    return max(sizes, default=1)


def _formula(out: Outgoing, words: Mapping[str, str]) -> Text:
    """What an input gets, by the textbook."""
    if out.told is None:
        return ()
    told = substituted(out.told, lambda name: Name("g") if name.text == "G" else None)
    return runs(words["why_gets"], name=out.name, formula=Equation((told,)))
