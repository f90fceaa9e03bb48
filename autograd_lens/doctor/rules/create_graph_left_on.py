"""Every backward also records its own graph, and nobody uses it.

What it finds:
    ``backward(create_graph=True)`` in every step, with no further backward through it.

Why it is bad:
    Backward takes longer and needs more memory. Parameters and gradients hold each other in a
    circle, which is only freed when ``.grad`` is set to None: memory leaks.

Evidence it needs:
    Light steps: how each backward was called, and that it is the only one of its step.

Example:
    loss.backward(create_graph=True)

Corrected:
    loss.backward()

When it is silent:
    ``torch.autograd.grad(..., create_graph=True)`` with a penalty on the gradient, and steps with
    a second backward.

References:
    https://docs.pytorch.org/docs/stable/generated/torch.Tensor.backward.html
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from autograd_lens.doctor.evidence import Evidence
from autograd_lens.doctor.finding import Finding, Rule, plural

RULE = Rule("AL207", "create-graph-left-on", "warning", "light")

_ENOUGH = 3


def check(evidence: Evidence) -> Iterator[Finding]:
    """Find steps whose only backward keeps a graph of itself."""
    runs = list(evidence.runs)
    alone = Counter(run.row.step for run in runs)
    kept = [
        run for run in runs if run.graph and run.graph.create_graph and run.graph.kind == "backward"
    ]
    if len(kept) < max(_ENOUGH, len(runs)) or any(alone[run.row.step] > 1 for run in kept):
        return
    first = kept[0]
    source = first.graph.source if first.graph else None
    yield RULE.finding(
        title="backward() records a graph of itself that nobody uses",
        message=f"""`{evidence.line(source)}` ran in {plural(len(kept), "step")} with
            create_graph=True. It makes backward record itself, for a derivative of the gradient;
            but no step went backward a second time. The parameters and their .grad now keep each
            other alive.""",
        fix="loss.backward()",
        step=first.row.step,
        events=("flags of the backwards",),
        source=source,
    )
