"""Two names for one tensor: what changes the one in place changes the other.

What it finds:
    A variable that is another one under a second name, or a view of it, which is changed in
    place, while the first name is read afterwards as if it still held the old numbers. A setting
    of the data set of one part of a random split, which is that of all parts.

Why it is bad:
    The clean target is as noisy as the input, what was kept of an old state is the new one.

Evidence it needs:
    The program's text, and the in-place kernel of the line in a full step.

Example:
    noisy = clean
    noisy += 0.5 * torch.randn_like(clean)
    loss = loss_fn(model(noisy), clean)

Corrected:
    noisy = clean + 0.5 * torch.randn_like(clean)
    loss = loss_fn(model(noisy), clean)

When it is silent:
    Names of which the first is not read behind the change, copies, and loops that fill a view.

References:
    https://docs.pytorch.org/docs/stable/tensor_view.html
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from autograd_lens.doctor.evidence import Evidence, of_a_library
from autograd_lens.doctor.finding import Finding, Rule
from autograd_lens.doctor.source import called
from autograd_lens.trace.graph import operator_name, writes_in_place
from autograd_lens.trace.records import Source

RULE = Rule("AL449", "alias-changed", "error", "full")

_SHARING = frozenset({"detach", "view", "view_as", "numpy", "squeeze", "unsqueeze", "t", "reshape"})
_WRITES = frozenset({"copy_", "fill_", "index_put_", "masked_fill_"})


def check(evidence: Evidence) -> Iterator[Finding]:
    """Find the first such change."""
    source = evidence.loop
    if source is None or of_a_library(source):
        return
    yield from _shared_data(evidence, source)
    ran = {
        kernel.source.line
        for step in evidence.full
        for kernel in step.kernels
        if kernel.source is not None
        and kernel.source.file == source.file
        and (writes_in_place(kernel) or operator_name(kernel) in _WRITES)
        and not kernel.requires_grad
    }
    for block in ast.walk(evidence.code(source).tree):
        body = getattr(block, "body", None)
        for alias, base, change in _changes(body) if isinstance(body, list) else ():
            if change.lineno in ran:
                yield RULE.finding(
                    title=f"{base} changes with {alias}, which is another name for it",
                    message=f"""`{ast.unparse(change)}` changes {alias} in place, and {alias} is
                        {base} itself: what reads {base} afterwards gets the changed numbers.""",
                    fix=f"{alias} = {base}.clone()",
                    events=("the program's text",),
                    source=Source.at(source.file, change.lineno),
                )
                return


def _shared_data(evidence: Evidence, source: Source) -> Iterator[Finding]:
    """An attribute of one part's data set, which all parts of a split have in common."""
    tree = evidence.code(source).tree
    parts = {
        ast.unparse(part)
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign)
        and isinstance(node.value, ast.Call)
        and called(node.value) == "random_split"
        and isinstance(node.targets[0], ast.Tuple)
        for part in node.targets[0].elts
    }
    own = {ast.unparse(t) for n in ast.walk(tree) if isinstance(n, ast.Assign) for t in n.targets}
    for node in ast.walk(tree):
        target = node.targets[0] if isinstance(node, ast.Assign) else None
        owner, _, rest = ast.unparse(target).partition(".dataset.") if target else ("", "", "")
        if target is not None and rest and owner in parts and f"{owner}.dataset" not in own:
            yield RULE.finding(
                title=f"{owner}.dataset is the data set of all parts",
                message=f"""random_split() gives parts that refer to one data set:
                    `{ast.unparse(node)}` sets {rest} for all of them.""",
                fix=f"{owner}.dataset = copy.copy({owner}.dataset)  # its own, then",
                events=("the program's text",),
                source=Source.at(source.file, target.lineno),
            )
            return


def _changes(body: list[ast.stmt]) -> Iterator[tuple[str, str, ast.stmt]]:
    """A second name, the first one, and the statement that changes it, in one block."""
    shared: dict[str, str] = {}
    for place, statement in enumerate(body):
        target = statement.targets[0] if isinstance(statement, ast.Assign) else None
        if isinstance(target, ast.Name) and isinstance(statement, ast.Assign):
            base = _base(statement.value)
            shared = {alias: one for alias, one in shared.items() if target.id not in (alias, one)}
            if base and base != target.id:
                shared[target.id] = base
            continue
        if isinstance(statement, ast.If | ast.For | ast.While | ast.With | ast.Try):
            bound = {
                node.id
                for node in ast.walk(statement)
                if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
            }
            shared = {alias: one for alias, one in shared.items() if not bound & {alias, one}}
            continue
        changed = _changed(statement)
        base = shared.get(changed, "")
        if base and _read_next(body[place + 1 :], base):
            yield changed, base, statement


def _base(value: ast.expr) -> str:
    """The variable that an expression is, or is a view of; ``""`` for others."""
    while isinstance(value, ast.Call) and isinstance(value.func, ast.Attribute):
        if called(value) not in _SHARING:
            return ""
        value = value.func.value
    return value.id if isinstance(value, ast.Name) else ""


def _changed(statement: ast.stmt) -> str:
    """The variable that a statement changes in place."""
    target: ast.expr | None = None
    if isinstance(statement, ast.AugAssign):
        target = statement.target
        target = target.value if isinstance(target, ast.Subscript) else target
    elif isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Subscript):
        target = statement.targets[0].value
    elif isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call):
        function = statement.value.func
        in_place = isinstance(function, ast.Attribute) and function.attr.endswith("_")
        target = function.value if in_place and isinstance(function, ast.Attribute) else None
    return target.id if isinstance(target, ast.Name) else ""


def _read_next(after: list[ast.stmt], name: str) -> bool:
    """Whether a name is read before it is given another value."""
    for statement in after:
        nodes = [node for node in ast.walk(statement) if isinstance(node, ast.Name)]
        if any(node.id == name and isinstance(node.ctx, ast.Load) for node in nodes):
            return True
        if any(node.id == name for node in nodes):
            return False
    return False
