"""Copies of a network get the same gradients and hold other numbers.

What it finds:
    Networks of one shape, each parameter of which gets exactly the gradient of its namesake in
    another one, in every step, while they began with different numbers.

Why it is bad:
    Gradients are averaged over workers so that all copies stay one network. Copies that began apart
    stay apart, and the mean gradient is the gradient of none of them.

Evidence it needs:
    Light steps: gradients and values of all parameters.

Example:
    workers = [make_net(seed + rank) for rank in range(4)]   # and averaged gradients

Corrected:
    for worker in workers[1:]:
        worker.load_state_dict(workers[0].state_dict())

When it is silent:
    Copies that hold the same numbers, and single parameters that are added to each other.

References:
    https://docs.pytorch.org/docs/stable/notes/ddp.html
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from autograd_lens.doctor.evidence import Evidence, is_zero, same_bytes
from autograd_lens.doctor.finding import Finding, Rule
from autograd_lens.doctor.tape import gradient_used
from autograd_lens.trace.records import Step
from autograd_lens.trace.values import Value

RULE = Rule("AL229", "replicas-apart", "error", "full")

_FEWEST = 3  # steps
_PARTS = 3  # parameters of a network
_Used = Mapping[str, tuple[Value, Value]]  # parameter -> its gradient and what it held


def check(evidence: Evidence) -> Iterator[Finding]:
    """Find the first such pair of networks."""
    steps = [used for step in evidence.full if (used := _used(step))]
    if len(steps) < _FEWEST:
        return
    names = sorted(filter(None, {_owner(name, steps[0]) for name in steps[0]}))
    if len(names) <= 1:
        return
    first = names[0]
    for other in names[1:]:
        parts = [name.removeprefix(first) for name in steps[0] if name.startswith(f"{first}.")]
        if len(parts) >= _PARTS and all(_apart(used, first, other, parts) for used in steps):
            yield RULE.finding(
                title=f"{first} and {other} get the same gradients and are not the same",
                message=f"""In {len(steps)} steps the {len(parts)} parameters of {other} were
                    updated with exactly the gradients of those of {first}, and held other numbers:
                    they began apart. Where gradients are averaged, all copies have to begin
                    alike.""",
                fix=f"{other}.load_state_dict({first}.state_dict())  # before the loop",
                step=evidence.full[-1].index,
                source=evidence.loop,
            )
            return


def _used(step: Step) -> _Used:
    return {
        one.parameter: (grad, one.before)
        for one in step.updates
        if (grad := gradient_used(step, one)) is not None and one.before is not None
    }


def _owner(name: str, used: _Used) -> str:
    """The longest beginning of a name for which another name has the same rest."""
    pieces = name.split(".")
    for count in range(len(pieces) - 1, 0, -1):
        rest = ".".join(pieces[count:])
        own = ".".join(pieces[:count])
        if any(one.endswith(f".{rest}") and not one.startswith(f"{own}.") for one in used):
            parts = [one for one in used if one.startswith(f"{own}.")]
            if len(parts) >= _PARTS:
                return own
    return ""


def _apart(used: _Used, first: str, other: str, parts: list[str]) -> bool:
    pairs = [(used.get(first + part), used.get(other + part)) for part in parts]
    if any(one is None or two is None for one, two in pairs):
        return False
    known = [(one, two) for one, two in pairs if one is not None and two is not None]
    same = all(same_bytes(one[0], two[0]) for one, two in known)
    moves = any(not is_zero(one[0]) for one, _ in known)
    return same and moves and any(not same_bytes(one[1], two[1]) for one, two in known)
