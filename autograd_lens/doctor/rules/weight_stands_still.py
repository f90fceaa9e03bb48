"""The weight of a term is to grow step by step, and stays 0.

What it finds:
    A term of the loss whose factor is 0 in every full step, from the first to the last, though the
    loop computes that factor anew: it is set back in every turn, or made of a counter that nothing
    counts on.

Why it is bad:
    The term is not trained for, however long the run.

Evidence it needs:
    Full steps of the beginning and of the end: the factor; the program's text, which changes it.

Example:
    beta = min(1.0, beta + rate)
    if epoch % 1 == 0:
        beta = 0.0

Corrected:
    if epoch % cycle == 0 and batch == 0:
        beta = 0.0
    beta = min(1.0, beta + rate)

When it is silent:
    Factors that are set once, as an option that is switched off, and runs of a few steps.

References:
    https://arxiv.org/abs/1903.10145
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from autograd_lens.doctor.evidence import Evidence
from autograd_lens.doctor.finding import Finding, Rule, plural
from autograd_lens.doctor.source import assignments, called, loops_around
from autograd_lens.doctor.terms import factor, loss_terms
from autograd_lens.trace.graph import TapeIndex
from autograd_lens.trace.records import Kernel, Source

RULE = Rule("AL428", "weight-stands-still", "warning", "full")

_FEWEST_STEPS = 20
_FEWEST_TAPES = 3
_Expression = tuple[str, int, str]  # file, line, what the term is multiplied with


def check(evidence: Evidence) -> Iterator[Finding]:
    """Find factors that are 0 in all full steps and that the loop computes."""
    yield from _whole(evidence)
    steps, tapes = len(evidence.losses), evidence.tapes
    late = bool(tapes) and tapes[-1].step.index >= steps // 2
    if steps < _FEWEST_STEPS or len(tapes) < _FEWEST_TAPES or not late:
        return
    known = [dict(_factors(evidence, tape)) for tape in tapes]
    for place, kernel in known[-1].items():
        if all(place in one and factor(one[place]) == 0 for one in known):
            line = _computed(evidence, place[2])
            if line:
                yield _finding(evidence, place, kernel, line)
                return


def _whole(evidence: Evidence) -> Iterator[Finding]:
    """``t = step // steps`` that mixes two numbers: ``a * (1 - t) + b * t``."""
    source = evidence.loop
    tree = evidence.code(source).tree
    for function in ast.walk(tree):
        if not isinstance(function, ast.FunctionDef) or source is None:
            continue
        text = ast.unparse(function)
        for node in ast.walk(function):
            for target, value in assignments(node):
                cuts = isinstance(value, ast.BinOp) and isinstance(value.op, ast.FloorDiv)
                name = ast.unparse(target)
                mixes = f"(1 - {name})" in text or f"(1.0 - {name})" in text
                if cuts and mixes and name.isidentifier() and f"// {name}" not in text:
                    yield RULE.finding(
                        title=f"{name} is to go from 0 to 1, and is a whole number",
                        message=f"""`{ast.unparse(node)}` divides whole numbers and cuts the
                            fraction off: {name} is 0 until the end, and what it and 1 - {name}
                            mix does not change on the way.""",
                        fix=ast.unparse(node).replace("//", "/"),
                        events=("the program's text",),
                        source=Source.at(source.file, value.lineno),
                    )
                    return


def _factors(evidence: Evidence, tape: TapeIndex) -> Iterator[tuple[_Expression, Kernel]]:
    """The kernels that multiply terms of the loss with a number that has a name."""
    for backward in range(len(tape.step.backwards)):
        for term in loss_terms(tape, backward):
            kernel, source = term.by, term.by.source if term.by is not None else None
            if term.weight or kernel is None or source is None:
                continue
            for name in evidence.code(source).operands(source.line, source.column):
                if name.replace(".", "").isidentifier():
                    yield (source.file, source.line, name), kernel


def _computed(evidence: Evidence, name: str) -> int:
    """The line, in a loop that trains, that computes a factor anew; 0 where there is none."""
    loop = evidence.loop
    tree = evidence.code(loop).tree
    around = loops_around(tree, loop.line) if loop is not None else []
    calls = {called(node) for one in around for node in ast.walk(one) if isinstance(node, ast.Call)}
    own = [n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef) and n.name in calls]
    given = [
        node
        for scope in (*around, *own)
        for node in ast.walk(scope)
        if isinstance(node, ast.Assign | ast.AugAssign) and _gives(node, name)
    ]
    grows = [node.lineno for node in given if _grows(node)]
    sets = [node.lineno for node in given if not _grows(node)]
    return max(sets or grows) if grows else 0


def _gives(node: ast.Assign | ast.AugAssign, name: str) -> bool:
    targets = node.targets if isinstance(node, ast.Assign) else [node.target]
    return name in map(ast.unparse, targets)


def _grows(node: ast.Assign | ast.AugAssign) -> bool:
    """Whether a statement computes a number: from itself, or with a sum or a product."""
    computes = any(isinstance(one, ast.BinOp) for one in ast.walk(node.value))
    return isinstance(node, ast.AugAssign) or computes


def _finding(evidence: Evidence, place: _Expression, kernel: Kernel, line: int) -> Finding:
    file, _, name = place
    text = evidence.line(Source.at(file, line)).strip()
    return RULE.finding(
        title=f"{name} is 0 from the first step to the last",
        message=f"""`{evidence.line(kernel.source).strip()}` multiplies a term of the loss with
            {name}, which `{text}` computes in every turn of the loop. It was 0 in each step that
            was looked at, of {plural(len(evidence.losses), "step")}: something sets it back, or
            does not count on what it is made of.""",
        fix=f"# see what else gives {name} a value in the loop",
        events=(f"kernel {kernel.index} {kernel.op}",),
        step=evidence.tapes[-1].step.index,
        source=Source.at(file, line),
    )
