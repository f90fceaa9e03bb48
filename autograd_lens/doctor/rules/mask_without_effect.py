"""What is masked takes part all the same.

What it finds:
    Scores that are masked with a number near 0 before a softmax (``1e-9`` where ``-1e9`` was
    meant): they keep a share; or with a mask that is turned over, so that what is there is hidden
    and the padding is seen; or with one along the axis of the queries. A mean over losses of
    which a mask made some 0, in another part of each batch: they are counted; or one whose mask
    stands below the fraction line alone. Infinities of a mask that decide a hinge for all samples.

Why it is bad:
    Padding is attended to; batches with more padding weigh less than others.

Evidence it needs:
    Full steps: the mask, and what came of the masked elements.

Example:
    scores = scores.masked_fill(padding, 1e-9)
    loss = (losses * valid).mean()

Corrected:
    scores = scores.masked_fill(padding, float("-inf"))
    loss = (losses * valid).sum() / valid.sum()

When it is silent:
    Masks that leave the same share in every batch, masks that depend on the prediction, and
    products that are no losses of torch: a label of 0 or 1 chooses between two terms like that.

References:
    https://docs.pytorch.org/docs/stable/generated/torch.Tensor.masked_fill.html
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np

from autograd_lens.doctor.cases import Case
from autograd_lens.doctor.cases import told as told_of
from autograd_lens.doctor.evidence import Evidence
from autograd_lens.doctor.finding import Finding, Rule, number
from autograd_lens.doctor.tape import LOSSES, compared, trainable_behind, training_path
from autograd_lens.trace.graph import (
    TapeIndex,
    argument,
    constant,
    integers,
    operator_name,
    tensors,
)
from autograd_lens.trace.records import Kernel, Step, TensorUse
from autograd_lens.trace.values import Value

RULE = Rule("AL408", "mask-without-effect", "error", "full")

_SHARE = 1e-3
_MANY = 0.3  # of the rows
_AXES = 2
_HINGES = frozenset({"clamp", "clamp_min", "relu", "softplus"})
_CHOICES = frozenset({"amax", "amin", "max", "min", "sort", "topk"})
_HIDDEN = -1e3  # and less: no score
_FILLED = re.compile(r",\s*[-+.\de]+\)")
_FEWEST_STEPS = 3


def check(evidence: Evidence) -> Iterator[Finding]:
    """Find a mask of scores, and a mask of losses."""
    shares: dict[str, list[tuple[float, Step, Kernel]]] = {}
    told = False
    for step in evidence.full:
        tape, path = TapeIndex(step), training_path(step)
        for kernel in step.kernels:
            if kernel.index not in path:
                continue
            if not told and (share := _kept_share(tape, kernel)) > _SHARE:
                told = True
                yield _of_scores(evidence, step, kernel, share)
            masked = _masked_share(tape, kernel)
            if masked is not None:
                line = str(kernel.source.line if kernel.source else "")
                shares.setdefault(line, []).append((masked, step, kernel))
    for found in shares.values():
        if len(found) >= _FEWEST_STEPS and len({share for share, _, _ in found}) > 1:
            yield _of_losses(evidence, found)
            break
    yield from told_of(RULE, evidence, _cases)


def _cases(tape: TapeIndex) -> Iterator[Case | None]:
    for kernel in tape.kernels:
        if kernel.phase == "forward":
            yield _turned_over(tape, kernel)
            yield _of_other_heads(tape, kernel)
        if kernel.phase == "forward" and kernel.requires_grad:
            yield _of_queries(tape, kernel)
            yield _below_only(tape, kernel)
            yield _endless(tape, kernel)


def _turned_over(tape: TapeIndex, kernel: Kernel) -> Case | None:
    """Scores that are hidden just at the places at which the data hold something."""
    mask, filled = _hides(kernel)
    hidden = _of_places(mask)
    if hidden is None or filled > _HIDDEN or not _some(hidden):
        return None
    empty = [one for other in tape.kernels for one in _empty(tape, other, hidden.shape)]
    if not any(np.array_equal(hidden, ~one) for one in empty):
        return None
    if any(np.array_equal(hidden, one) for one in empty):
        return None
    return Case(
        kernel,
        "the mask hides what is there and leaves the padding",
        f"""the softmax is given {number(filled)} at all places that hold something, and its own
        scores at those that are padding: the mask is turned over""",
        "scores.masked_fill(~mask, float('-inf'))",
    )


def _hides(kernel: Kernel) -> tuple[np.ndarray | None, float]:
    """Where a kernel hides scores, and the number that it puts there."""
    if operator_name(kernel).startswith("masked_fill"):
        mask = argument(kernel, "mask")
        return (_array(mask.value) if mask is not None else None), constant(kernel, "value") or 0.0
    if operator_name(kernel) == "where":  # scaled_dot_product_attention with a mask of booleans
        given = list(tensors(kernel.inputs))
        kept = [_array(one.value) for one in given]
        if len(given) > _AXES and all(one is not None for one in kept):
            keeps, inside, outside = kept[:3]
            single = outside is not None and outside.size == 1 == getattr(inside, "size", 0)
            if keeps is not None and outside is not None and single and not np.any(inside):
                return ~keeps.astype(bool), float(outside.ravel()[0])
    return None, 0.0


def _of_other_heads(tape: TapeIndex, kernel: Kernel) -> Case | None:
    """A mask for each sample and head, laid out as (heads, samples) where heads come last."""
    mask, _ = _hides(kernel)
    use = argument(kernel, "mask")
    made = tape.through_views(use.tensor, kernel.index) if use is not None else None
    given = next(tensors(made.inputs), None) if made is not None else None
    if made is None or given is None or mask is None or mask.ndim != _AXES + 1:
        return None
    times = integers(made, "repeats")
    tiled = operator_name(made) == "repeat" and times[:1] > [1] and set(times[1:]) == {1}
    own = _array(given.value)
    if not tiled or own is None or len(own) <= 1 or not kernel.module:
        return None
    attends = any(
        operator_name(one) in ("baddbmm", "bmm") and one.outputs[0].spec.shape[0] == len(mask)
        for one in tape.kernels[kernel.index :]
        if one.module == kernel.module
    )
    if not attends or not bool((own != own[:1]).any()):
        return None
    return Case(
        made,
        "heads are masked by the masks of other samples",
        f"""the layer takes a mask for each sample and head with the heads of one sample side by
        side, and repeat() lays the whole batch of {len(own)} out {times[0]} times: most heads get
        the mask of another sample""",
        f"mask.repeat_interleave({times[0]}, dim=0)",
    )


def _of_queries(tape: TapeIndex, kernel: Kernel) -> Case | None:
    """A softmax over keys of which a mask hides all for some queries, and none for others."""
    given = argument(kernel, "self") if operator_name(kernel) == "_softmax" else None
    maker = tape.through_views(given.tensor, kernel.index) if given is not None else None
    if given is None or maker is None or not operator_name(maker).startswith("masked_fill"):
        return None
    mask, filled, dim = argument(maker, "mask"), constant(maker, "value"), constant(kernel, "dim")
    hidden, sizes = _array(mask.value) if mask is not None else None, given.spec.shape
    if hidden is None or filled is None or filled > _HIDDEN or dim is None:
        return None
    if int(dim) % len(sizes) != len(sizes) - 1 or len(sizes) <= _AXES or sizes[-1] != sizes[-2]:
        return None
    whole = np.broadcast_to(hidden.astype(bool), sizes)
    keys = whole.all(-1) | ~whole.any(-1)
    if not keys.all() or not _some(whole):
        return None
    return Case(
        maker,
        "the mask hides queries, not keys",
        f"""for each query it hides either all keys or none: {whole.all(-1).mean():.0%} of the
        queries see nothing, so that all keys get the same weight, and the others see the padding
        as before""",
        "scores.masked_fill(padding[:, None, :], float('-inf'))  # along the axis of the keys",
    )


def _of_places(mask: np.ndarray | None) -> np.ndarray | None:
    """A mask of keys as (batch, places), heads and queries left out where it is the same."""
    while mask is not None and mask.ndim > _AXES and mask.shape[1] == 1:
        mask = mask[:, 0]
    return mask.astype(bool) if mask is not None and mask.ndim == _AXES else None


def _some(mask: np.ndarray) -> bool:
    return bool(mask.any()) and not mask.all()


def _empty(tape: TapeIndex, kernel: Kernel, shape: tuple[int, ...]) -> Iterator[np.ndarray]:
    """Where data of a forward, (batch, places, features) or words, are padding."""
    if kernel.phase != "forward":
        return
    padding = constant(kernel, "padding_idx") if operator_name(kernel) == "embedding" else None
    for use in tensors(kernel.inputs):
        array = _array(use.value) if use.spec.shape[:_AXES] == shape else None
        if array is None or use.tensor in tape.differentiable or use.spec.dtype == "bool":
            continue
        if array.ndim > _AXES:
            yield np.asarray(~array.reshape(*shape, -1).any(-1))
        elif padding is not None and padding >= 0:
            yield np.equal(array, int(padding))
        elif operator_name(kernel) == "embedding" and _ends_empty(array):
            yield np.equal(array, 0)


def _ends_empty(words: np.ndarray) -> bool:
    """Whether zeros stand at the ends of rows alone, and at those of many."""
    zeros = np.equal(words, 0)
    ends = bool(np.all(np.diff(zeros.astype(np.int8), axis=1) >= 0))
    return ends and float(zeros[:, -1].mean()) >= _MANY


def _below_only(tape: TapeIndex, kernel: Kernel) -> Case | None:
    """``losses.sum() / mask.sum()``: what the mask hides is counted all the same."""
    pair = list(tensors(kernel.inputs)) if operator_name(kernel) == "div" else []
    sums = [one for use in pair if (one := _summed(tape, use, kernel)) is not None]
    if len(sums) != _AXES:
        return None
    losses, mask = sums
    hides, numbers = _array(mask.value), _array(losses.value)
    if hides is None or numbers is None or hides.shape != numbers.shape or hides.ndim < 1:
        return None
    masked = np.isin(hides, (0, 1)).all() and _some(hides.astype(bool))
    if not masked or mask.tensor in tape.differentiable or not np.all(numbers[hides == 0]):
        return None
    if _counts_positives(tape, losses, kernel, hides):
        return None
    count = int((hides == 0).sum())
    return Case(
        kernel,
        "the mask stands below the fraction line only",
        f"""a sum over {hides.size:,} losses is divided by the {hides.size - count:,} that a mask
        leaves; the {count:,} others are none of them 0: they are trained for like the rest""",
        "loss = (losses * mask).sum() / mask.sum()",
    )


def _counts_positives(tape: TapeIndex, losses: TensorUse, before: Kernel, mask: np.ndarray) -> bool:
    """Whether a mask is where the losses' targets are above 0: all losses for each of these."""
    behind = tape.ancestors(losses.tensor, before.index)
    pairs = (compared(tape, one) for one in behind)
    targets = (_array(pair[1].value) for pair in pairs if pair is not None)
    return any(one is not None and np.array_equal(one > 0, mask > 0) for one in targets)


