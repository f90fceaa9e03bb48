"""One object is kept again and again, and changed in between.

What it finds:
    A list or tensor that a loop appends to a collection by its name, and empties or overwrites in
    place in the same loop; a list of tensors that holds one tensor many times when it is stacked,
    as where an environment hands out its own state.

Why it is bad:
    The collection holds one object many times. All that it seems to remember is what that object
    holds now.

Evidence it needs:
    The program's text around the training loop; a full step that stacks a list.

Example:
    for episode in range(100):
        steps.clear()
        play(steps)
        memory.append(steps)

Corrected:
    for episode in range(100):
        steps = []
        play(steps)
        memory.append(steps)

When it is silent:
    Names that get a new object in the loop, copies (``steps.copy()``, ``x.clone()``), and lists
    that are written down as one (``[x] * 3``).

References:
    https://docs.python.org/3/faq/programming.html
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from autograd_lens.doctor.evidence import Evidence, of_a_library
from autograd_lens.doctor.finding import Finding, Rule
from autograd_lens.doctor.source import Loop, called
from autograd_lens.trace.graph import operator_name, tensors
from autograd_lens.trace.records import Kernel, Source

RULE = Rule("AL611", "kept-by-reference", "error", "light")

_STACKS = frozenset({"stack", "cat"})
_FEWEST = 3
_KEEPS = frozenset({"append", "appendleft"})


def check(evidence: Evidence) -> Iterator[Finding]:
    """Find the first object that is kept and changed."""
    source = evidence.loop
    if source is None or of_a_library(source):
        return
    for loop in ast.walk(evidence.code(source).tree):
        case = _case(loop) if isinstance(loop, Loop) else None
        if case is not None:
            yield _finding(source, *case)
            return
    for step in evidence.full:
        for kernel in step.kernels:
            stacked = _stacked(evidence, kernel)
            if stacked:
                yield _of_one(evidence, step.index, kernel, stacked)
                return


def _stacked(evidence: Evidence, kernel: Kernel) -> str:
    """The list that was filled one by one, and of which a kernel got one tensor many times."""
    given = list(tensors(kernel.inputs)) if operator_name(kernel) in _STACKS else []
    if len(given) < _FEWEST or len({use.tensor for use in given}) > 1:
        return ""
    source = kernel.source
    statement = evidence.code(source).statement(source.line) if source is not None else None
    for call in ast.walk(statement) if statement is not None else ():
        if not isinstance(call, ast.Call) or source is None or called(call) not in _STACKS:
            continue
        if (call.lineno, call.col_offset) == (source.line, source.column) and call.args:
            name = ast.unparse(call.args[0])
            kept = f"{name}.append("
            if name.replace(".", "").isidentifier() and kept in _text(evidence, source):
                return name
    return ""


def _text(evidence: Evidence, source: Source | None) -> str:
    return (evidence.trace.source(source.file) or "") if source is not None else ""


def _of_one(evidence: Evidence, step: int, kernel: Kernel, name: str) -> Finding:
    count = len(list(tensors(kernel.inputs)))
    line = next(
        (
            node.lineno
            for node in ast.walk(evidence.code(kernel.source).tree)
            if isinstance(node, ast.Call) and ast.unparse(node.func) == f"{name}.append"
        ),
        0,
    )
    source = kernel.source
    place = Source.at(source.file, line) if source is not None else None
    return RULE.finding(
        title=f"{name} holds one tensor {count} times",
        message=f"""In step {step}, {operator_name(kernel)} was given {count} tensors out of
            {name}, and all of them are one and the same: whoever made it wrote into it again and
            again. All that is kept is its last state.""",
        fix=f"{name}.append(x.clone())  # a copy of what it holds now",
        step=step,
        kernel=kernel,
        source=place,
    )


def _case(loop: ast.AST) -> tuple[ast.Call, str, ast.AST] | None:
    """The call that keeps an object, its name, and what changes it."""
    stored = {
        node.id
        for node in ast.walk(loop)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
    }
    for call in ast.walk(loop):
        name = _kept(call)
        if not name or name in stored or not isinstance(call, ast.Call):
            continue
        change = next((node for node in ast.walk(loop) if _changes(node, name)), None)
        if change is not None:
            return call, name, change
    return None


def _kept(node: ast.AST) -> str:
    """``x`` for ``memory.append(x)``, else ``""``."""
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
        return ""
    alone = len(node.args) == 1 and isinstance(node.args[0], ast.Name)
    first = node.args[0] if alone else None
    return first.id if node.func.attr in _KEEPS and isinstance(first, ast.Name) else ""


def _changes(node: ast.AST, name: str) -> bool:
    """Whether a statement empties an object or overwrites all of it."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        own = ast.unparse(node.func.value) == name
        method = node.func.attr
        writes = method.endswith("_") and not method.startswith(("_", "requires_grad"))
        return own and (method == "clear" or writes)
    target = node.targets[0] if isinstance(node, ast.Assign | ast.Delete) else None
    whole = isinstance(target, ast.Subscript) and isinstance(target.slice, ast.Slice)
    return whole and isinstance(target, ast.Subscript) and ast.unparse(target.value) == name


def _finding(source: Source, call: ast.Call, name: str, change: ast.AST) -> Finding:
    line = getattr(change, "lineno", call.lineno)
    place = Source.at(source.file, line)
    return RULE.finding(
        title=f"`{ast.unparse(call)}` keeps the same object in every turn",
        message=f"""{name} is one object from the first turn of the loop to the last:
            `{ast.unparse(change)}` changes it, and gives it no new one. So line {call.lineno} kept
            it again and again, and all that is kept is the last one.""",
        fix=f"{name} = []  # a new one in every turn; of a tensor: append({name}.clone())",
        events=("the program's text",),
        source=place,
    )
