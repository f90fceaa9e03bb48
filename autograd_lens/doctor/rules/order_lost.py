"""What belongs to the steps of an episode, or to samples, is kept in another order.

What it finds:
    Returns of an episode that are summed up from its beginning, that stay turned over, or that are
    turned over in every turn of the loop; outputs that are kept while one loop runs over a loader
    that shuffles, and that another loop takes by the number of the batch.

Why it is bad:
    Every action, or every sample, gets what belongs to another one.

Evidence it needs:
    The program's text.

Example:
    for r in rewards[::-1]:
        R = r + gamma * R
        returns.append(R)

Corrected:
    for r in rewards[::-1]:
        R = r + gamma * R
        returns.insert(0, R)

When it is silent:
    Lists that are turned over anywhere else, sums that are kept by index, and loaders that do not
    shuffle.

References:
    https://docs.pytorch.org/docs/stable/data.html
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from autograd_lens.doctor.evidence import Evidence, of_a_library
from autograd_lens.doctor.finding import Finding, Rule
from autograd_lens.doctor.source import called
from autograd_lens.trace.records import Source

RULE = Rule("AL427", "order-lost", "error", "light")

_EARNED = re.compile(r"reward|return|discount|\brets?\b|advantage", re.IGNORECASE)
_TURNS = re.compile(r"reversed\(|\[::-1\]|\.reverse\(|flip|insert\(0|appendleft|-1, -1\)")
_Case = tuple[int, str, str, str]  # line, title, what happens, fix


def check(evidence: Evidence) -> Iterator[Finding]:
    """Find the first order that is lost."""
    source = evidence.loop
    if source is None or of_a_library(source):
        return
    tree = evidence.code(source).tree
    for loop in ast.walk(tree):
        case = _of_episode(tree, loop) if isinstance(loop, ast.For) else None
        case = case or (_kept_by_number(tree, loop) if isinstance(loop, ast.For) else None)
        if case is not None:
            line, title, what, fix = case
            yield RULE.finding(
                title=title,
                message=what,
                fix=fix,
                events=("the program's text",),
                source=Source.at(source.file, line),
            )
            return


# -- returns of an episode --------------------------------------------------------------------


def _of_episode(tree: ast.AST, loop: ast.For) -> _Case | None:
    """A loop that keeps what it sums up: in the wrong direction, or never turned back."""
    kept = list(_appended(loop))
    if len(kept) != 1:
        return None
    name, call = kept[0]
    for one in loop.body:
        turned = isinstance(one, ast.Expr) and ast.unparse(one) == f"{name}.reverse()"
        if turned and any(part is call for part in ast.walk(loop)):
            return (
                one.lineno,
                f"{name} is turned over in every turn of the loop",
                f"""Line {call.lineno} adds to {name}, and `{ast.unparse(one)}` turns all of it
                over each time: neither the order of the loop nor the opposite one is left.""",
                f"{name}.reverse()  # once, behind the loop",
            )
    total = _summed(loop, call)
    if not total or not _EARNED.search(f"{name} {ast.unparse(loop.iter)}"):
        return None
    others = _TURNS.findall(ast.unparse(tree))
    own = _TURNS.findall(ast.unparse(loop.iter))
    if own and len(others) == len(own):
        return (
            call.lineno,
            f"{name} stays turned over",
            f"""The loop runs from the last step to the first, `{ast.unparse(call)}` keeps the
            sums in that order, and nothing turns them back: the first action gets what the last
            one earned.""",
            f"{name}.insert(0, {total})",
        )
    if not others:
        return (
            call.lineno,
            f"{name} is summed up from the first step on",
            f"""The loop runs from the first step to the last, so {total} holds what was earned
            before a step. An action is to be judged by what comes after it.""",
            f"for r in reversed({ast.unparse(loop.iter)}):  # and {name}.insert(0, {total})",
        )
    return None


def _appended(block: ast.For | ast.With) -> Iterator[tuple[str, ast.Call]]:
    """The lists that a block itself appends to, with the calls."""
    for one in block.body:
        call = one.value if isinstance(one, ast.Expr) else None
        if isinstance(call, ast.Call) and called(call) == "append" and len(call.args) == 1:
            yield ast.unparse(call.func).removesuffix(".append"), call


def _summed(loop: ast.For, call: ast.Call) -> str:
    """``R``, where a loop does ``R = r + gamma * R`` and keeps R, else ``""``."""
    kept = {node.id for node in ast.walk(call.args[0]) if isinstance(node, ast.Name)}
    for one in loop.body:
        target = one.targets[0] if isinstance(one, ast.Assign) else None
        if not isinstance(target, ast.Name) or not isinstance(one, ast.Assign):
            continue
        sides = _sides(one.value)
        scaled = [_scales(side, target.id) for side in sides]
        if (
            target.id in kept
            and sorted(scaled) == [False, True]
            and not any(
                isinstance(side, ast.BinOp) and isinstance(side.op, ast.Mult)
                for side, own in zip(sides, scaled, strict=True)
                if not own  # as in an average: (1 - b) * r + b * R
            )
        ):
            return target.id
    return ""


def _sides(node: ast.expr) -> tuple[ast.expr, ...]:
    """Both sides of a sum."""
    adds = isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add)
    return (node.left, node.right) if adds and isinstance(node, ast.BinOp) else ()


def _scales(node: ast.AST, name: str) -> bool:
    """Whether a product holds a name."""
    product = isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult)
    return product and any(isinstance(one, ast.Name) and one.id == name for one in ast.walk(node))


# -- outputs kept by the number of the batch --------------------------------------------------


def _kept_by_number(tree: ast.AST, loop: ast.For) -> _Case | None:
    """``kept[i]`` in a loop over batches, filled by another loop over a shuffling loader."""
    number = _counter(loop)
    if not number or not any(_calls(one, "backward") for one in ast.walk(loop)):
        return None
    for node in ast.walk(loop):
        taken = isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Load)
        if not taken or not isinstance(node, ast.Subscript) or ast.unparse(node.slice) != number:
            continue
        name = ast.unparse(node.value)
        for other in ast.walk(tree):
            apart = isinstance(other, ast.For) and not _holds(other, loop)
            fills = apart and isinstance(other, ast.For) and _fills(tree, other, name)
            if fills and isinstance(other, ast.For) and _shuffles(tree, ast.unparse(other.iter)):
                return (
                    node.lineno,
                    f"{name}[{number}] belongs to another batch",
                    f"""Line {other.lineno} filled it, batch by batch, from a loader that
                    shuffles. This loop runs over such a loader anew, in another order, so batch
                    {number} holds other samples than batch {number} did then.""",
                    "# keep them by the samples' own numbers, or do not shuffle",
                )
    return None


def _counter(loop: ast.For) -> str:
    """``i`` for ``for i, batch in enumerate(loader)``, else ``""``."""
    counts = isinstance(loop.iter, ast.Call) and called(loop.iter) == "enumerate"
    pair = loop.target if isinstance(loop.target, ast.Tuple) else None
    first = pair.elts[0] if pair is not None and counts else None
    return first.id if isinstance(first, ast.Name) else ""


def _calls(node: ast.AST, method: str) -> bool:
    return isinstance(node, ast.Call) and called(node) == method


def _fills(tree: ast.AST, loop: ast.For, name: str) -> bool:
    """Whether a loop appends to a list of that name, or to one that a function returns as it."""
    blocks = (one for one in ast.walk(loop) if one is loop or isinstance(one, ast.With))
    lists = {name for block in blocks for name, _ in _appended(block)}
    if name in lists:
        return True
    makers = {
        called(part)
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign) and name in map(ast.unparse, node.targets)
        for part in ast.walk(node.value)
        if isinstance(part, ast.Call)
    }
    return any(
        isinstance(node, ast.FunctionDef)
        and node.name in makers
        and any(part is loop for part in ast.walk(node))
        and any(
            isinstance(part, ast.Return) and part.value and ast.unparse(part.value) in lists
            for part in ast.walk(node)
        )
        for node in ast.walk(tree)
    )


def _shuffles(tree: ast.AST, iterated: str) -> bool:
    """Whether what a loop runs over is a loader that shuffles: it, or every loader there is."""
    made = [one for one in ast.walk(tree) if _calls(one, "DataLoader")]
    own = {
        id(node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) in iterated
    }
    asked = [one for one in made if id(one) in own] or made
    return bool(asked) and all(
        any(
            word.arg == "shuffle" and ast.unparse(word.value) == "True"
            for word in getattr(one, "keywords", ())
        )
        for one in asked
    )


def _holds(outer: ast.AST, inner: ast.AST) -> bool:
    return any(node is inner for node in ast.walk(outer))
