"""A batch is scaled in place before its partners are read from it.

What it finds:
    ``x.mul_(a)``, and then rows of the same x in another order that are scaled by ``1 - a`` and
    added: the partners were scaled by a already.

Why it is bad:
    The mixture is ``a * x + (1 - a) * a * partner``: darker than it should be, and not what the
    labels are mixed by.

Evidence it needs:
    A full step: the kernels and their factors.

Example:
    x.mul_(lam).add_((1 - lam) * x.flip(0))

Corrected:
    x = lam * x + (1 - lam) * x.flip(0)

When it is silent:
    Partners that are read first, and factors that do not add up to 1.

References:
    https://arxiv.org/abs/1710.09412
"""

from __future__ import annotations

from collections.abc import Iterator

from autograd_lens.doctor.cases import Case, told
from autograd_lens.doctor.evidence import Evidence
from autograd_lens.doctor.finding import Finding, Rule
from autograd_lens.doctor.terms import factor
from autograd_lens.trace.graph import TapeIndex, operator_name, tensors
from autograd_lens.trace.records import Kernel

RULE = Rule("AL617", "partner-scaled", "error", "full")

_ORDERS = frozenset({"flip", "index", "index_select", "roll"})
_SCALES = frozenset({"mul", "mul_"})
_ROUNDING = 1e-4


def check(evidence: Evidence) -> Iterator[Finding]:
    """Find the first such mixture."""
    yield from told(RULE, evidence, lambda tape: (_case(tape, one) for one in tape.kernels))


def _case(tape: TapeIndex, kernel: Kernel) -> Case | None:
    share = factor(kernel) if operator_name(kernel) == "mul_" else None
    target = next(tensors(kernel.inputs), None)
    if share is None or target is None or kernel.phase != "forward" or not 0 < share < 1:
        return None
    for reader in tape.readers(target.tensor):
        if reader.index <= kernel.index or operator_name(reader) not in _ORDERS:
            continue
        for scaled in tape.readers(reader.outputs[0].tensor):
            rest = factor(scaled) if operator_name(scaled) in _SCALES else None
            if rest is None or abs(share + rest - 1) > _ROUNDING:
                continue
            adds = tape.readers(scaled.outputs[0].tensor)
            if any(operator_name(one) in ("add", "add_") for one in adds):
                return Case(
                    reader,
                    "the partners of a mixture were scaled already",
                    f"""rows of a batch are taken in another order and multiplied by {rest:.4g}, to
                    be added to the batch, which had been multiplied by {share:.4g} in place before:
                    the partners count {rest * share:.4g} times""",
                    "x = lam * x + (1 - lam) * x.flip(0)  # nothing in place",
                )
    return None
