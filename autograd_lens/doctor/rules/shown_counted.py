"""A loss on hidden parts counts the parts that were shown.

What it finds:
    Places of the input that a mask replaces with a learned token or with 0, and a loss of the
    reconstruction that is multiplied with 1 at all other places and with 0 at these.

Why it is bad:
    The model is asked for what it sees, which it has only to copy, and never for what was hidden.

Evidence it needs:
    Two full steps: the mask in front of the model, and the weights of the loss.

Example:
    loss = (err * (~hidden).float()).sum() / (~hidden).sum()

Corrected:
    loss = (err * hidden.float()).sum() / hidden.sum()

When it is silent:
    Masks of padding, which is nothing anyway, and losses that count all places.

References:
    https://arxiv.org/abs/2111.06377
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from autograd_lens.doctor.cases import Case, told
from autograd_lens.doctor.evidence import Evidence
from autograd_lens.doctor.finding import Finding, Rule
from autograd_lens.doctor.tape import compared, made_of
from autograd_lens.trace.graph import TapeIndex, argument, constant, operator_name, tensors
from autograd_lens.trace.records import Kernel, TensorUse

RULE = Rule("AL438", "shown-counted", "error", "full")

_PAIR = 2
_Mask = npt.NDArray[np.bool_]


def check(evidence: Evidence) -> Iterator[Finding]:
    """Find the first such loss."""
    yield from told(RULE, evidence, lambda tape: [_case(tape)], fewest=_PAIR)
    yield from told(RULE, evidence, lambda tape: [_copied(tape)], fewest=_PAIR)


def _copied(tape: TapeIndex) -> Case | None:
    """Words of which those count that the model is given, and those do not that it is not."""
    texts = [argument(one, "indices") for one in tape.kernels if operator_name(one) == "embedding"]
    for loss in tape.kernels:
        label = argument(loss, "target") if operator_name(loss).startswith("nll_loss") else None
        ignored, value = constant(loss, "ignore_index"), label.value if label is not None else None
        for text in texts if len(texts) == 1 and loss.requires_grad else ():
            words = text.value if text is not None else None
            if value is None or words is None or not (value.complete and words.complete):
                continue
            if value.numel != words.numel:
                continue
            read, wanted = words.array.ravel(), value.array.ravel()
            counts = wanted != ignored
            if counts.all() or not counts.any() or not np.array_equal(read[counts], wanted[counts]):
                continue
            hidden = np.unique(read[~counts])
            if hidden.size == 1 and not (read[counts] == hidden[0]).any():
                return Case(
                    loss,
                    "the loss counts the words that are shown and ignores the hidden ones",
                    f"""at all {int(counts.sum())} places that count the model is given the very
                    word that it is to say, and the {int((~counts).sum())} places that were hidden,
                    all of them word {int(hidden[0])}, are ignored""",
                    "labels[~chosen] = -100  # what was not hidden",
                )
    return None


def _case(tape: TapeIndex) -> Case | None:
    hidden = [mask for kernel in tape.kernels for mask in _hides(tape, kernel)]
    for kernel in tape.kernels if hidden else ():
        weight = _weighs(tape, kernel)
        for mask in hidden if weight is not None else ():
            if weight is not None and mask.size == weight.size and _opposite(mask, weight):
                return Case(
                    kernel,
                    "the loss counts what was shown and leaves out what was hidden",
                    """the errors are multiplied with 0 at all places that were hidden from the
                    model, and with 1 at all others""",
                    "loss = (err * hidden).sum() / hidden.sum()",
                )
    return None


def _opposite(mask: _Mask, weight: _Mask) -> bool:
    both = bool(mask.any()) and not bool(mask.all())
    return both and bool(np.all(mask.ravel() != weight.ravel()))


def _hides(tape: TapeIndex, kernel: Kernel) -> Iterator[_Mask]:
    """Where a kernel puts a learned token, or 0, in the place of data."""
    given = list(tensors(kernel.inputs))
    if kernel.phase != "forward":
        return
    if operator_name(kernel) == "where" and kernel.requires_grad and len(given) == _PAIR + 1:
        condition, one, other = given
        mask = _bits(condition)
        tokens = [_is_token(tape, use, kernel) for use in (one, other)]
        if mask is not None and sum(tokens) == 1:
            yield mask if tokens[0] else ~mask
    elif operator_name(kernel) == "mul" and not kernel.requires_grad and len(given) == _PAIR:
        for data, factor in (given, given[::-1]):
            mask, value = _bits(factor), data.value
            fits = mask is not None and value is not None and value.complete
            if not fits or mask is None or value is None or mask.shape != value.shape:
                continue
            if bool(value.array[~mask].astype(bool).any()):  # something was there
                yield ~mask


def _is_token(tape: TapeIndex, use: TensorUse, before: Kernel) -> bool:
    """Whether a tensor is a parameter, stretched over all places."""
    made = tape.maker(use.tensor, before.index)
    while made is not None and operator_name(made) in ("expand", "view", "unsqueeze", "_to_copy"):
        use = next(tensors(made.inputs))
        made = tape.maker(use.tensor, made.index)
    return use.spec.role == "parameter"


def _bits(use: TensorUse) -> _Mask | None:
    """A tensor of zeros and ones as a mask."""
    value = use.value
    if value is None or not value.complete or value.numel <= 1 or not use.spec.shape:
        return None
    array = value.array
    if array.dtype.kind != "b" and not set(np.unique(array).tolist()) <= {0, 1}:
        return None
    return array.astype(bool)


def _weighs(tape: TapeIndex, kernel: Kernel) -> _Mask | None:
    """The zeros and ones that a kernel multiplies the errors of a reconstruction with."""
    pair = list(tensors(kernel.inputs)) if operator_name(kernel) == "mul" else []
    if len(pair) != _PAIR or not kernel.requires_grad:
        return None
    carried = [use.tensor in tape.differentiable for use in pair]
    if sorted(carried) != [False, True]:
        return None
    errors, factor = pair if carried[0] else pair[::-1]
    made = tape.through_views(errors.tensor, kernel.index)
    if made is not None and operator_name(made) in ("mean", "sum"):
        made = tape.through_views(next(tensors(made.inputs)).tensor, made.index)
    sides = compared(tape, made) if made is not None else None
    known = sides is not None and any(made_of(tape, use.tensor, kernel.index) for use in sides)
    return _bits(factor) if known else None
