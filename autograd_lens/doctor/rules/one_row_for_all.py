"""One row of a table is laid over a whole axis: a colon is missing.

What it finds:
    The row of a table whose number is the length of the sequence, added to all places of that
    sequence: ``pe[:, n]`` where ``pe[:, :n]`` was meant.

Why it is bad:
    Every place gets the same code, and the model cannot tell one from another.

Evidence it needs:
    A full step: which row was picked, and the axis that it was stretched over.

Example:
    x = x + self.pe[:, x.shape[1]]

Corrected:
    x = x + self.pe[:, : x.shape[1]]

When it is silent:
    Rows of another number, as a decoder adds one at a time.

References:
    https://docs.pytorch.org/docs/stable/notes/broadcasting.html
"""

from __future__ import annotations

from collections.abc import Iterator

from autograd_lens.doctor.cases import Case, told
from autograd_lens.doctor.evidence import Evidence
from autograd_lens.doctor.finding import Finding, Rule, shape
from autograd_lens.trace.graph import TapeIndex, argument, constant, operator_name, tensors
from autograd_lens.trace.records import Kernel, TensorUse

RULE = Rule("AL425", "one-row-for-all", "error", "full")

_FEWEST = 3  # places of a sequence
_PAIR = 2


def check(evidence: Evidence) -> Iterator[Finding]:
    """Find such sums."""
    yield from told(RULE, evidence, lambda tape: (_case(tape, one) for one in tape.kernels))


def _case(tape: TapeIndex, kernel: Kernel) -> Case | None:
    pair = list(tensors(kernel.inputs)) if operator_name(kernel) in ("add", "add_") else []
    for row, whole in (pair, pair[::-1]) if len(pair) == _PAIR and kernel.requires_grad else ():
        picked = _picked(tape, row, kernel)
        if picked is None or len(whole.spec.shape) <= _PAIR:
            continue
        table, number = picked
        places = whole.spec.shape[-_PAIR]
        longer = any(size > number for size in table.spec.shape)
        one = len(row.spec.shape) < _PAIR or row.spec.shape[-_PAIR] == 1
        if longer and number == places >= _FEWEST and one:
            return Case(
                kernel,
                "one row of a table is added to every place",
                f"""row {number} of a table of shape {shape(table.spec.shape)} is added to all
                {places} places of {shape(whole.spec.shape)}; its number is the number of the
                places, as if the first {places} rows had been meant""",
                "x + table[:, : x.shape[1]]  # a slice, not an index",
            )
    return None


def _picked(tape: TapeIndex, row: TensorUse, before: Kernel) -> tuple[TensorUse, int] | None:
    """The table that a row was picked from, and its number."""
    maker = tape.maker(row.tensor, before.index)
    while maker is not None and operator_name(maker) in ("slice", "unsqueeze", "view", "expand"):
        base = next(tensors(maker.inputs))
        maker = tape.maker(base.tensor, maker.index)
    if maker is None or operator_name(maker) != "select":
        return None
    number, dim = constant(maker, "index"), constant(maker, "dim")
    table = _table(tape, argument(maker, "self"), maker)
    if table is None or number is None or dim is None:
        return None
    return table, int(number)


def _table(tape: TapeIndex, use: TensorUse | None, before: Kernel) -> TensorUse | None:
    """What a view shows, where the step was given it, as a buffer or a parameter."""
    while use is not None and (maker := tape.maker(use.tensor, before.index)) is not None:
        if operator_name(maker) not in ("slice", "unsqueeze", "view", "alias"):
            return None
        use, before = next(tensors(maker.inputs), None), maker
    return use
