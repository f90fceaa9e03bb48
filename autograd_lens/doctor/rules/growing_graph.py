"""The graph grows from step to step.

What it finds:
    The same call of backward runs through more nodes every time, because something that lives
    on (a running total, a hidden state, a list of losses) keeps the graphs of all earlier steps.

Why it is bad:
    Each step takes longer and needs more memory than the one before, until memory ends. And
    every backward adds the gradients of all earlier steps once more.

Evidence it needs:
    Light steps: the number of nodes in the graph of each backward, growing without a break.
    A full step: nodes of its graph that none of its own kernels made.

Example:
    total = total + loss
    total.backward(retain_graph=True)

Corrected:
    total = total + loss.item()
    loss.backward()

When it is silent:
    Graphs that grow because each step computes more (longer sequences), that vary, or that grow
    a few times and stop.

References:
    https://docs.pytorch.org/docs/stable/notes/faq.html
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from autograd_lens.doctor.evidence import EngineRun, Evidence
from autograd_lens.doctor.finding import Finding, Rule

RULE = Rule("AL206", "growing-graph", "error", "full")

_ENOUGH = 8
_GROWTH = 2


def check(evidence: Evidence) -> Iterator[Finding]:
    """Find a call of backward whose graph grows every time."""
    lines: dict[object, list[EngineRun]] = {}
    for run in evidence.windows[0] if evidence.windows else ():
        if run.graph is not None and not run.graph.error:
            lines.setdefault(run.graph.source, []).append(run)
    for runs in lines.values():
        old = _old_nodes(evidence, runs) if _grows(runs) else None
        if old is not None:
            yield _finding(evidence, runs, *old)


def _grows(runs: list[EngineRun]) -> bool:
    """Whether the first runs grow each time, and none shrinks: later ones may be recalled."""
    counts = [run.nodes for run in runs]
    first = counts[:_ENOUGH]
    return (
        len(first) == _ENOUGH
        and all(one < other for one, other in pairwise(first))
        and all(one <= other for one, other in pairwise(counts))
        and first[-1] >= _GROWTH * first[0]
    )


def _old_nodes(evidence: Evidence, runs: list[EngineRun]) -> tuple[int, int] | None:
    """A full step and how many nodes of its graph were made in steps before it."""
    numbers = {run.row.step for run in runs[1:]}
    for step in reversed(evidence.full):
        if step.index not in numbers or not step.backwards:
            continue
        graph = step.backwards[-1].graph
        nodes = graph.nodes if graph else ()
        old = sum(node.forward_kernel is None and node.variable is None for node in nodes)
        if old > len(nodes) // 2:
            return step.index, old
    return None


def _finding(evidence: Evidence, runs: list[EngineRun], step: int, old: int) -> Finding:
    first, last = runs[0], runs[-1]
    source = first.graph.source if first.graph else None
    line = evidence.line(source)
    each = (runs[_ENOUGH - 1].nodes - first.nodes) / (_ENOUGH - 1)
    return RULE.finding(
        title=f"the graph grows by {each:.0f} nodes a step",
        message=f"""`{line}` ran through {first.nodes} nodes in step {first.row.step}, through
            {runs[1].nodes} in step {runs[1].row.step} and through {last.nodes} in step
            {last.row.step}. Of the graph of step {step},
            {old} nodes were made in earlier steps. Something that is
            carried from step to step still holds the graphs of
            all steps before. Keep its number, not its history.""",
        fix="total = total + loss.item()  # or h = h.detach() for a state that is carried over",
        step=last.row.step,
        events=(f"graphs of steps {first.row.step} to {last.row.step}",),
        source=source,
        line=line,
    )
