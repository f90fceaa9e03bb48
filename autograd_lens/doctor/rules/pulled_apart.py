"""What belongs together is pushed apart, and what does not is pulled together.

What it finds:
    Distances or scores of positives and of negatives, by the names that the program gives them,
    whose gradients have the wrong sign both: the loss falls where positives come to lie farther
    away, or are scored lower, and negatives nearer, or higher.

Why it is bad:
    The loss falls all the same, towards a space that is inside out.

Evidence it needs:
    A full step: the names, what made the numbers, and the gradients that arrived at them.

Example:
    loss = F.relu(d_neg - d_pos + margin).mean()

Corrected:
    loss = F.relu(d_pos - d_neg + margin).mean()

When it is silent:
    Names that do not tell, one of two only, gradients of both signs, and numbers that are neither
    distances nor products.

References:
    https://docs.pytorch.org/docs/stable/generated/torch.nn.TripletMarginLoss.html
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Literal

import numpy as np

from autograd_lens.doctor.cases import Case, told
from autograd_lens.doctor.evidence import Evidence
from autograd_lens.doctor.finding import Finding, Rule
from autograd_lens.trace.graph import TapeIndex, operator_name, tensors
from autograd_lens.trace.records import Kernel

RULE = Rule("AL448", "pulled-apart", "error", "full")

_GOOD = re.compile(
    r"(.*_)?(pos(itives?)?|ap|same|chosen|winners?|preferred|clicked|real_triples?)(_.*)?|.*pos"
)
_BAD = re.compile(
    r"(.*_)?(neg(atives?)?|an|different|rejected|losers?|corrupted|dispreferred)(_.*)?|.*neg"
)
_FAR = re.compile(r".*(dist|energy|(^|_)d(_|$)).*|d_?(pos|neg|ap|an)")
_NEAR = re.compile(
    r".*(sim|score|logit|logp|log_prob|reward|cos|(^|_)s(_|$)).*|s_?(pos|neg)|pos|neg"
)
_DISTANCES = frozenset({"linalg_vector_norm", "norm", "_euclidean_dist", "_cdist_forward", "sqrt"})
_FEWEST = 2


def check(evidence: Evidence) -> Iterator[Finding]:
    """Find the first such pair."""
    yield from told(
        RULE, evidence, lambda tape: [_case(tape)], fewest=min(_FEWEST, len(evidence.tapes))
    )


def _case(tape: TapeIndex) -> Case | None:
    found: dict[tuple[str, str], Kernel] = {}
    wrong: dict[str, tuple[str, Kernel]] = {}
    for kernel in tape.kernels:
        name = next((use.spec.name for use in kernel.outputs if use.spec.name), "")
        side = _side(name) if kernel.requires_grad and kernel.phase == "forward" else None
        kind = _kind(tape, kernel, name) if side is not None else None
        sign = _sign(tape, kernel) if kind is not None else 0
        if side is None or kind is None or not sign:
            continue
        wanted = (1 if kind == "far" else -1) * (1 if side == "good" else -1)
        found[side, kind] = kernel
        if sign != wanted:
            wrong[side] = name, kernel
    if len(wrong) < _FEWEST or len(found) != _FEWEST:
        return None
    (good, kernel), (bad, _) = wrong["good"], wrong["bad"]
    readers = tape.readers(kernel.outputs[0].tensor)
    reader = next((one for one in readers if one.requires_grad), kernel)
    return Case(
        reader,
        f"{good} is pushed apart, and {bad} pulled together",
        f"""the loss falls where {good} gets worse and {bad} better: the gradients that arrive at
        both have the sign that the other one should have""",
        "loss = F.relu(distance_to_positive - distance_to_negative + margin).mean()",
    )


def _side(name: str) -> Literal["good", "bad"] | None:
    low = name.lower().rpartition(".")[2]
    good, bad = bool(_GOOD.fullmatch(low)), bool(_BAD.fullmatch(low))
    return None if good == bad else "good" if good else "bad"


def _kind(tape: TapeIndex, kernel: Kernel, name: str) -> Literal["far", "near"] | None:
    """Whether numbers are larger for what is far apart, or for what is near; None for others."""
    maker = tape.through_views(kernel.outputs[0].tensor, kernel.index + 1)
    if maker is None or (
        len(kernel.outputs[0].spec.shape) > 1 and kernel.outputs[0].spec.shape[-1] > 1
    ):
        return None
    made = operator_name(maker)
    if made == "sum":
        first = tape.maker(next(tensors(maker.inputs)).tensor, maker.index)
        squared = first is not None and operator_name(first) in ("pow", "abs", "square")
        product = first is not None and operator_name(first) == "mul"
        if squared or product:
            return "far" if squared else "near"
    if made in _DISTANCES:
        return "far"
    low = name.lower().rpartition(".")[2]
    far, near = bool(_FAR.fullmatch(low)), bool(_NEAR.fullmatch(low))
    if far != near and made in ("addmm", "mm", "add", "sub", "gather", "sum", "div", "mul"):
        return "far" if far else "near"
    return None


def _sign(tape: TapeIndex, kernel: Kernel) -> int:
    """The sign of all gradients that arrived at a result; 0 where both occur, or none is known."""
    node = tape.node_of(kernel)
    run = tape.run_of(node.index, kernel.backward) if node is not None else None
    grad = run.grad_outputs[0] if run is not None and run.grad_outputs else None
    if grad is None or not grad.complete or not grad.numel:
        return 0
    lowest, highest = float(np.min(grad.array)), float(np.max(grad.array))
    return 1 if lowest >= 0 < highest else -1 if highest <= 0 > lowest else 0
