"""The loss of each piece is computed, and that of the last one trains.

What it finds:
    A loop over pieces (parts of a sequence, heads, agents, scales) in which a loss is computed
    from each and kept under one name, without being added up, and a backward behind the loop.

Why it is bad:
    All pieces but the last one have no part in the training.

Evidence it needs:
    The program's text; a full step in which the loop's lines ran several times.

Example:
    for piece, target in zip(pieces, targets):
        loss = criterion(model(piece), target)
    loss.backward()

Corrected:
    loss = 0
    for piece, target in zip(pieces, targets):
        loss = loss + criterion(model(piece), target)
    loss.backward()

When it is silent:
    Losses that the loop reads, and loops that come nearer to one target from turn to turn.

References:
    https://docs.pytorch.org/docs/stable/notes/autograd.html
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from autograd_lens.doctor.evidence import Evidence, of_a_library
from autograd_lens.doctor.finding import Finding, Rule, plural
from autograd_lens.doctor.source import called
from autograd_lens.trace.graph import TapeIndex
from autograd_lens.trace.records import Kernel, Source

RULE = Rule("AL441", "only-last-counts", "error", "full", explains=("AL209", "AL220"))

_FEWEST = 2


def check(evidence: Evidence) -> Iterator[Finding]:
    """Find the first such loop."""
    source = evidence.loop
    if source is None or of_a_library(source):
        return
    for name, statement, loop in _overwritten(evidence.code(source).tree):
        place = Source.at(source.file, statement.lineno, end_line=statement.end_lineno)
        whole = Source.at(source.file, loop.lineno, end_line=loop.end_lineno)
        for tape in evidence.tapes:
            turns = _turns(tape, whole)
            if len(turns) >= _FEWEST:
                yield RULE.finding(
                    title=f"{name} is overwritten in every turn, and only the last one counts",
                    message=f"""In step {tape.step.index}, the loop around
                        `{evidence.line(place).strip()}` made {plural(len(turns), "turn")} or
                        more, each with another piece, and nothing reads what it gave before the
                        last: backward() starts from that one.""",
                    fix=f"{name} = {name} + {ast.unparse(statement.value)}",
                    step=tape.step.index,
                    kernel=turns[0],
                    source=place,
                )
                return


def _overwritten(tree: ast.AST) -> Iterator[tuple[str, ast.Assign, ast.For]]:
    """Names that a loop assigns and never reads, and that ``backward()`` follows behind it."""
    for block in ast.walk(tree):
        body = getattr(block, "body", None)
        for place, loop in enumerate(body if isinstance(body, list) else ()):
            if isinstance(loop, ast.For):
                after = list(getattr(block, "body", ()))[place + 1 :]
                for one in loop.body:
                    name = _kept(one, loop)
                    if name and _starts(after, name) and isinstance(one, ast.Assign):
                        yield name, one, loop


def _kept(statement: ast.stmt, loop: ast.For) -> str:
    """The name that a statement keeps a result under, of what the loop's turn is about."""
    target = statement.targets[0] if isinstance(statement, ast.Assign) else None
    if not isinstance(target, ast.Name) or not isinstance(statement, ast.Assign):
        return ""
    reads = {
        node.id
        for node in ast.walk(loop)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)
    }
    turn = {node.id for node in ast.walk(loop.target) if isinstance(node, ast.Name)}
    own = {node.id for node in ast.walk(statement.value) if isinstance(node, ast.Name)}
    each = turn | _made_of(loop, turn)
    goal = _arguments(statement.value)
    of_turn = bool(own & turn) or (len(goal) > 1 and all(goal_names & each for goal_names in goal))
    return target.id if target.id not in reads and of_turn and turn - {"_"} else ""


def _made_of(loop: ast.For, names: set[str]) -> set[str]:
    """Names that statements of a loop compute from others."""
    found = set(names)
    for one in loop.body:
        if isinstance(one, ast.Assign):
            read = {node.id for node in ast.walk(one.value) if isinstance(node, ast.Name)}
            if read & found:
                found |= {
                    node.id
                    for target in one.targets
                    for node in ast.walk(target)
                    if isinstance(node, ast.Name)
                }
    return found


def _arguments(value: ast.expr) -> list[set[str]]:
    """The names in each argument of a call."""
    given = value.args if isinstance(value, ast.Call) else []
    return [{node.id for node in ast.walk(one) if isinstance(node, ast.Name)} for one in given]


def _starts(after: list[ast.stmt], name: str) -> bool:
    """Whether a backward starts from a name before that is given another value."""
    for one in after:
        for node in ast.walk(one):
            method = isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
            if isinstance(node, ast.Call) and method and called(node) == "backward":
                return ast.unparse(node.func) == f"{name}.backward"
        if isinstance(one, ast.Assign) and name in map(ast.unparse, one.targets):
            return False
    return False


def _turns(tape: TapeIndex, loop: Source) -> list[Kernel]:
    """The kernels of the line of a loop that ran most often with a gradient: one for each turn.

    What nothing reads may not be on the tape, so that the loss itself is no measure.
    """
    ran: dict[tuple[int, int, str], list[Kernel]] = {}
    for kernel in tape.kernels:
        source = kernel.source
        grown = kernel.phase == "forward" and kernel.requires_grad
        if source is None or not grown or source.file != loop.file:
            continue
        if loop.line <= source.line <= loop.end_line:
            ran.setdefault((source.line, source.column, kernel.op), []).append(kernel)
    return max(ran.values(), key=len, default=[])