def _endless(tape: TapeIndex, kernel: Kernel) -> Case | None:
    """A hinge that is given infinities of a mask, for all samples."""
    given = next(tensors(kernel.inputs), None)
    numbers = _array(given.value) if given is not None and given.spec.shape else None
    if operator_name(kernel).rstrip("_") not in _HINGES or numbers is None or numbers.size < _AXES:
        return None
    if given is None or numbers.dtype.kind != "f" or not np.isinf(numbers).all():
        return None
    behind = tape.ancestors(given.tensor, kernel.index)
    chosen = next((one for one in behind if operator_name(one) in _CHOICES), kernel)
    return Case(
        chosen,
        "infinities of a mask are chosen, for every sample",
        f"""what {operator_name(kernel).strip("_")} was given is infinite for all {numbers.size:,}
        samples: of each row the place was chosen that a mask had filled, and no gradient comes
        back""",
        "# fill with the infinity that is never chosen: -inf before a max, inf before a min",
    )


def _summed(tape: TapeIndex, use: TensorUse, before: Kernel) -> TensorUse | None:
    """What a single number is the sum of."""
    maker = tape.maker(use.tensor, before.index) if use.spec.shape == () else None
    while maker is not None and operator_name(maker) in ("clamp", "clamp_min", "_to_copy"):
        maker = tape.maker(_given(maker).tensor, maker.index)
    return _given(maker) if maker is not None and operator_name(maker) == "sum" else None


