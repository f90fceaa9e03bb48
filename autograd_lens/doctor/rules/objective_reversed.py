"""The training makes worse what it is to make better: a sign is wrong.

What it finds:
    A loss that cannot be negative, as cross-entropy, behind a minus; log-probabilities of the
    labels that are minimised; a divergence of a VAE with the wrong sign; log-probabilities of
    actions times a reward or an advantage, without the minus; scores of a linear layer that all
    count with the same sign, as a critic's of real and fake samples.

Why it is bad:
    The optimizer goes down: what should shrink grows without end, and the number that is printed
    falls all the way.

Evidence it needs:
    A full step: the terms of the loss and the factor of each.

Example:
    loss = F.log_softmax(model(x), 1).gather(1, label).mean()

Corrected:
    loss = -F.log_softmax(model(x), 1).gather(1, label).mean()

When it is silent:
    A loss with a minus in programs with several optimizers or calls of backward, where one network
    may work against another, and where something other than weights is trained, as in an attack
    on the inputs.

References:
    https://docs.pytorch.org/docs/stable/optim.html
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice

from autograd_lens.doctor.cases import Case, told
from autograd_lens.doctor.evidence import Evidence
from autograd_lens.doctor.finding import Finding, Rule
from autograd_lens.doctor.tape import LOSSES
from autograd_lens.doctor.terms import Term, likelihoods, loss_terms
from autograd_lens.trace.graph import TapeIndex, argument, operator_name, tensors
from autograd_lens.trace.records import Kernel

RULE = Rule("AL415", "objective-reversed", "error", "full", explains=("AL501", "AL505"))

_MATRICES = {"mm": "mat2", "addmm": "mat2", "convolution": "weight", "bmm": "mat2"}
_GAIN = re.compile(r"reward|return|advantage|\badv|gain|payoff", re.IGNORECASE)
_PAIR = 2


def check(evidence: Evidence) -> Iterator[Finding]:
    """Find objectives with a wrong sign."""
    yield from islice(told(RULE, evidence, lambda tape: _cases(evidence, tape)), 1)


def _cases(evidence: Evidence, tape: TapeIndex) -> Iterator[Case | None]:
    for backward in range(len(tape.step.backwards)):
        terms = loss_terms(tape, backward)
        yield _divergence(terms) or _reward(evidence, tape, terms)
        yield _unbounded(tape, terms, backward)
        if _alone(evidence, tape):
            yield _maximised(tape, terms)


def _alone(evidence: Evidence, tape: TapeIndex) -> bool:
    """Whether nothing else trains, and what trains is weights."""
    lines = {one.source.line for one in evidence.graphs if one.source and one.kind == "backward"}
    return len(lines) == 1 and len(evidence.optimizers) <= 1 and _trains_weights(tape)


def _trains_weights(tape: TapeIndex) -> bool:
    """Whether an updated parameter is the matrix or the filter of a kernel."""
    updated = {update.parameter for update in tape.step.updates}
    given = (
        argument(kernel, _MATRICES[operator_name(kernel)])
        for kernel in tape.kernels
        if kernel.phase == "forward" and operator_name(kernel) in _MATRICES
    )
    return any(
        base in updated for use in given if use is not None for base in _behind_views(tape, use)
    )


def _behind_views(tape: TapeIndex, use: object) -> Iterator[str]:
    """The name of a tensor, and of the one that it is a view of."""
    spec = getattr(use, "spec", None)
    if spec is not None:
        yield spec.name
        for kernel in tape.views(getattr(use, "tensor", -1)):
            yield from (one.spec.name for one in tensors(kernel.inputs))


def _maximised(tape: TapeIndex, terms: list[Term]) -> Case | None:
    """Every term is a loss with a minus, or the logarithm of a probability without one."""
    found = [one for one in terms if _turned(tape, one)]
    if not found or len(found) < len(terms):
        return None
    term = found[0]
    name = operator_name(term.kernel).removesuffix("_forward").strip("_")
    if name in {one.removesuffix("_forward") for one in LOSSES}:
        return Case(
            term.by or _last(tape),
            f"{name} is maximised",
            f"""{name} is never negative and goes into the loss with the factor {term.weight:.4g}:
            going down, the optimizer makes it larger, without end""",
            "loss = loss_fn(prediction, target)  # without the minus",
        )
    return Case(
        _last(tape),
        "the logarithm of the labels' probability is minimised",
        f"""the loss is made of logarithms of probabilities with the factor {term.weight:.4g}: the
        lower it falls, the less probable is what the model is to say""",
        "loss = -log_probabilities.gather(1, label).mean()",
    )


def _turned(tape: TapeIndex, term: Term) -> bool:
    if operator_name(term.kernel) in LOSSES:
        return term.weight < 0
    return term.weight > 0 and any(likelihoods(tape, term.use, term.kernel.index + 1))


def _last(tape: TapeIndex) -> Kernel:
    return tape.loss_kernel() or tape.kernels[-1]


def _divergence(terms: list[Term]) -> Case | None:
    """``exp(v)`` falls while ``v`` rises: the divergence of a Gaussian, upside down."""
    for term in terms:
        if operator_name(term.kernel) != "exp" or term.weight >= 0:
            continue
        logarithm = next(tensors(term.kernel.inputs)).tensor
        if any(one.use.tensor == logarithm and one.weight > 0 for one in terms):
            return Case(
                term.kernel,
                "the divergence has the wrong sign",
                f"""the loss holds v with a plus and exp(v) with the factor {term.weight:.4g}: that
                is the divergence from the unit Gaussian with a minus in front. It is never above
                0, and the optimizer makes it fall without end""",
                "kl = -0.5 * (1 + logvar - mu**2 - logvar.exp()).sum(1).mean()",
            )
    return None


def _unbounded(tape: TapeIndex, terms: list[Term], backward: int) -> Case | None:
    """Nothing but results of one linear layer with a bias, all with the same sign."""
    biases = {_bias(term.kernel) for term in terms}
    if len(terms) < _PAIR or len(biases) > 1 or "" in biases:
        return None
    signs = {term.weight > 0 for term in terms}
    (bias,), last = biases, tape.loss_kernel(backward)
    if len(signs) > 1 or bias not in _updated_next(tape, backward) or last is None:
        return None
    return Case(
        last,
        "all scores go up together, or down",
        f"""the loss is made of {len(terms)} results of one linear layer, all with the same sign:
        its bias {bias} alone can make it fall without end, and nothing is told apart""",
        "loss = fake_scores.mean() - real_scores.mean()",
    )


def _bias(kernel: Kernel) -> str:
    """The bias of a linear layer or convolution, ``""`` for other kernels."""
    place = {"addmm": "self", "convolution": "bias"}.get(operator_name(kernel), "")
    given = argument(kernel, place)
    return given.spec.name if given is not None and given.spec.role == "parameter" else ""


def _updated_next(tape: TapeIndex, backward: int) -> set[str]:
    """The parameters that are updated between a backward and the next."""
    runs = [one.index for one in tape.kernels if one.phase == "backward"]
    mine = [i for i in runs if tape.kernels[i].backward == backward]
    after = min((i for i in runs if tape.kernels[i].backward > backward), default=len(tape.kernels))
    span = range(max(mine, default=0), after)
    updates = tape.step.updates
    return {one.parameter for one in updates if any(kernel in span for kernel in one.kernels)}


def _reward(evidence: Evidence, tape: TapeIndex, terms: list[Term]) -> Case | None:
    """``log_prob * advantage`` without the minus."""
    for term in terms:
        pair = list(tensors(term.kernel.inputs)) if operator_name(term.kernel) == "mul" else []
        if len(pair) != _PAIR or term.weight <= 0:
            continue
        for use, other in (pair, pair[::-1]):
            gain = other.spec.name or evidence.line(term.kernel.source)
            chosen = any(likelihoods(tape, use, term.kernel.index))
            if chosen and _GAIN.search(gain) and not _negated(tape, other.tensor, term.kernel):
                return Case(
                    term.kernel,
                    "the reward is minimised",
                    """log-probabilities of actions are multiplied with what they earned, and the
                    product goes into the loss without a minus: what earned most becomes least
                    probable""",
                    "loss = -(log_prob * advantage).mean()",
                )
    return None


def _negated(tape: TapeIndex, tensor: int, before: Kernel) -> bool:
    return any(operator_name(one) == "neg" for one in tape.ancestors(tensor, before.index))
