"""Numbers of rows are combined with columns.

What it finds:
    A tensor combined with what was folded from its own last axis without ``keepdim``: the result
    of ``x.norm(dim=1)`` has one number for each row, and PyTorch lays them along the columns. It
    goes unseen where there are as many rows as columns.

Why it is bad:
    Each row is divided by the norms of all rows; with a batch of another size the line fails.

Evidence it needs:
    A full step: the kernels with the shapes of their operands.

Example:
    z = z / z.norm(dim=1)

Corrected:
    z = z / z.norm(dim=1, keepdim=True)

When it is silent:
    Symmetric matrices, of which rows and columns are the same.

References:
    https://docs.pytorch.org/docs/stable/notes/broadcasting.html
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from autograd_lens.doctor.evidence import Evidence
from autograd_lens.doctor.finding import Finding, Rule, shape
from autograd_lens.trace.graph import TapeIndex, constant, integers, operator_name, tensors
from autograd_lens.trace.records import Kernel, TensorUse

RULE = Rule("AL412", "rows-against-columns", "error", "full")

_COMBINES = frozenset({"add", "add_", "div", "div_", "mul", "mul_", "sub", "sub_"})
_FOLDS = frozenset(
    ("amax", "amin", "linalg_vector_norm", "logsumexp", "max", "mean", "min", "norm", "std", "sum")
) | {"var"}
_BY_ELEMENT = frozenset(
    ("abs", "add", "clamp", "clamp_min", "div", "exp", "log", "mul", "neg", "pow", "reciprocal")
) | {"rsqrt", "sqrt", "sub"}
_PAIR = 2
_Case = tuple[Kernel, TensorUse, Kernel]


def check(evidence: Evidence) -> Iterator[Finding]:
    """Find the first such pair."""
    for tape in evidence.tapes:
        for kernel in tape.kernels:
            case = _case(tape, kernel) if kernel.phase == "forward" else None
            if case is not None:
                yield _finding(tape.step.index, *case)
                return


def _case(tape: TapeIndex, kernel: Kernel) -> _Case | None:
    """The kernel, the whole tensor, and what folded its last axis."""
    if operator_name(kernel) not in _COMBINES:
        return None
    pair = list(tensors(kernel.inputs))
    if len(pair) != _PAIR:
        return None
    whole, folded = sorted(pair, key=lambda use: -len(use.spec.shape))
    sizes = whole.spec.shape
    if len(sizes) < _PAIR or folded.spec.shape != sizes[:-1] or sizes[-1] != sizes[-2]:
        return None
    fold = tape.maker(folded.tensor, kernel.index)
    while fold is not None and operator_name(fold) in _BY_ELEMENT:
        fold = _first(tape, fold)
    if fold is None or operator_name(fold) not in _FOLDS or not _over_last(fold, len(sizes)):
        return None
    given = next(tensors(fold.inputs), None)
    if given is None or given.spec.shape != sizes:
        return None
    same = _origin(tape, given, fold) == _origin(tape, whole, kernel)
    return (kernel, whole, fold) if same and sizes[-1] > 1 and not _symmetric(whole) else None


def _first(tape: TapeIndex, kernel: Kernel) -> Kernel | None:
    use = next(tensors(kernel.inputs), None)
    return tape.maker(use.tensor, kernel.index) if use is not None else None


def _over_last(fold: Kernel, axes: int) -> bool:
    """Whether a kernel folds the last axis alone, and drops it."""
    over = [axis % axes for axis in integers(fold, "dim")]
    return over == [axes - 1] and not constant(fold, "keepdim")


def _origin(tape: TapeIndex, use: TensorUse, kernel: Kernel) -> int:
    """The tensor that another was computed from, number by number."""
    tensor, maker = use.tensor, tape.maker(use.tensor, kernel.index)
    while maker is not None and operator_name(maker) in _BY_ELEMENT | {"detach"}:
        given = list(tensors(maker.inputs))
        if not given or given[0].spec.shape != use.spec.shape or len(given) > 1:
            break
        tensor, maker = given[0].tensor, tape.maker(given[0].tensor, maker.index)
    return tensor


def _symmetric(use: TensorUse) -> bool:
    """Whether its rows are its columns, or that is not known."""
    if use.value is None or not use.value.complete:
        return True
    numbers = use.value.array
    turned = np.swapaxes(numbers, -1, -2)
    return bool(np.allclose(numbers, turned, rtol=1e-4, atol=1e-6, equal_nan=True))


def _finding(step: int, kernel: Kernel, whole: TensorUse, fold: Kernel) -> Finding:
    sizes, name = whole.spec.shape, operator_name(fold).removeprefix("linalg_vector_")
    return RULE.finding(
        title=f"the {name} of each row is laid along the columns",
        message=f"""In step {step}, {name} folded the last axis of a tensor of shape
            {shape(sizes)}: one number for each row. {operator_name(kernel)} combined that tensor
            with them, and PyTorch aligns the last axes: the number of row i met column i. It fits
            only because there are as many rows as columns.""",
        fix=f"x.{name}(dim=-1, keepdim=True)",
        step=step,
        events=(f"kernel {kernel.index} {kernel.op}", f"kernel {fold.index} {fold.op}"),
        source=kernel.source,
    )
