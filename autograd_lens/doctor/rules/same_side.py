"""Generator and discriminator pull the same way.

What it finds:
    A generator whose loss gives its fakes the label that the discriminator gives them as well.

Why it is bad:
    The generator is trained to be found out: it helps the discriminator instead of fooling it.

Evidence it needs:
    A full step with two binary cross-entropies on fakes: one that trains the generator, one on
    detached fakes that does not, and the labels of both.

Example:
    loss_d = bce(D(real), ones) + bce(D(fake.detach()), zeros)
    loss_g = bce(D(fake), zeros)

Corrected:
    loss_d = bce(D(real), ones) + bce(D(fake.detach()), zeros)
    loss_g = bce(D(fake), ones)

When it is silent:
    Losses behind a minus, labels that differ from sample to sample, and fakes that the
    discriminator's loss does not detach.

References:
    https://arxiv.org/abs/1406.2661
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from autograd_lens.doctor.evidence import Evidence
from autograd_lens.doctor.finding import Finding, Rule, listed, number
from autograd_lens.doctor.tape import compared, made_of, parameters_behind
from autograd_lens.doctor.terms import loss_terms
from autograd_lens.trace.graph import TapeIndex, operator_name
from autograd_lens.trace.records import Kernel

RULE = Rule("AL418", "same-side", "error", "full")

_HALF = 0.5


@dataclass(frozen=True, slots=True)
class _Judged:
    """One cross-entropy of fakes, or of real samples.

    Attributes:
        kernel: The kernel.
        label: The one label of all its samples.
        trains: The parameters that its gradient reaches.
        made_of: All parameters that its input was computed with, those behind detach() too.
    """

    kernel: Kernel
    label: float
    trains: set[str]
    made_of: set[str]


def check(evidence: Evidence) -> Iterator[Finding]:
    """Find a generator that helps."""
    for tape in evidence.tapes:
        judged = [one for one in _judged(tape) if one.trains]
        for fooling in judged:
            for telling in judged:
                generator = fooling.trains - telling.trains
                detached = telling.trains < fooling.trains and generator <= telling.made_of
                same = (fooling.label > _HALF) == (telling.label > _HALF)
                if generator and detached and same and _tells_apart(judged, telling):
                    yield _finding(evidence, tape.step.index, fooling, telling, sorted(generator))
                    return


def _judged(tape: TapeIndex) -> Iterator[_Judged]:
    """The binary cross-entropies that losses add up, as far as they have one label."""
    for backward in range(len(tape.step.backwards)):
        for term in loss_terms(tape, backward):
            kernel, sides = term.kernel, compared(tape, term.kernel)
            binary = operator_name(kernel).startswith("binary_cross_entropy")
            if not binary or term.weight <= 0 or sides is None or sides[1].value is None:
                continue
            value = sides[1].value
            if value.complete and value.numel and value.array.min() == value.array.max():
                trains = parameters_behind(tape, sides[0].tensor, kernel.index)
                made = made_of(tape, sides[0].tensor, kernel.index)
                yield _Judged(kernel, float(value.array.max()), trains, made)


def _tells_apart(judged: list[_Judged], telling: _Judged) -> bool:
    """Whether the same network is given the other label for something else."""
    return any(
        one.trains == telling.trains and (one.label > _HALF) != (telling.label > _HALF)
        for one in judged
    )


def _finding(
    evidence: Evidence, step: int, fooling: _Judged, telling: _Judged, names: list[str]
) -> Finding:
    kernel = fooling.kernel
    return RULE.finding(
        title=f"the generator asks for the label {number(fooling.label)}, as its opponent does",
        message=f"""In step {step}, `{evidence.line(kernel.source)}` trains {listed(names)} so that
            the fakes get the label {number(fooling.label)}. The loss that trains the other network
            on detached fakes (`{evidence.line(telling.kernel.source)}`) wants
            {number(telling.label)}, too.""",
        fix="criterion(D(fake), real_label)",
        step=step,
        events=tuple(f"kernel {one.index} {one.op}" for one in (kernel, telling.kernel)),
        source=kernel.source,
    )
