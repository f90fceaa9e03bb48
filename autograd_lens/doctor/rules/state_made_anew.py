"""An optimizer forgets its state, or spoils it: zeros in every update, or a correction that stays.

What it finds:
    A buffer of momentum, or of squares, that each step makes anew as zeros and then decays, or that
    stays zero, because what comes of it is not kept; and one that each step divides by the
    correction of its bias in place.

Why it is bad:
    What was learned of the gradients before is lost. Momentum is none, and an average of squares
    is that of one gradient. A correction is meant for one step: in place, those of all steps
    before pile up.

Evidence it needs:
    Full steps: zeros that are made in the update and multiplied with a factor there; a buffer that
    is decayed and divided, in place, by another number in each step.

Example:
    buffer = torch.zeros_like(p)
    buffer.mul_(0.9).add_(p.grad)
    p.sub_(lr * buffer)

Corrected:
    buffer = self.state[p].setdefault("buffer", torch.zeros_like(p))
    buffer.mul_(0.9).add_(p.grad)
    p.sub_(lr * buffer)

When it is silent:
    First updates, and zeros that are only added to.

References:
    https://docs.pytorch.org/docs/stable/optim.html
"""

from __future__ import annotations

from collections.abc import Iterator

from autograd_lens.doctor.evidence import Evidence, is_zero
from autograd_lens.doctor.finding import Finding, Rule, number
from autograd_lens.trace.graph import TapeIndex, argument, constant, operator_name
from autograd_lens.trace.records import Kernel, Step

RULE = Rule("AL517", "state-made-anew", "error", "full")

_ZEROS = frozenset({"zeros_like", "zeros", "new_zeros"})
_DECAYS = frozenset({"mul_", "lerp_", "mul"})
_FEWEST = 3  # full steps


def check(evidence: Evidence) -> Iterator[Finding]:
    """Find zeros that every update decays."""
    steps = [step for step in evidence.full if step.updates]
    yield from _corrected(evidence, steps)
    yield from _left_at_zero(evidence, steps[1:])
    found = [_decayed(step) for step in steps]
    if len(steps) < _FEWEST or not all(found):
        return
    step, (made, used) = steps[-1], found[-1][0]
    yield RULE.finding(
        title="a buffer of the optimizer is made anew in every update",
        message=f"""In step {step.index} and all others that were recorded in full,
            `{evidence.line(made.source)}` made zeros and `{evidence.line(used.source)}` decayed
            them: what the steps before left there is gone.""",
        fix='state.setdefault("buffer", torch.zeros_like(p))  # made in the first step alone',
        step=step.index,
        events=(f"kernel {made.index} {made.op}", f"kernel {used.index} {used.op}"),
        source=made.source,
    )


def _left_at_zero(evidence: Evidence, steps: list[Step]) -> Iterator[Finding]:
    """A buffer that each update decays and adds to, and that no update ever writes."""
    found = [next(_zeros_from_before(step), None) for step in steps]
    known = [one for one in found if one is not None]
    if len(known) < max(len(found), _FEWEST):
        return
    yield RULE.finding(
        title="a buffer of the optimizer stays zero",
        message=f"""In step {steps[-1].index} and all others that were recorded in full,
            `{evidence.line(known[-1].source).strip()}` decays a buffer from before that is all
            zero: what comes of it is used and not kept, so the steps before leave nothing.""",
        fix="buffer.mul_(0.9).add_(p.grad)  # in place: the buffer itself",
        step=steps[-1].index,
        kernel=known[-1],
    )


def _zeros_from_before(step: Step) -> Iterator[Kernel]:
    """Kernels of an update that decay zeros which no kernel of the step made."""
    tape = TapeIndex(step)
    for kernel in step.kernels:
        target = argument(kernel, "self") if operator_name(kernel) == "mul" else None
        if target is None or kernel.phase != "update" or target.value is None:
            continue
        outside = tape.maker(target.tensor, kernel.index) is None
        own = target.spec.role not in ("gradient", "parameter") and target.value.numel > 1
        decays = outside and own and bool(constant(kernel, "other"))
        if decays and is_zero(target.value) and not tape.writers(target.tensor):
            yield kernel


def _corrected(evidence: Evidence, steps: list[Step]) -> Iterator[Finding]:
    """A decayed buffer that is divided in place, by a number that changes."""
    found = [next(_divided(step), None) for step in steps]
    known = [one for one in found if one is not None]
    numbers = {constant(kernel, "other") for kernel in known}
    if len(known) < max(len(found), _FEWEST) or len(numbers) < _FEWEST:
        return
    step, kernel = steps[-1], known[-1]
    yield RULE.finding(
        title="a buffer of the optimizer is corrected in place",
        message=f"""`{evidence.line(kernel.source)}` divides the buffer itself, in step {step.index}
            by {number(constant(kernel, "other") or 0.0)}: the next step decays what was corrected
            already, and corrects it again.""",
        fix="m_hat = m.div(1 - beta**t)  # a new tensor, without the underscore",
        step=step.index,
        kernel=kernel,
    )


def _divided(step: Step) -> Iterator[Kernel]:
    """The kernels of an update that divide, in place, what it decayed before."""
    decayed = set[int]()
    for kernel in step.kernels if step.updates else ():
        target, name = argument(kernel, "self"), operator_name(kernel)
        if target is None or kernel.phase in ("forward", "backward"):
            continue
        if target.spec.role in ("parameter", "gradient"):
            continue
        if name in ("mul_", "lerp_"):
            decayed.add(target.tensor)
        elif name == "div_" and target.tensor in decayed and constant(kernel, "other"):
            yield kernel


def _decayed(step: Step) -> list[tuple[Kernel, Kernel]]:
    """The kernels of an update that make zeros, each with the one that decays them."""
    tape, found = TapeIndex(step), list[tuple[Kernel, Kernel]]()
    for kernel in step.kernels:
        target = argument(kernel, "self") if operator_name(kernel) in _DECAYS else None
        made = tape.maker(target.tensor, kernel.index) if target is not None else None
        factor = constant(kernel, "other") or constant(kernel, "weight")
        zeros = made is not None and operator_name(made) in _ZEROS and made.phase != "forward"
        if made is not None and zeros and factor and made.phase != "backward":
            found.append((made, kernel))
    return found
