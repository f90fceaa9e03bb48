"""One layer stands in a list several times.

What it finds:
    ``[layer] * n`` inside a ``ModuleList`` or ``Sequential``: the list holds one layer n times,
    and one forward runs it several times.

Why it is bad:
    All of the model's levels share one weight, where each was to have its own.

Evidence it needs:
    The program's text, and a full step in which a parameter is read several times.

Example:
    self.convs = nn.ModuleList([nn.Conv2d(8, 8, 3)] * 4)

Corrected:
    self.convs = nn.ModuleList([nn.Conv2d(8, 8, 3) for _ in range(4)])

When it is silent:
    A layer that forward() itself calls in a loop, and layers without parameters.

References:
    https://docs.pytorch.org/docs/stable/generated/torch.nn.ModuleList.html
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from autograd_lens.doctor.evidence import Evidence
from autograd_lens.doctor.finding import Finding, Rule, plural
from autograd_lens.doctor.source import called
from autograd_lens.trace.graph import tensors
from autograd_lens.trace.records import Source, Step

RULE = Rule("AL214", "one-module-repeated", "warning", "full")

_LISTS = frozenset({"ModuleList", "Sequential"})


def check(evidence: Evidence) -> Iterator[Finding]:
    """Find lists that hold one layer several times."""
    step = next((step for step in evidence.full if step.backwards), None)
    if step is None:
        return
    name, times = _often(step)
    for file in sorted({kernel.source.file for kernel in step.kernels if kernel.source}):
        place = Source.at(file, 1)
        for node in ast.walk(evidence.code(place).tree):
            line = _repeated(node)
            if line and times > 1:
                yield _finding(evidence, step, Source.at(file, line), (name, times))
                return


def _repeated(node: ast.AST) -> int:
    """The line of ``[...] * n`` inside a list of modules, 0 where there is none."""
    if not isinstance(node, ast.Call) or called(node) not in _LISTS:
        return 0
    for argument in node.args:
        value = argument.value if isinstance(argument, ast.Starred) else argument
        if isinstance(value, ast.BinOp) and isinstance(value.op, ast.Mult):
            sides = (value.left, value.right)
            if any(isinstance(side, ast.List) and len(side.elts) == 1 for side in sides):
                return value.lineno
    return 0


def _often(step: Step) -> tuple[str, int]:
    """The parameter of a numbered layer that the forward reads most often, and how often."""
    counts: dict[str, int] = {}
    for kernel in step.kernels:
        if kernel.phase == "forward" and kernel.requires_grad:
            for use in tensors(kernel.inputs):
                parts = use.spec.name.split(".")
                if use.spec.role == "parameter" and any(part.isdigit() for part in parts):
                    counts[use.spec.name] = counts.get(use.spec.name, 0) + 1
    return max(counts.items(), key=lambda one: one[1], default=("", 0))


def _finding(evidence: Evidence, step: Step, source: Source, seen: tuple[str, int]) -> Finding:
    name, times = seen
    return RULE.finding(
        title="a list of layers holds one layer several times",
        message=f"""`{evidence.line(source)}` repeats the layer itself, not its making. The
            forward of step {step.index} reads {name} {plural(times, "time")}: all levels share
            it.""",
        fix="nn.ModuleList([make_layer() for _ in range(n)])",
        step=step.index,
        events=(f"kernels that read {name}",),
        source=source,
    )
