"""An action is drawn twice: one draw is done, and the other one is judged.

What it finds:
    Two draws from one distribution, of which one alone goes into its log_prob, while the other
    one is what the program goes on with.

Why it is bad:
    The reward of what was done raises or lowers the probability of something else.

Evidence it needs:
    The program's text, lines that ran in a full step.

Example:
    action = dist.sample()
    log_prob = dist.log_prob(dist.sample())

Corrected:
    action = dist.sample()
    log_prob = dist.log_prob(action)

When it is silent:
    Draws whose probability is taken each, and distributions that are made anew in between.

References:
    https://docs.pytorch.org/docs/stable/distributions.html
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from autograd_lens.doctor.evidence import Evidence, of_a_library
from autograd_lens.doctor.finding import Finding, Rule
from autograd_lens.doctor.source import called
from autograd_lens.trace.records import Source

RULE = Rule("AL443", "two-draws", "error", "light")

_DRAWS = frozenset({"sample", "rsample"})
_PAIR = 2


def check(evidence: Evidence) -> Iterator[Finding]:
    """Find the first such pair of draws."""
    source = evidence.loop
    if source is None or of_a_library(source):
        return
    for block in ast.walk(evidence.code(source).tree):
        body = getattr(block, "body", None)
        found = _pair(body) if isinstance(body, list) else None
        if found is not None:
            owner, other, judged = found
            yield RULE.finding(
                title=f"{owner} is drawn from twice, and another draw is judged than is used",
                message=f"""Line {other.lineno} draws from {owner}, and line {judged.lineno} takes
                    the probability of a second draw: what is done and what is judged are two
                    different things.""",
                fix=f"log_prob = {owner}.log_prob(action)  # of the draw that is used",
                events=("the program's text",),
                source=Source.at(source.file, judged.lineno),
            )
            return


def _pair(body: list[ast.stmt]) -> tuple[str, ast.Call, ast.Call] | None:
    """A distribution, a draw that is used, and the log_prob of another draw, in one block."""
    drawn: dict[str, list[tuple[ast.Call, str]]] = {}
    judged: dict[str, list[tuple[ast.Call, str]]] = {}
    for statement in body:
        if isinstance(statement, ast.For | ast.While | ast.If | ast.FunctionDef | ast.ClassDef):
            continue  # blocks of their own
        name = _target(statement)
        for node in ast.walk(statement):
            owner = _owner(node)
            if isinstance(node, ast.Call) and called(node) in _DRAWS and owner and not node.args:
                drawn.setdefault(owner, []).append((node, name))
            elif isinstance(node, ast.Call) and called(node) == "log_prob" and owner:
                text = ast.unparse(node.args[0]) if node.args else ""
                judged.setdefault(owner, []).append((node, text))
        if name in drawn:
            drawn.pop(name)  # made anew
            judged.pop(name, None)
    for owner, draws in drawn.items():
        texts = [text for _, text in judged.get(owner, [])]
        if len(draws) != _PAIR or len(texts) != 1:
            continue
        (call, text), *_ = judged[owner]
        inside = [draw for draw, _ in draws if any(draw is one for one in ast.walk(call))]
        named = [draw for draw, name in draws if name and name == text]
        chosen = (inside or named)[:1]
        others = [draw for draw, _ in draws if draw not in chosen]
        if chosen and len(others) == 1:
            return owner, others[0], call
    return None


def _owner(node: ast.AST) -> str:
    """``dist`` for ``dist.sample()``."""
    function = node.func if isinstance(node, ast.Call) else None
    base = function.value if isinstance(function, ast.Attribute) else None
    return ast.unparse(base) if isinstance(base, ast.Name | ast.Attribute) else ""


def _target(statement: ast.stmt) -> str:
    one = isinstance(statement, ast.Assign) and len(statement.targets) == 1
    return ast.unparse(statement.targets[0]) if one and isinstance(statement, ast.Assign) else ""
