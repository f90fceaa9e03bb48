"""Two outputs of one network are pulled together, and nothing holds different inputs apart.

What it finds:
    A loss all of whose terms are cosines or distances between outputs of the same layers, each side
    of which is trained: no data, no constant and no negative pair is part of it.

Why it is bad:
    The loss is smallest where the network says the same of everything, and soon it does.

Evidence it needs:
    A full step: the way from the loss back to the layers.

Example:
    loss = -(cosine(p1, z2) + cosine(p2, z1)).mean() / 2

Corrected:
    loss = -(cosine(p1, z2.detach()) + cosine(p2, z1.detach())).mean() / 2

When it is silent:
    Losses with anything else in them: a detached side, labels, logarithms, hinges, variances; and
    networks that do not share a parameter.

References:
    https://arxiv.org/abs/2011.10566
"""

from __future__ import annotations

from collections.abc import Iterator
from math import prod

from autograd_lens.doctor.cases import Case, told
from autograd_lens.doctor.evidence import Evidence
from autograd_lens.doctor.finding import Finding, Rule
from autograd_lens.doctor.tape import parameters_behind
from autograd_lens.doctor.terms import loss_terms
from autograd_lens.trace.graph import VIEWS, TapeIndex, operator_name, tensors
from autograd_lens.trace.records import Kernel, TensorUse

RULE = Rule("AL450", "nothing-apart", "error", "full")

_COMPARES = VIEWS | frozenset(
    (
        "abs",
        "add",
        "clamp_min",
        "clamp_min_",
        "clone",
        "div",
        "linalg_vector_norm",
        "mean",
        "mul",
        "neg",
        "pow",
        "rsub",
        "rsqrt",
        "sqrt",
        "square",
        "sub",
        "sum",
        "mse_loss",
        "l1_loss",
        "smooth_l1_loss",
    )
)
_LAYERS = frozenset({"addmm", "convolution", "mm", "native_batch_norm", "native_layer_norm"})
_PAIR = 2
_FEWEST = 2  # full steps
_DISTANCES = frozenset({"pow", "square", "abs", "mse_loss", "l1_loss", "smooth_l1_loss"})


def check(evidence: Evidence) -> Iterator[Finding]:
    """Find the first such loss."""
    fewest = max(_FEWEST, len(evidence.tapes) - 1)
    yield from told(RULE, evidence, lambda tape: [_case(tape)], fewest=fewest)


def _case(tape: TapeIndex) -> Case | None:
    if [one.kind for one in tape.step.backwards] != ["backward"]:
        return None
    root, terms = tape.loss_kernel(), loss_terms(tape, 0)
    if root is None or not terms or not all(_pulls(tape, one.kernel, one.weight) for one in terms):
        return None
    ends = _ends(tape, root)
    behind = [parameters_behind(tape, use.tensor, len(tape.kernels)) for use in ends or ()]
    if len(behind) < _PAIR or not set.intersection(*behind):
        return None
    return Case(
        root,
        "nothing in the loss holds the outputs apart",
        f"""all that the loss compares are {len(behind)} outputs of layers that share weights, and
        a gradient goes into every one of them: it is smallest where all inputs get the same
        output""",
        "target = encoder(other).detach()  # one side as a constant",
    )


def _pulls(tape: TapeIndex, kernel: Kernel, weight: float) -> bool:
    """Whether a term falls where both sides come nearer: a distance, or a product with a minus."""
    made: Kernel | None = kernel
    while made is not None and operator_name(made) in ("sum", "mean", "div", "sqrt"):
        made = tape.through_views(next(tensors(made.inputs)).tensor, made.index)
    if made is None:
        return False
    product = operator_name(made) == "mul"
    grown = [use for use in tensors(made.inputs) if use.tensor in tape.differentiable]
    if product:
        return weight < 0 and len(grown) == _PAIR and grown[0].tensor != grown[1].tensor
    return operator_name(made) in _DISTANCES and weight > 0


def _ends(tape: TapeIndex, root: Kernel) -> list[TensorUse] | None:
    """The outputs of layers that a loss compares; None where there is anything else in it."""
    waiting, seen, ends = [root], set[int](), dict[int, TensorUse]()
    while waiting:
        kernel = waiting.pop()
        if kernel.index in seen:
            continue
        seen.add(kernel.index)
        for use in tensors(kernel.inputs):
            made = tape.maker(use.tensor, kernel.index)
            if use.tensor not in tape.differentiable:
                if prod(use.spec.shape) > 1 or use.spec.role == "parameter":
                    return None
            elif made is not None and operator_name(made) in _COMPARES and not made.module:
                waiting.append(made)
            elif made is not None and (operator_name(made) in _LAYERS or made.module):
                ends[use.tensor] = use
            else:
                return None
    return list(ends.values())