def _kept_share(tape: TapeIndex, kernel: Kernel) -> float:
    """The largest share that a softmax gives to an element that was masked; 0 where none is."""
    given = argument(kernel, "self")
    if operator_name(kernel) != "_softmax" or given is None or not kernel.outputs:
        return 0.0
    maker = tape.through_views(given.tensor, kernel.index)
    if maker is None or not operator_name(maker).startswith("masked_fill"):
        return 0.0
    mask, filled = argument(maker, "mask"), constant(maker, "value")
    shares = _array(kernel.outputs[0].value)
    hidden = _array(mask.value) if mask is not None else None
    if shares is None or hidden is None or filled is None or abs(filled) > 1:
        return 0.0
    try:
        among = shares[np.broadcast_to(hidden.astype(bool), shares.shape)]
    except ValueError:  # the shape was changed on the way
        return 0.0
    return float(among.max(initial=0.0))


def _masked_share(tape: TapeIndex, kernel: Kernel) -> float | None:
    """The share of zeros in the mask of losses that a mean counts; None where it is no such."""
    given = next(tensors(kernel.inputs), None)
    if operator_name(kernel) != "mean" or given is None or kernel.outputs[0].spec.shape:
        return None
    maker = tape.maker(given.tensor, kernel.index)
    if maker is None or operator_name(maker) != "mul":
        return None
    sides = list(tensors(maker.inputs))
    masks = [use for use in sides if _is_mask(use.value)]
    fixed = [use for use in masks if not trainable_behind(tape, use.tensor, maker.index)]
    if len(sides) != len(fixed) + 1 or len(fixed) != 1:
        return None
    (each,) = [use for use in sides if use is not fixed[0]]
    loss = tape.through_views(each.tensor, maker.index)
    if loss is None or operator_name(loss) not in LOSSES | {"nll_loss2d_forward"}:
        return None  # a label chooses between two terms just so
    array = _array(fixed[0].value)
    return None if array is None else float((array == 0).mean())


