"""A recurrent cell begins anew at every place of a sequence.

What it finds:
    A cell (``GRUCell``, ``LSTMCell``, ``RNNCell``), or a recurrent layer that is given one place
    at a time, which is called in a loop over places without a state, or with one that the loop
    never replaces.

Why it is bad:
    It knows nothing of what came before: the sequence is a bag of single places, or the last one
    alone counts.

Evidence it needs:
    The program's text, and the line's kernels in a full step, several times.

Example:
    for t in range(x.shape[1]):
        h = self.cell(x[:, t])

Corrected:
    for t in range(x.shape[1]):
        h = self.cell(x[:, t], h)

When it is silent:
    States that are looked up or computed in each turn, loops over layers or whole sequences, and
    loops that train.

References:
    https://docs.pytorch.org/docs/stable/generated/torch.nn.GRUCell.html
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from autograd_lens.doctor.evidence import Evidence, of_a_library
from autograd_lens.doctor.finding import Finding, Rule
from autograd_lens.doctor.source import Loop, called
from autograd_lens.trace.records import Source

RULE = Rule("AL231", "state-not-passed", "error", "full")

_CELLS = frozenset({"GRUCell", "LSTMCell", "RNNCell"})
_LAYERS = frozenset({"GRU", "LSTM", "RNN"})
_ONE = re.compile(r"\b(\w+):\s*\1 \+ 1\b|\[:, \w+\]\.unsqueeze\(|\[:, \w+, None\]")
_PAIR = 2


def check(evidence: Evidence) -> Iterator[Finding]:
    """Find the first such call."""
    source = evidence.loop
    if source is None or of_a_library(source):
        return
    tree = evidence.code(source).tree
    made = _made(tree)
    for loop in ast.walk(tree):
        if not isinstance(loop, Loop) or _trains(loop):
            continue
        for call in (node for node in ast.walk(loop) if isinstance(node, ast.Call)):
            kind = made.get(called(call), "")
            why = _why(loop, call, kind) if kind else ""
            if why and _runs(evidence, source.file, call.lineno):
                yield _finding(source.file, call, kind, why)
                return


def _made(tree: ast.AST) -> dict[str, str]:
    """The names of recurrent cells and layers that the program makes -> their classes."""
    return {
        ast.unparse(target).rpartition(".")[2]: called(value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign)
        for target, value in _pairs(node)
        if isinstance(value, ast.Call) and called(value) in _CELLS | _LAYERS
    }


def _pairs(node: ast.Assign) -> Iterator[tuple[ast.expr, ast.expr]]:
    target, value = node.targets[0], node.value
    if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple):
        yield from zip(target.elts, value.elts, strict=False)
    else:
        yield target, value


def _trains(loop: ast.AST) -> bool:
    calls = (node for node in ast.walk(loop) if isinstance(node, ast.Call))
    return any(called(node) in ("backward", "zero_grad", "step") for node in calls)


def _why(loop: ast.For | ast.While | ast.AsyncFor, call: ast.Call, kind: str) -> str:
    """What is wrong with the state that a call in a loop is given; ``""`` for nothing."""
    if any(isinstance(one, ast.Starred) for one in call.args) or not call.args:
        return ""
    if kind in _LAYERS and not _ONE.search(ast.unparse(call.args[0])):
        return ""  # a whole sequence
    turned = _bound(loop.target) if isinstance(loop, ast.For | ast.AsyncFor) else set[str]()
    read = {node.id for node in ast.walk(call.args[0]) if isinstance(node, ast.Name)}
    if isinstance(loop, ast.For) and not read & (turned | _computed(loop)):
        return ""
    state = call.args[1] if len(call.args) >= _PAIR else None
    state = next((one.value for one in call.keywords if one.arg in ("hx", "state")), state)
    if state is None:
        return "is given no state" if not call.keywords else ""
    if isinstance(state, ast.Constant) and state.value is None:
        return "is given no state"
    names = [ast.unparse(one) for one in _parts(state)]
    simple = all(isinstance(one, ast.Name | ast.Attribute) for one in _parts(state))
    fixed = simple and not {*names, ast.unparse(state)} & (_stored(loop) | turned)
    return f"is given ({', '.join(names)}), which the loop never replaces" if fixed else ""


def _parts(state: ast.expr) -> list[ast.expr]:
    return list(state.elts) if isinstance(state, ast.Tuple) else [state]


def _bound(target: ast.expr) -> set[str]:
    return {node.id for node in ast.walk(target) if isinstance(node, ast.Name)}


def _computed(loop: ast.AST) -> set[str]:
    """Names that a loop gives a value."""
    return {word for word in _stored(loop) if "." not in word}


def _stored(loop: ast.AST) -> set[str]:
    places = (ast.Name, ast.Attribute, ast.Subscript)
    return {
        ast.unparse(node)
        for node in ast.walk(loop)
        if isinstance(node, places) and isinstance(node.ctx, ast.Store)
    }


def _runs(evidence: Evidence, file: str, line: int) -> bool:
    """Whether a full step ran the line more than once: the same operator on other tensors."""
    for step in evidence.full:
        ran = [
            kernel.op
            for kernel in step.kernels
            if kernel.phase == "forward"
            and kernel.source is not None
            and (kernel.source.file, kernel.source.line) == (file, line)
        ]
        if any(ran.count(op) >= _PAIR for op in {*ran}):
            return True
    return False


def _finding(file: str, call: ast.Call, kind: str, why: str) -> Finding:
    text = ast.unparse(call)
    return RULE.finding(
        title=f"{ast.unparse(call.func)} begins anew at every place",
        message=f"""`{text}` runs in a loop over the places of a sequence and {why}: each turn of
            the {kind} begins with the same state, and what came before is forgotten.""",
        fix="h = self.cell(x[:, t], h)  # the state of the turn before",
        events=("the program's text",),
        source=Source.at(file, call.lineno),
    )
