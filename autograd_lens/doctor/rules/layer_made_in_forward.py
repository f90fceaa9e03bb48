"""A layer is made anew each time the model runs.

What it finds:
    ``nn.Linear(...)``, ``nn.Parameter(...)`` and other layers with weights of their own, made
    inside ``forward``. Also behind an ``if``, where the layer is called in the line that makes
    it.

Why it is bad:
    The optimizer was given the parameters before the layer was there. Each forward draws other
    weights, trains them for no update, and drops them.

Evidence it needs:
    The program's text, and full steps in which the kernels that fill the new weights run again.

Example:
    def forward(self, x):
        return nn.Linear(8, 1)(self.body(x))

Corrected:
    self.head = nn.Linear(8, 1)   # in __init__
    ...
    def forward(self, x):
        return self.head(self.body(x))

When it is silent:
    Layers without weights, and layers that are made once and kept, behind an ``if``.

References:
    https://docs.pytorch.org/docs/stable/notes/modules.html
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from autograd_lens.doctor.evidence import Evidence
from autograd_lens.doctor.finding import Finding, Rule
from autograd_lens.doctor.source import called
from autograd_lens.trace.records import Source

RULE = Rule("AL223", "layer-made-in-forward", "error", "full")

_WEIGHTED = re.compile(
    r"(Lazy)?(Linear|Bilinear|Conv(Transpose)?[123]d|(Batch|Layer|Group|RMS|Instance)Norm([123]d)?"
    r"|Embedding(Bag)?|(RNN|LSTM|GRU)(Cell)?|MultiheadAttention|Transformer\w*|PReLU|Parameter)"
)
_STEPS = 2


def check(evidence: Evidence) -> Iterator[Finding]:
    """Find layers that every forward makes."""
    if len(evidence.full) < _STEPS:
        return
    ran = [_lines(evidence, number) for number in range(len(evidence.full))]
    for file in {file for file, _ in ran[0]}:
        for call in _made(evidence.code_of(file).tree):
            if all((file, call.lineno) in lines for lines in ran):
                source = Source.at(file, call.lineno, "forward")
                yield _finding(evidence, source, call)
                return


def _lines(evidence: Evidence, number: int) -> set[tuple[str, int]]:
    """The lines of the program that ran a kernel in a full step."""
    kernels = evidence.full[number].kernels
    return {(one.source.file, one.source.line) for one in kernels if one.source is not None}


def _made(tree: ast.AST) -> Iterator[ast.Call]:
    """Calls that make a layer with weights, in what every forward runs."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and node.name == "forward":
            for call in _calls(node):
                kept = ast.unparse(call.func).startswith("self.")  # of that name, made before
                if not kept and _WEIGHTED.fullmatch(called(call)):
                    yield call


def _calls(node: ast.AST) -> Iterator[ast.Call]:
    """The calls below a node, without those that an ``if`` or another function decides on."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If | ast.IfExp):
            yield from _used_at_once(child)
            continue
        if isinstance(child, ast.FunctionDef | ast.Lambda):
            continue
        if isinstance(child, ast.Call):
            yield child
        yield from _calls(child)


def _used_at_once(node: ast.AST) -> Iterator[ast.Call]:
    """Layers that are called where they are made, ``nn.Conv1d(1, 2, 1)(x)``: kept by nobody."""
    for one in ast.walk(node):
        if isinstance(one, ast.Call) and isinstance(one.func, ast.Call):
            yield one.func


def _finding(evidence: Evidence, source: Source, call: ast.Call) -> Finding:
    name = called(call)
    last = evidence.full[-1].index
    return RULE.finding(
        title=f"forward makes a new {name} each time",
        message=f"""`{ast.unparse(call)}` ran in step {evidence.full[0].index} and again in step
            {last}: its weights are drawn anew in each forward, the optimizer does not know them,
            and what their gradients say is lost.""",
        fix=f"self.layer = {ast.unparse(call)}  # in __init__",
        step=last,
        source=source,
    )
