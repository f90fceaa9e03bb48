"""The optimizer updates other tensors than the ones that get gradients.

What it finds:
    ``step()`` and ``zero_grad()`` run in every turn, yet the parameters that backward reaches
    neither change nor are cleared: the optimizer was given the tensors of another model. Or no
    backward ever reaches what the optimizer holds, while others get the gradients of the loss.

Why it is bad:
    The optimizer holds tensors, not names. Where the model is built again, copied or replaced
    after that, the optimizer still holds the old ones, and nothing is trained.

Evidence it needs:
    Light steps: gradients that pile up and values that stay the same; and the call of ``step()``
    in the loop around backward.

Example:
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    model = make_model()

Corrected:
    model = make_model()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)

When it is silent:
    Loops in which anything that backward reaches changes or is cleared.

References:
    https://docs.pytorch.org/docs/stable/optim.html#constructing-it
"""

from __future__ import annotations

from collections.abc import Iterator

from autograd_lens.doctor.evidence import Evidence
from autograd_lens.doctor.finding import Finding, Rule, listed, plural, size
from autograd_lens.doctor.ledger import ever_reached, piling_up, reached, standing_still
from autograd_lens.trace.kept import Optimizer
from autograd_lens.trace.records import Source

RULE = Rule("AL503", "optimizer-holds-other-tensors", "error", "light", explains=("AL506",))

_FEWEST_STEPS = 3


def check(evidence: Evidence) -> Iterator[Finding]:
    """Find an optimizer whose steps leave all that is trained as it was."""
    starved = _starved(evidence)
    if starved is not None:
        yield starved
        return
    indexes = reached(evidence)
    if not indexes or not standing_still(evidence, indexes) or not piling_up(evidence, indexes):
        return
    run = next(evidence.runs)
    source = run.graph.source if run.graph else None
    stepped = [one.name for one in _stepped(evidence, source) if one.attributes["lr"]]
    if not stepped:
        return
    name = evidence.parameters[indexes[0]].name
    last = [gap for gaps in evidence.gaps(indexes[0]) for gap in gaps][-1]
    yield RULE.finding(
        title=f"{stepped[0]} does not hold the parameters that get gradients",
        message=f"""{stepped[0]}.step() ran in {plural(len(evidence.losses), "step")}, but
            {listed(evidence.names(indexes))} never changed and were never cleared: {name}.grad has
            grown to {size(last.grad)}. The optimizer holds other tensors: it was made from another
            model, or before this one was built, copied or replaced.""",
        fix=f"{stepped[0]} = ...  # make the optimizer after the model it is to train",
        step=last.run.row.step,
        events=("values of all steps", f"{name}.grad of all steps"),
        source=source,
    )


def _stepped(evidence: Evidence, source: Source | None) -> list[Optimizer]:
    """The optimizers whose ``step()`` stands around a line, by the last word of their names."""
    calls = evidence.code(source).calls(source.line) if source is not None else []
    names = {owner.rpartition(".")[2] for owner, method, _ in calls if method == "step"}
    return [one for one in evidence.optimizers if one.name.rpartition(".")[2] in names]


def _starved(evidence: Evidence) -> Finding | None:
    """An optimizer in the loop, none of whose parameters ever got a gradient."""
    trained, run = ever_reached(evidence), next(evidence.runs, None)
    whole = (graph for graph in evidence.graphs if graph.kind == "backward" and graph.source)
    graph = next(whole, None)
    source = graph.source if graph else None
    if source is None or run is None or len(evidence.losses) < _FEWEST_STEPS:
        return None
    optimizers = _stepped(evidence, source)
    held = {index for one in optimizers for index in one.holds}
    others = [evidence.parameters[index] for index in sorted(trained - held)]
    if not held or held & trained or not others or len(optimizers) != len(evidence.optimizers):
        return None
    if not standing_still(evidence, [index for index in held if index is not None]):
        return None
    (name, *_) = (one.name for one in optimizers)
    return RULE.finding(
        title=f"no gradient ever reaches what {name} holds",
        message=f"""{name}.step() ran in {plural(len(evidence.losses), "step")}, and no backward
            reached any parameter that it holds. The gradients went to other tensors, as
            {listed([one.name for one in others])}: copies, or a model that was made again. What
            leads from the loss to the optimizer's parameters was cut, as by deepcopy, .data or
            detach().""",
        fix=f"{name} = ...  # of the parameters that the loss is computed from",
        step=run.row.step,
        events=("all backwards", "what the optimizer holds"),
        source=source,
    )
