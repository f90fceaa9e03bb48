"""The update comes in other turns than the ``% n`` around it seems to say.

What it finds:
    Gradient accumulation whose ``if`` is the wrong way round, or counts something else than the
    batches, or holds the clipping and not the update: the update is to come after every fourth
    backward, and comes after nearly each.

Why it is bad:
    Each update is made with a part of the batches that it was meant for, and where the loss is
    divided by their number, with a part of the rate as well.

Evidence it needs:
    Light rows, for the backwards between two updates of a parameter, and the text: a backward,
    and behind it an ``if ... % n`` around all calls of ``step()`` and ``zero_grad()``.

Example:
    (loss / 4).backward()
    if i % 4:
        optimizer.step()
        optimizer.zero_grad()

Corrected:
    (loss / 4).backward()
    if (i + 1) % 4 == 0:
        optimizer.step()
        optimizer.zero_grad()

When it is silent:
    Updates after n backwards, or a multiple of n; loops that call ``step()`` elsewhere as well.

References:
    https://docs.pytorch.org/docs/stable/notes/amp_examples.html#gradient-accumulation
"""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator

from autograd_lens.doctor.evidence import Evidence
from autograd_lens.doctor.finding import Finding, Rule, plural
from autograd_lens.doctor.ledger import reached
from autograd_lens.doctor.source import Code, called, loops_around
from autograd_lens.trace.records import Source

RULE = Rule("AL113", "accumulation-guard", "warning", "light")

_FEWEST = 3  # updates that tell a habit
_Guard = tuple[ast.If, int]  # the statement, its n


def check(evidence: Evidence) -> Iterator[Finding]:
    """Find updates that come in other turns than their guard says."""
    source = evidence.loop
    guard = _guard(evidence.code(source), source.line) if source else None
    counts = _backwards_an_update(evidence) if guard else Counter[int]()
    if source is None or guard is None or sum(counts.values()) < _FEWEST:
        return
    statement, wanted = guard
    usual, times = counts.most_common(1)[0]
    if usual % wanted == 0 or times * 2 <= sum(counts.values()):
        return
    steps = [one.lineno for one in _steps(evidence.code(source), source.line)]
    inside = any(statement.lineno <= line <= (statement.end_lineno or 0) for line in steps)
    place = Source.at(source.file, statement.lineno if inside else min(steps))
    yield RULE.finding(
        title=f"the update comes after {plural(usual, 'backward')}, not after {wanted}",
        message=f"""`if {ast.unparse(statement.test)}` seems to let the gradients of {wanted}
            batches add up. In {times} of {plural(sum(counts.values()), "update")} that were looked
            at, {plural(usual, "backward")} had run since the update before.""",
        fix=f"if (i + 1) % {wanted} == 0:  # i: the number of the batch, from 0",
        step=None,
        events=("updates and backwards of the light rows",),
        source=place,
    )


def _guard(code: Code, backward: int) -> _Guard | None:
    """The ``if ... % n`` around every update of the loop of a backward, or around its clipping."""
    loop = next(iter(loops_around(code.tree, backward)), None)
    steps = _steps(code, backward)
    for node in ast.walk(loop or ast.Pass()):
        if not isinstance(node, ast.If) or node.lineno < backward:
            continue
        inside = {id(one) for part in node.body for one in ast.walk(part)}
        modulus = _modulus(code, node.test)
        if modulus > 1 and {called(one) for one in steps} == {"step", "zero_grad"}:
            held = [id(one) in inside for one in steps]
            clips = any(
                isinstance(one, ast.Call) and "clip_grad" in called(one)
                for part in node.body
                for one in ast.walk(part)
            )
            return (node, modulus) if all(held) or (clips and not any(held)) else None
    return None


def _steps(code: Code, backward: int) -> list[ast.Call]:
    """The calls of ``step()`` and ``zero_grad()`` in the loop of a backward."""
    loop = next(iter(loops_around(code.tree, backward)), None)
    return [
        node
        for node in ast.walk(loop or ast.Pass())
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and called(node) in ("step", "zero_grad")
    ]


def _modulus(code: Code, test: ast.expr) -> int:
    """The n of ``... % n`` in a condition, 0 where it is not known."""
    parts = [one for one in ast.walk(test) if isinstance(one, ast.BinOp)]
    for part in parts:
        if isinstance(part.op, ast.Mod):
            return _number(code, part.right)
    return 0


def _number(code: Code, expression: ast.expr) -> int:
    """A whole number, or the one that a name is given, once."""
    if isinstance(expression, ast.Constant) and isinstance(expression.value, int):
        return expression.value
    given = code.assigned(expression.id) if isinstance(expression, ast.Name) else []
    if len(given) == 1 and isinstance(given[0], ast.Constant):
        return _number(code, given[0])
    return 0


def _backwards_an_update(evidence: Evidence) -> Counter[int]:
    """How often so many backwards wrote a gradient from one update to the next."""
    counts = Counter[int]()
    index = next(iter(reached(evidence)), None)
    for gaps in evidence.gaps(index) if index is not None else ():
        written = 0
        for gap in gaps:
            written += gap.written
            if gap.updated:
                counts[written] += 1
                written = 0
    return counts
