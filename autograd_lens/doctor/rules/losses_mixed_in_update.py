"""An update uses the gradients of another network's loss.

What it finds:
    Two optimizers, of which one updates with the gradients of two losses: its own, and the one
    that was meant for the other's network and only passed through its own, as a policy's loss
    through the critic or a generator's loss through the discriminator.

Why it is bad:
    The two losses often want opposite things: a critic that is also trained to please the policy
    is no critic.

Evidence it needs:
    Light steps: which backward wrote which ``.grad`` since it was last cleared. A full step: which
    network the loss passes through first.

Example:
    critic_loss.backward()
    policy_loss.backward()      # passes through the critic
    critic_optimizer.step()

Corrected:
    critic_loss.backward()
    critic_optimizer.step()
    critic.requires_grad_(False)
    policy_loss.backward()

When it is silent:
    Losses that are meant to be added: where both reach parameters of both optimizers, and
    where the network that gets both lies in front of the other one (a shared encoder).

References:
    https://docs.pytorch.org/tutorials/beginner/dcgan_faces_tutorial.html
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import permutations

from autograd_lens.doctor.evidence import Evidence
from autograd_lens.doctor.finding import Finding, Rule, listed, plural
from autograd_lens.doctor.ledger import Use
from autograd_lens.trace.kept import Optimizer
from autograd_lens.trace.records import Source

RULE = Rule("AL212", "losses-mixed-in-update", "error", "full")

_ENOUGH = 3
_HALF = 2


def check(evidence: Evidence) -> Iterator[Finding]:
    """Find updates with gradients of a loss that passed through."""
    updating = [one for one in evidence.optimizers if any(i is not None for i in one.holds)]
    for own, other in permutations(updating, 2):
        found = _mixed(evidence, own, other)
        if found is not None:
            yield _finding(evidence, own, other, *found)
            return


def _held(optimizer: Optimizer) -> set[int]:
    return {index for index in optimizer.holds if index is not None}


def _mixed(evidence: Evidence, own: Optimizer, other: Optimizer) -> tuple[list[Use], int] | None:
    """Updates of the own parameters with the other's loss, and that loss's graph."""
    mine, theirs = _held(own), _held(other)
    if mine & theirs:
        return None
    reached = {number: _reached(evidence, number) for number in _numbers(evidence)}
    alone = {number for number, got in reached.items() if got & mine and not got & theirs}
    through = {number for number, got in reached.items() if got & mine and got & theirs}
    if not alone or not through or not _passes(evidence, mine, theirs):
        return None
    updates = [use for index in sorted(mine) for use in evidence.ledger.uses(index) if use.used]
    mixed = [use for use in updates if alone & set(use.writers) and through & set(use.writers)]
    if len(mixed) < _ENOUGH or _HALF * len(mixed) < len(updates):
        return None
    return mixed, next(number for number in mixed[0].writers if number in through)


def _numbers(evidence: Evidence) -> list[int]:
    numbers = sorted({run.row.graph for run in evidence.runs})
    return [one for one in numbers if evidence.ledger.graph(one).kind == "backward"]


def _reached(evidence: Evidence, number: int) -> set[int]:
    return set(evidence.ledger.graph(number).reached)


def _passes(evidence: Evidence, mine: set[int], theirs: set[int]) -> bool:
    """Whether a backward that reaches both comes to the own parameters first."""
    names = [parameter.name for parameter in evidence.parameters]
    for step in evidence.full:
        for backward in step.backwards:
            order = [names.index(one.parameter) for one in backward.grad_writes]
            first = [place for place, index in enumerate(order) if index in mine]
            last = [place for place, index in enumerate(order) if index in theirs]
            if first and last:
                return max(first) < min(last)
    return False


def _finding(
    evidence: Evidence, own: Optimizer, other: Optimizer, mixed: list[Use], through: int
) -> Finding:
    foreign = evidence.ledger.graph(through).source
    names = listed(evidence.names(sorted({use.index for use in mixed})))
    source = _update(evidence, own) or foreign
    return RULE.finding(
        title=f"{own.name} updates with gradients of the loss that {other.name} minimizes",
        message=f"""`{evidence.line(foreign)}` passes through {names} on its way to what
            {other.name} updates, and leaves gradients there. They were not cleared: in step
            {mixed[0].step} and {plural(len({use.step for use in mixed}), "step")} in all,
            {own.name} used them together with those of its own loss.""",
        fix=f"{own.name}.zero_grad()  # before its own loss.backward(), with step() right after it",
        step=mixed[0].step,
        events=(f"{evidence.parameters[mixed[0].index].name}.grad after each backward",),
        source=source,
    )


def _update(evidence: Evidence, own: Optimizer) -> Source | None:
    """The line that makes the update."""
    held = set(evidence.names(sorted(_held(own))))
    updates = (update for step in evidence.full for update in step.updates)
    return next((one.source for one in updates if one.parameter in held), None)
