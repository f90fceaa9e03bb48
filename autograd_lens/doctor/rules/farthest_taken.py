"""The entry that is farthest from a row is taken for the nearest.

What it finds:
    A table whose entries are looked up by the place of a maximum or a minimum, where nearly all
    rows get the entry that is farthest from them.

Why it is bad:
    Codes are to stand for what is near them: so nothing is told apart, and rows and codes are
    pulled together across the whole space.

Evidence it needs:
    A full step: the rows, the table and the places that were looked up.

Example:
    code = torch.cdist(z, table.weight).argmax(1)

Corrected:
    code = torch.cdist(z, table.weight).argmin(1)

When it is silent:
    Tables with few entries, rows of which the entry that was chosen is not the farthest, and
    values that were not kept.

References:
    https://arxiv.org/abs/1711.00937
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from autograd_lens.doctor.cases import Case, told
from autograd_lens.doctor.evidence import Evidence
from autograd_lens.doctor.finding import Finding, Rule
from autograd_lens.trace.graph import TapeIndex, operator_name, tensors
from autograd_lens.trace.records import Kernel, TensorUse

RULE = Rule("AL446", "farthest-taken", "error", "full", explains=("AL405",))

_ENTRIES = 4
_ROWS = 8
_NEARLY = 0.9
_MATRIX = 2
_CHOOSES = frozenset({"argmax", "argmin", "max", "min", "topk"})


def check(evidence: Evidence) -> Iterator[Finding]:
    """Find the first such table."""
    yield from told(RULE, evidence, lambda tape: (_case(tape, one) for one in tape.kernels))


def _case(tape: TapeIndex, kernel: Kernel) -> Case | None:
    given = (
        list(tensors(kernel.inputs))[:2] if operator_name(kernel) in ("embedding", "index") else []
    )
    if len(given) < 2 or kernel.phase != "forward":
        return None
    table, places = given
    chooser = tape.through_views(places.tensor, kernel.index)
    if chooser is None or operator_name(chooser) not in _CHOOSES:
        return None
    entries, chosen = _array(table), _array(places)
    if entries is None or chosen is None or entries.ndim != _MATRIX or len(entries) < _ENTRIES:
        return None
    scores = next(tensors(chooser.inputs))
    for row in _rows(tape, scores, chooser, chosen.size, entries.shape[1]):
        apart = np.square(row[:, None] - entries[None]).sum(-1)
        if float(np.mean(apart.argmax(1) == chosen.ravel())) > _NEARLY:
            return Case(
                chooser,
                "the farthest entry of a table is taken for the nearest",
                f"""{operator_name(chooser)} chose the entry of the table for each of
                {chosen.size} rows, and that is the one that is farthest from it""",
                "chosen = distances.argmin(1)",
            )
    return None


def _rows(
    tape: TapeIndex, scores: TensorUse, chooser: Kernel, count: int, width: int
) -> Iterator[np.ndarray]:
    """What was compared with the table: as many rows as were chosen for, as wide as its entries."""
    for kernel in tape.ancestors(scores.tensor, chooser.index) if count >= _ROWS else ():
        if operator_name(kernel) in ("mm", "addmm", "_cdist_forward", "_euclidean_dist", "sub"):
            for use in tensors(kernel.inputs):
                array = _array(use)
                if array is not None and array.size == count * width and array.shape[-1] == width:
                    yield array.reshape(count, width)


def _array(use: TensorUse) -> np.ndarray | None:
    known = use.value is not None and use.value.complete and use.value.numel > 0
    return use.value.array if known and use.value is not None else None
