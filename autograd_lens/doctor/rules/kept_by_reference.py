"""One object is kept again and again, and changed in between.

What it finds:
    A list or tensor that a loop appends to a collection by its name, and empties or overwrites in
    place in the same loop.

Why it is bad:
    The collection holds one object many times. All that it seems to remember is what that object
    holds now.

Evidence it needs:
    The program's text around the training loop.

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
    Names that get a new object in the loop, and copies (``steps.copy()``, ``x.clone()``).

References:
    https://docs.python.org/3/faq/programming.html
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from autograd_lens.doctor.evidence import Evidence
from autograd_lens.doctor.finding import Finding, Rule
from autograd_lens.doctor.source import Loop
from autograd_lens.trace.records import Source

RULE = Rule("AL611", "kept-by-reference", "error", "light")

_KEEPS = frozenset({"append", "appendleft"})
_IS_LIBRARY = "site-packages"


def check(evidence: Evidence) -> Iterator[Finding]:
    """Find the first object that is kept and changed."""
    source = evidence.loop
    if source is None or _IS_LIBRARY in source.file:
        return
    for loop in ast.walk(evidence.code(source).tree):
        case = _case(loop) if isinstance(loop, Loop) else None
        if case is not None:
            yield _finding(evidence, source, *case)
            return


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


def _finding(
    evidence: Evidence, source: Source, call: ast.Call, name: str, change: ast.AST
) -> Finding:
    line = getattr(change, "lineno", call.lineno)
    place = Source(source.file, line, line, -1, -1, "")
    return RULE.finding(
        title=f"`{ast.unparse(call)}` keeps the same object in every turn",
        message=f"""{name} is one object from the first turn of the loop to the last:
            `{ast.unparse(change)}` changes it, and gives it no new one. So line {call.lineno} kept
            it again and again, and all that is kept is the last one.""",
        fix=f"{name} = []  # a new one in every turn; of a tensor: append({name}.clone())",
        events=("the program's text",),
        source=place,
        line=evidence.line(place),
    )
