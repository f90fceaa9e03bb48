"""Scores are computed for the loss, and the loss is given others.

What it finds:
    A result with a gradient that is computed, by several kernels of its own, from what a
    cross-entropy is given, in the same shape, and that nothing ever reads: margins and a scale,
    say.

Why it is bad:
    All that was done to the scores has no effect on the training.

Evidence it needs:
    Full steps: who reads the results.

Example:
    output = torch.where(own, cosine - margin, cosine) * scale
    loss = F.cross_entropy(cosine, label)

Corrected:
    output = torch.where(own, cosine - margin, cosine) * scale
    loss = F.cross_entropy(output, label)

When it is silent:
    Probabilities and predictions, which are computed to be looked at, and results that any step
    reads.

References:
    https://arxiv.org/abs/1801.07698
"""

from __future__ import annotations

from collections.abc import Iterator

from autograd_lens.doctor.cases import Case, told
from autograd_lens.doctor.evidence import Evidence
from autograd_lens.doctor.finding import Finding, Rule
from autograd_lens.doctor.tape import training_path
from autograd_lens.trace.graph import TapeIndex, argument, operator_name, tensors
from autograd_lens.trace.records import Kernel

RULE = Rule("AL439", "scores-unused", "error", "full")

_FEWEST = 3  # kernels, and steps
_ENDS = frozenset({"mul", "add", "sub", "div", "where"})
_LOOKED_AT = frozenset({"_softmax", "_log_softmax", "sigmoid", "argmax", "max", "exp", "tanh"})


def check(evidence: Evidence) -> Iterator[Finding]:
    """Find the first such scores."""
    every = max(_FEWEST, len(evidence.tapes))
    yield from told(RULE, evidence, lambda tape: [_case(tape)], fewest=every)


def _case(tape: TapeIndex) -> Case | None:
    scored = [one for one in tape.kernels if operator_name(one) == "_log_softmax"]
    trains = training_path(tape.step) if scored else frozenset[int]()
    for softmax in scored:
        given = argument(softmax, "self")
        for kernel in tape.kernels if given is not None and softmax.index in trains else ():
            made = kernel.outputs[0] if kernel.outputs else None
            ends = operator_name(kernel) in _ENDS and kernel.requires_grad
            if not ends or made is None or kernel.index in trains or tape.readers(made.tensor):
                continue
            if given is not None and made.spec.shape == given.spec.shape:
                own = _own(tape, kernel, trains)
                if len(own) >= _FEWEST and _reads(own, given.tensor):
                    return Case(
                        kernel,
                        "scores are computed and the loss is given others",
                        f"""{len(own)} kernels computed a result of the shape of the scores, from
                        these, with a gradient, and nothing reads it; the loss is given what it was
                        computed from""",
                        "loss = F.cross_entropy(output, label)",
                        softmax.source,
                    )
    return None


def _own(tape: TapeIndex, kernel: Kernel, trains: frozenset[int]) -> list[Kernel]:
    """The kernels that lead to a result and not to the loss; none where it is to be looked at."""
    behind = [kernel, *tape.ancestors(kernel.outputs[0].tensor, kernel.index + 1)]
    own = [one for one in behind if one.index not in trains and one.requires_grad]
    own = list({one.index: one for one in own}.values())
    return [] if any(operator_name(one) in _LOOKED_AT for one in own) else own


def _reads(kernels: list[Kernel], tensor: int) -> bool:
    return any(use.tensor == tensor for one in kernels for use in tensors(one.inputs))
