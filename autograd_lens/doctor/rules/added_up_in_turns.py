"""A parameter is added once more in every turn of a loop over samples.

What it finds:
    A chain of additions of one parameter, each to the result of the one before, as long as the
    batch: ``T = T + correction`` in a loop over the samples, so that the last sample gets it as
    many times as there are samples.

Why it is bad:
    Each sample is computed with another multiple of the parameter, by its place in the batch.

Evidence it needs:
    Two full steps: the additions, and who else reads their results.

Example:
    for i in range(len(x)):
        T = T + correction
        loss = loss + criterion(x[i] @ T, y[i])

Corrected:
    T = T + correction
    for i in range(len(x)):
        loss = loss + criterion(x[i] @ T, y[i])

When it is silent:
    Recurrences, in which something else happens in between, and chains of another length.

References:
    https://docs.python.org/3/reference/simple_stmts.html
"""

from __future__ import annotations

from collections.abc import Iterator

from autograd_lens.doctor.cases import Case, told
from autograd_lens.doctor.evidence import Evidence
from autograd_lens.doctor.finding import Finding, Rule
from autograd_lens.trace.graph import TapeIndex, operator_name, tensors
from autograd_lens.trace.records import Kernel

RULE = Rule("AL435", "added-up-in-turns", "error", "full")

_FEWEST = 4
_PAIR = 2


def check(evidence: Evidence) -> Iterator[Finding]:
    """Find the first such chain."""
    yield from told(RULE, evidence, lambda tape: [_case(tape)], fewest=_PAIR)


def _case(tape: TapeIndex) -> Case | None:
    made: dict[int, tuple[Kernel, str, int]] = {}  # result -> its addition, what, how many times
    for kernel in tape.kernels:
        pair = list(tensors(kernel.inputs)) if operator_name(kernel) == "add" else []
        names = [use.spec.name for use in pair if use.spec.role == "parameter"]
        if kernel.phase != "forward" or len(pair) != _PAIR or len(names) != 1:
            continue
        before = next((made[use.tensor] for use in pair if use.tensor in made), None)
        same = before is not None and before[1] == names[0] and _line(before[0]) == _line(kernel)
        times = before[2] + 1 if same and before is not None else 1
        made[kernel.outputs[0].tensor] = kernel, names[0], times
    if not made:
        return None
    kernel, name, times = max(made.values(), key=lambda one: one[2])
    if times < _FEWEST or times not in _batches(tape) or not _read(tape, made):
        return None
    return Case(
        kernel,
        f"{name} is added {times} times, once more for each sample",
        f"""{name} was added {times} times at this line, each time to the result of the time before,
        and there are {times} samples: the first is computed with it once, the last {times}
        times""",
        "# add it once, in front of the loop",
    )


def _line(kernel: Kernel) -> tuple[str, int]:
    return (kernel.source.file, kernel.source.line) if kernel.source else ("", 0)


def _batches(tape: TapeIndex) -> set[int]:
    """Rows that data have."""
    return {
        use.spec.shape[0]
        for kernel in tape.kernels
        for use in (*tensors(kernel.inputs), *kernel.outputs)
        if use.spec.shape and use.spec.role in ("input", "intermediate")
    }


def _read(tape: TapeIndex, made: dict[int, tuple[Kernel, str, int]]) -> bool:
    """Whether the sums in between are read by something else than the next sum."""
    return all(len(tape.readers(tensor)) > 1 for tensor in list(made)[:-1])
