"""A recurrent state is detached at every turn: nothing is learned from further back.

What it finds:
    A layer that runs several times in a step, each time on the detached result of the time
    before, so that backward() goes through the last one alone.

Why it is bad:
    The gradient knows one turn. What the state should carry from the turns before is not learned,
    and the graphs of the earlier turns are built for nothing.

Evidence it needs:
    A full step: which results of a layer a detach() passes on, and which of them a backward came
    to.

Example:
    for x_t in sequence:
        h = cell(x_t, h.detach())

Corrected:
    h = h.detach()               # once, before the sequence
    for x_t in sequence:
        h = cell(x_t, h)

When it is silent:
    States that are cut between steps, or handed on by another way as well; turns that each have
    a loss of their own, and turns of an evaluation.

References:
    https://docs.pytorch.org/docs/stable/generated/torch.Tensor.detach.html
"""

from __future__ import annotations

from collections.abc import Iterator

from autograd_lens.doctor.evidence import Evidence
from autograd_lens.doctor.finding import Finding, Rule, plural
from autograd_lens.doctor.tape import kept_for_backward
from autograd_lens.trace.graph import TapeIndex, operator_name, tensors
from autograd_lens.trace.records import Kernel, Step

RULE = Rule("AL224", "state-cut-each-turn", "warning", "full")

_FEWEST = 2  # cuts in a step


def check(evidence: Evidence) -> Iterator[Finding]:
    """Find the line that cuts."""
    for step in evidence.full:
        for cuts in _cuts(step).values():
            last = step.kernels[max(cuts)]  # else no turn is learned from: it is an evaluation
            if len(cuts) >= _FEWEST and last.node is not None:
                yield _finding(evidence, step, list(cuts.values()))
                return


def _cuts(step: Step) -> dict[int, dict[int, Kernel]]:
    """Line -> its detach() of results that no backward came to, by the kernel that works on.

    Of the states of several layers, cut between the same two turns, one stands for all.
    """
    tape = TapeIndex(step)
    found: dict[int, dict[int, Kernel]] = {}
    for kernel in step.kernels:
        if operator_name(kernel) != "detach" or kernel.phase != "forward" or not kernel.source:
            continue
        maker = tape.maker(next(tensors(kernel.inputs)).tensor, kernel.index)
        turn = _next_turn(tape, kernel, maker) if maker is not None else None
        if turn is not None:
            found.setdefault(kernel.source.line, {}).setdefault(turn.index, kernel)
    return found


def _next_turn(tape: TapeIndex, cut: Kernel, maker: Kernel) -> Kernel | None:
    """The first kernel of the line that made a cut result which works on with it.

    None where the result is of another use as well.
    """
    used = any(one.node is not None for one in tape.readers(maker.outputs[0].tensor))
    goes_on = any(
        one.node is not None
        for use in tensors(maker.inputs)
        if tape.maker(use.tensor, maker.index) is not None
        for one in tape.readers(use.tensor)
    )
    if (
        not maker.requires_grad
        or maker.node is not None
        or used
        or goes_on
        or kept_for_backward(tape, cut)
        or cut.source is None
        or maker.source is None
    ):
        return None
    later = (
        kernel
        for kernel in tape.kernels[cut.index + 1 :]
        if kernel.phase == "forward" and kernel.requires_grad
        if kernel.op == maker.op and kernel.module == maker.module
    )
    following = next((one for one in later if one.source == maker.source), None)
    reads = following is not None and any(
        one.index == cut.index
        for use in tensors(following.inputs)
        for one in tape.ancestors(use.tensor, following.index)
    )
    return following if reads else None


def _finding(evidence: Evidence, step: Step, cuts: list[Kernel]) -> Finding:
    cut = cuts[0]
    return RULE.finding(
        title=f"the state is detached {plural(len(cuts), 'time')} within a step",
        message=f"""In step {step.index}, `{evidence.line(cut.source)}` cut
            {plural(len(cuts), "result")} off, each of which went into the next turn and into no
            loss: backward() goes through the last turn alone.""",
        fix="h = h.detach()  # once, before the sequence",
        step=step.index,
        kernel=cut,
    )
