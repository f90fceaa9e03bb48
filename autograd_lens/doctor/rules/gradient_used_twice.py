"""Two optimizers update the same parameter with the same gradient.

What it finds:
    A parameter that two optimizers hold, and both use one gradient of in a step, with no backward
    in between: an encoder that is part of two models, each with an optimizer of its own.

Why it is bad:
    Every update is made twice, with two states of momentum that know nothing of each other: the
    rate of those parameters is twice what was asked for.

Evidence it needs:
    What the optimizers hold; a full step: which calls read ``.grad`` after which backward.

Example:
    one = Adam(encoder.parameters())
    two = Adam(contrast.parameters())   # contrast has the encoder inside
    loss.backward()
    one.step(); two.step()

Corrected:
    two = Adam(contrast.head.parameters())

When it is silent:
    Optimizers that share parameters and step after a backward of their own, and one that holds the
    other as its base.

References:
    https://docs.pytorch.org/docs/stable/optim.html#constructing-it
"""

from __future__ import annotations

from collections.abc import Iterator

from autograd_lens.doctor.evidence import Evidence
from autograd_lens.doctor.finding import Finding, Rule, listed
from autograd_lens.doctor.tape import Touch, life_lines
from autograd_lens.trace.records import Source, Step

RULE = Rule("AL112", "gradient-used-twice", "error", "full")


def check(evidence: Evidence) -> Iterator[Finding]:
    """Find parameters that two optimizers update with one gradient."""
    holders = evidence.ledger.holders
    shared = {
        evidence.parameters[index].name: names
        for index, held in holders.items()
        if len(names := list(dict.fromkeys(one.name for one, _ in held))) > 1
        and not any(one.startswith(f"{other}.") for one in names for other in names)
    }
    for step in evidence.full if shared else ():
        lines = life_lines(step)
        twice = {name: calls for name in shared if (calls := _calls(lines.get(name, ())))}
        if twice:
            yield _finding(evidence, step, twice, shared)
            return


def _calls(touches: tuple[Touch, ...] | list[Touch]) -> tuple[Source, Source] | None:
    """Two lines that use one and the same gradient."""
    first: Source | None = None
    for touch in touches:
        source = touch.kernel.source
        if touch.kind in ("written", "cleared"):
            first = None
        elif touch.kind == "used" and source is not None:
            if first is not None and source.line != first.line:
                return first, source
            first = first or source
    return None


def _finding(
    evidence: Evidence,
    step: Step,
    twice: dict[str, tuple[Source, Source]],
    shared: dict[str, list[str]],
) -> Finding:
    names = list(twice)
    one, other = twice[names[0]]
    holders = shared[names[0]]
    source = _made(evidence, holders[-1], other)
    return RULE.finding(
        title=f"{listed(holders)} update {listed(names)} with the same gradient",
        message=f"""In step {step.index}, `{evidence.line(one).strip()}` and
            `{evidence.line(other).strip()}` both used the gradient of {listed(names)} that one
            backward had written. Each of these parameters is held by {listed(holders)}, and moves
            twice for one gradient.""",
        fix=f"{holders[-1]} = ...  # only what no other optimizer holds",
        step=step.index,
        events=("what the optimizers hold",),
        source=source,
    )


def _made(evidence: Evidence, name: str, step: Source) -> Source:
    """The line that makes an optimizer, else where it steps."""
    kinds = {one.kind for one in evidence.optimizers}
    for call in evidence.code(step).makes(kinds):
        statement = evidence.line(Source.at(step.file, call.lineno))
        if statement.strip().startswith(f"{name} ="):
            return Source.at(step.file, call.lineno)
    return step