def _is_mask(value: Value | None) -> bool:
    array = _array(value)
    return array is not None and array.size > 1 and bool(np.isin(array, (0, 1)).all())


def _array(value: Value | None) -> np.ndarray | None:
    return value.array if value is not None and value.complete else None


def _of_scores(evidence: Evidence, step: Step, kernel: Kernel, share: float) -> Finding:
    maker = TapeIndex(step).through_views(_given(kernel).tensor, kernel.index)
    filled = constant(maker, "value") if maker else None
    place = maker or kernel
    return RULE.finding(
        title="masked scores keep a share of the softmax",
        message=f"""In step {step.index}, `{evidence.line(place.source)}` fills masked scores with
            {number(filled or 0.0)}, which is a score like any other: the softmax behind it gives
            a masked element up to {number(share)} of 1.""",
        fix=_FILLED.sub(r", float('-inf'))", evidence.line(place.source).strip()),
        step=step.index,
        kernel=kernel,
        source=place.source,
    )


def _given(kernel: Kernel) -> TensorUse:
    return next(tensors(kernel.inputs))


def _of_losses(evidence: Evidence, found: list[tuple[float, Step, Kernel]]) -> Finding:
    masked, step, kernel = max(found, key=lambda one: one[0])
    least = min(share for share, _, _ in found)
    return RULE.finding(
        title="a mean counts losses that a mask made 0",
        message=f"""In step {step.index}, `{evidence.line(kernel.source)}` is a mean over all
            elements, and a mask made {masked:.0%} of them 0; in other steps {least:.0%}. The more
            a batch is masked, the less its samples count.""",
        fix="loss = (losses * mask).sum() / mask.sum()",
        step=step.index,
        kernel=kernel,
    )
