"""Inputs and targets are other samples.

What it finds:
    Inputs that are drawn by one list of rows, and targets that are drawn by another; inputs that
    are mixed in the order of one random permutation, and targets in that of another.

Why it is bad:
    The model is told the answers of other samples: it can learn nothing but their mean.

Evidence it needs:
    Full steps in which the program picks rows itself: the row numbers.

Example:
    loss = criterion(model(x[torch.randperm(n)[:k]]), y[torch.randperm(n)[:k]])

Corrected:
    rows = torch.randperm(n)[:k]
    loss = criterion(model(x[rows]), y[rows])

When it is silent:
    Predictions that go back to the targets' rows as well, as with mixed samples; targets that are
    all so many rows behind, as in a forecast.

References:
    https://docs.pytorch.org/docs/stable/data.html
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from autograd_lens.doctor.evidence import Evidence
from autograd_lens.doctor.finding import Finding, Rule
from autograd_lens.doctor.tape import LOSSES
from autograd_lens.trace.graph import TapeIndex, operator_name, tensors
from autograd_lens.trace.records import Kernel, Step, TensorUse

RULE = Rule("AL409", "rows-apart", "error", "full")

_FEWEST_STEPS = 2
_FEWEST_ROWS = 4
_MORE_LOSSES = frozenset({"mul", "sub"})  # of a cross-entropy with soft targets, and by hand
_TAKES = frozenset({"index", "index_select"})
_PAIR = 2


@dataclass(frozen=True, slots=True)
class _Pick:
    """Rows that were picked.

    Attributes:
        base: Id of what they were picked from.
        count: How many rows that has.
        rows: Their numbers.
    """

    base: int
    count: int
    rows: npt.NDArray[np.int64]

    def fits(self, other: _Pick) -> bool:
        """Whether both pick as many from data of the same length."""
        return self.count == other.count and len(self.rows) == len(other.rows)

    def follows(self, other: _Pick) -> bool:
        """Whether these are the same rows, or all so many behind, or of the same data."""
        apart = set((self.rows - other.rows).tolist())
        return len(apart) == 1 or self.base == other.base


def check(evidence: Evidence) -> Iterator[Finding]:
    """Find losses that compare different rows."""
    found = [(step, place) for step in evidence.full if (place := _apart(step)) is not None]
    mixed = [(step, two) for step in evidence.full if (two := _two_orders(step)) is not None]
    if mixed and len(found) < _FEWEST_STEPS:
        yield _in_two_orders(evidence, mixed[0][0], *mixed[0][1])
    if len(found) >= _FEWEST_STEPS:
        step, kernel = found[0]
        yield RULE.finding(
            title="inputs and targets come from different rows",
            message=f"""In step {step.index}, `{evidence.line(kernel.source)}` picks the targets
                by other row numbers than those the inputs were picked by, from data with as many
                rows. It is so in {len(found)} steps.""",
            fix="rows = torch.randperm(n)[:k]  # once, for x[rows] and y[rows]",
            step=step.index,
            kernel=kernel,
        )


def _apart(step: Step) -> Kernel | None:
    """The kernel that picks a loss's targets by rows that no input was picked by."""
    tape = TapeIndex(step)
    for kernel in step.kernels:
        given = list(tensors(kernel.inputs))[:2]
        if operator_name(kernel) not in LOSSES or kernel.requires_grad is not True:
            continue
        target = tape.through_views(given[-1].tensor, kernel.index)
        wanted = _pick(target) if target is not None else None
        if wanted is None or len(wanted.rows) < _FEWEST_ROWS:
            continue
        behind = map(_pick, tape.ancestors(given[0].tensor, kernel.index))
        inputs = [pick for pick in behind if pick is not None and pick.fits(wanted)]
        if inputs and not any(one.follows(wanted) for one in inputs):
            return target
    return None


def _two_orders(step: Step) -> tuple[Kernel, Kernel] | None:
    """The kernels that took rows of inputs and of targets, each by a permutation of its own."""
    tape = TapeIndex(step)
    if sum(operator_name(kernel) == "randperm" for kernel in step.kernels) < _PAIR:
        return None
    for kernel in step.kernels:
        sides = list(tensors(kernel.inputs))[:_PAIR]
        carried = [side.tensor in tape.differentiable for side in sides]
        compares = operator_name(kernel) in LOSSES | _MORE_LOSSES and kernel.phase == "forward"
        if not compares or sorted(carried) != [False, True]:
            continue
        model, other = sides if carried[0] else reversed(sides)
        mine, theirs = _orders(tape, model, kernel), _orders(tape, other, kernel)
        own, foreign = mine.keys() - theirs.keys(), theirs.keys() - mine.keys()
        if own and foreign:
            return mine[min(own)], theirs[min(foreign)]
    return None


def _orders(tape: TapeIndex, side: TensorUse, kernel: Kernel) -> dict[int, Kernel]:
    """The permutations that rows behind a tensor were taken by -> the kernel that took them."""
    found: dict[int, Kernel] = {}
    for one in tape.ancestors(side.tensor, kernel.index):
        given = list(tensors(one.inputs)) if operator_name(one) in _TAKES else []
        if len(given) != _PAIR or one.requires_grad:
            continue
        order = tape.through_views(given[1].tensor, one.index)
        whole = given[1].spec.shape == given[0].spec.shape[:1]
        if order is not None and operator_name(order) == "randperm" and whole:
            found[order.index] = one
    return found


def _in_two_orders(evidence: Evidence, step: Step, mine: Kernel, theirs: Kernel) -> Finding:
    return RULE.finding(
        title="inputs and targets are in two different orders",
        message=f"""In step {step.index}, rows of what the model was given were taken by one random
            permutation (`{evidence.line(mine.source).strip()}`), and rows of what its result is
            compared with by another one (`{evidence.line(theirs.source).strip()}`): each sample
            has the label of some other sample.""",
        fix="order = torch.randperm(n)  # one, for both",
        step=step.index,
        events=(f"kernel {mine.index} {mine.op}", f"kernel {theirs.index} {theirs.op}"),
        source=theirs.source,
    )


def _pick(kernel: Kernel) -> _Pick | None:
    """What an ``x[rows]`` picks, where x is data and the rows are known."""
    given = list(tensors(kernel.inputs))
    if operator_name(kernel) != "index" or kernel.requires_grad or len(given) != 2:  # data and rows
        return None
    base, rows = given
    known = rows.value is not None and rows.value.complete and len(rows.spec.shape) == 1
    whole = known and rows.value is not None and rows.value.array.dtype.kind == "i"
    if not whole or rows.value is None or not base.spec.shape:
        return None
    return _Pick(base.tensor, base.spec.shape[0], rows.value.array)
