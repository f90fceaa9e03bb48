"""Numbers that were different are the same after a change of their type.

What it finds:
    Positions or other whole numbers that half precision cannot tell apart, or a table that was
    made from such; fractions that a cast
    to integers makes one single number; sums and differences of small integers that run over
    the end of their type and come back at the other.

Why it is bad:
    What was different is the same for all that follows, or bright is dark.

Evidence it needs:
    Full steps: what the kernel was given, and what came of it.

Example:
    position = torch.arange(length).to(torch.bfloat16)

Corrected:
    position = torch.arange(length, dtype=torch.float32)

When it is silent:
    Values that were not kept, casts after which more than one number is left, and whole numbers
    that half precision holds.

References:
    https://docs.pytorch.org/docs/stable/tensor_attributes.html
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

import numpy as np

from autograd_lens.doctor.cases import Case, told
from autograd_lens.doctor.evidence import Evidence, of_a_library
from autograd_lens.doctor.finding import Finding, Rule, number
from autograd_lens.doctor.source import assignments
from autograd_lens.trace.graph import TapeIndex, operator_name, tensors
from autograd_lens.trace.records import Kernel, Source, TensorUse
from autograd_lens.trace.values import Value

RULE = Rule("AL308", "numbers-collapse", "error", "full", explains=("AL302",))

_HALVES = frozenset({"float16", "bfloat16"})
_SMALL = {"uint8": (0, 255), "int8": (-128, 127), "int16": (-32768, 32767)}
_LOST = 0.05  # of the different numbers
_FEWEST = 16  # different numbers
_MATRIX = 2
_TOLD = 256  # rows
_SAME = 0.2  # of the rows
_CHOICES = frozenset(
    {"embedding", "gather", "index", "index_select", "nll_loss_forward", "scatter"}
)
_ARITHMETIC = {"add": np.add, "sub": np.subtract, "mul": np.multiply}


def check(evidence: Evidence) -> Iterator[Finding]:
    """Find the first such kernel of each kind."""
    fewest = min(2, len(evidence.tapes))
    yield from told(RULE, evidence, lambda tape: map(_whole, tape.kernels))
    yield from told(RULE, evidence, lambda tape: map(_wrapped, tape.kernels))
    yield from told(RULE, evidence, lambda tape: map(_repeats, tape.kernels))
    yield from _bytes_subtracted(evidence)
    yield from told(
        RULE, evidence, lambda tape: (_cut(tape, k) for k in tape.kernels), fewest=fewest
    )


def _whole(kernel: Kernel) -> Case | None:
    """Whole numbers in half precision."""
    made = kernel.outputs[0] if kernel.outputs else None
    if kernel.phase != "forward" or kernel.requires_grad or made is None:
        return None
    if made.spec.dtype not in _HALVES or operator_name(kernel) not in ("_to_copy", "arange"):
        return None
    given = next(tensors(kernel.inputs), None)
    before = _numbers(given.value) if given is not None else None
    after = _numbers(made.value)
    if after is None or (given is not None and before is None):
        return None
    count = after.size if before is None else np.unique(before).size
    if before is not None and not np.array_equal(before, np.round(before)):
        return None
    left = np.unique(after).size
    if count < _FEWEST or left > (1 - _LOST) * count:
        return None
    return Case(
        kernel,
        f"{made.spec.dtype} cannot tell these whole numbers apart",
        f"""{operator_name(kernel).strip("_")} gave whole numbers up to
        {number(float(np.abs(after).max()))} the type {made.spec.dtype}, which cannot tell
        neighbours apart beyond {256 if made.spec.dtype == "bfloat16" else 2048}: of {count}
        different ones {left} are left""",
        "torch.arange(length, dtype=torch.float32)  # half precision afterwards",
    )


def _repeats(kernel: Kernel) -> Case | None:
    """A table in half precision that is looked up, and whose neighbours are the same."""
    looks = operator_name(kernel) in ("index", "embedding", "slice", "index_select")
    table = next(tensors(kernel.inputs), None) if looks and not kernel.requires_grad else None
    if table is None or table.spec.dtype not in _HALVES or len(table.spec.shape) != _MATRIX:
        return None
    rows = _numbers(table.value)
    if rows is None or len(rows) <= _TOLD or not rows.any():
        return None
    same = (rows[1:] == rows[:-1]).all(1)
    if float(same.mean()) < _SAME or same[: _TOLD // 4].any():
        return None
    return Case(
        kernel,
        f"a table in {table.spec.dtype} does not tell neighbours apart",
        f"""{int(same.sum())} of {len(rows)} rows of the table that is looked up are those in front
        of them, the first after {int(same.argmax())}: what it was made from was counted in a type
        that cannot tell neighbours apart beyond {256 if "b" in table.spec.dtype else 2048}""",
        "torch.arange(length, dtype=torch.float32)  # half precision afterwards",
    )


def _bytes_subtracted(evidence: Evidence) -> Iterator[Finding]:
    """A difference of two arrays that the program keeps as unsigned bytes, by their names."""
    source = evidence.loop
    if source is None or of_a_library(source):
        return
    tree = evidence.code(source).tree
    kept: dict[str, list[bool]] = {}
    for node in ast.walk(tree):
        for target, value in assignments(node):
            if isinstance(target, ast.Name):
                kept.setdefault(target.id, []).append(bool(_BYTES.search(ast.unparse(value))))
    small = {name for name, found in kept.items() if all(found)}
    for node in ast.walk(tree):
        if not isinstance(node, ast.BinOp) or not isinstance(node.op, ast.Sub):
            continue
        sides = [one.id for one in (node.left, node.right) if isinstance(one, ast.Name)]
        if len(sides) == _MATRIX and small.issuperset(sides):
            yield RULE.finding(
                title=f"{ast.unparse(node)} is a difference of unsigned bytes",
                message=f"""{sides[0]} and {sides[1]} are kept as uint8, in which nothing is below
                    0: where `{ast.unparse(node)}` would be -1 it is 255, and dark is bright.""",
                fix=f"{sides[0]}.astype(np.float32) - {sides[1]}",
                events=("the program's text",),
                source=Source.at(source.file, node.lineno),
            )
            return


_BYTES = re.compile(
    r"(\.astype\(|\.to\(|\.type\(|dtype=)(np\.|torch\.|numpy\.)?['\"]?uint8['\"]?\)$|\.byte\(\)$"
)


def _wrapped(kernel: Kernel) -> Case | None:
    """Small integers that run over the end of their type."""
    made = kernel.outputs[0] if kernel.outputs else None
    compute = _ARITHMETIC.get(operator_name(kernel).rstrip("_"))
    limits = _SMALL.get(made.spec.dtype) if made is not None else None
    if compute is None or limits is None or made is None or kernel.phase != "forward":
        return None
    sides = [_operand(one.value) for one in kernel.inputs[:2]]
    after = _numbers(made.value)
    if len(sides) < 2 or sides[0] is None or sides[1] is None or after is None:
        return None
    true = compute(sides[0], sides[1])
    over = (true < limits[0]) | (true > limits[1])
    if true.shape != after.shape or not over.any() or not _differs(true, after):
        return None
    return Case(
        kernel,
        f"{operator_name(kernel)} of {made.spec.dtype} runs over its end",
        f"""{int(over.sum())} of {over.size} results of {operator_name(kernel)} lie outside of
        {limits[0]} to {limits[1]}, which is all that {made.spec.dtype} holds, and came back at the
        other end: {number(float(true[over][0]))} became {number(float(after[over][0]))}""",
        "x.float()  # before the arithmetic",
    )


def _differs(true: np.ndarray, after: np.ndarray) -> bool:
    return bool((true != after).any())


def _operand(given: object) -> np.ndarray | None:
    """An operand in numbers wide enough for the true result."""
    if isinstance(given, TensorUse):
        array = _numbers(given.value)
        return None if array is None else array.astype(np.int64)
    one = getattr(given, "value", None)
    return np.asarray(one) if isinstance(one, int) else None


def _cut(tape: TapeIndex, kernel: Kernel) -> Case | None:
    """Fractions of which a cast to integers leaves one number, which is looked up."""
    made = kernel.outputs[0] if kernel.outputs else None
    if operator_name(kernel) != "_to_copy" or kernel.phase != "forward" or made is None:
        return None
    given = next(tensors(kernel.inputs), None)
    before = _numbers(given.value) if given is not None else None
    after = _numbers(made.value)
    if before is None or after is None or after.dtype.kind not in "iu" or before.dtype.kind != "f":
        return None
    if np.unique(before).size < _FEWEST or np.unique(after).size > 1:
        return None
    if not _looked_up(tape, made.tensor):
        return None
    return Case(
        kernel,
        f"a cast to {made.spec.dtype} leaves one single number",
        f"""the numbers from {number(float(before.min()))} to {number(float(before.max()))} are all
        {number(float(after.ravel()[0]))} in {made.spec.dtype}: fractions are cut off""",
        "(x * bins).long()  # scaled before it is cut",
    )


def _looked_up(tape: TapeIndex, tensor: int) -> bool:
    """Whether integers choose rows, or are compared with scores."""
    return any(operator_name(one) in _CHOICES for one in tape.readers(tensor))


def _numbers(value: Value | None) -> np.ndarray | None:
    if value is None or not value.complete or not value.numel:
        return None
    try:
        array = value.array
    except (TypeError, ValueError):
        return None
    return array.astype(np.float32) if array.dtype.kind not in "iufb" else array
