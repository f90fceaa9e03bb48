"""What is scaled already is scaled once more.

What it finds:
    A division by 255 of numbers none of which is above 1; data from which the same mean is
    subtracted, and which the same deviation divides, two times in a row; a loss that is a mean
    over its items and is divided by their number again; labels that were smoothed, for a loss
    that smooths them; queries that were scaled, for an attention that scales them.

Why it is bad:
    All inputs are almost 0, and almost the same, or far from it; the gradients are as many times
    too small as there are items; the labels say less than was meant.

Evidence it needs:
    A full step: what the kernels were given.

Example:
    picture = ToTensor()(image)    # from 0 to 1
    model(picture / 255)

Corrected:
    model(picture)

When it is silent:
    Numbers that were not kept, batches that are all zero, and a loss that is added up over as
    many pieces as it is divided by.

References:
    https://docs.pytorch.org/vision/stable/generated/torchvision.transforms.ToTensor.html
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import islice

import numpy as np

from autograd_lens.doctor.cases import Case, told
from autograd_lens.doctor.evidence import Evidence
from autograd_lens.doctor.finding import Finding, Rule, number
from autograd_lens.doctor.tape import LOSSES
from autograd_lens.doctor.terms import factor, loss_terms
from autograd_lens.trace.graph import TapeIndex, argument, constant, operator_name, tensors
from autograd_lens.trace.records import Kernel, TensorUse
from autograd_lens.trace.values import Value

RULE = Rule("AL612", "scaled-twice", "error", "full")

_WHITE = 255.0
_FEWEST = 2  # steps
_ITEMS = 4  # that are no chance
_NEAR = 1e-4
_PAIR = 2
_NONE = 0  # torch's numbers for reduction
_MEAN = 1
_REGRESSIONS = frozenset({"mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss"})


def check(evidence: Evidence) -> Iterator[Finding]:
    """Find the first of each kind."""
    yield from _whitened(evidence)
    fewest = min(_FEWEST, len(evidence.tapes))
    found = told(RULE, evidence, lambda tape: [_again(tape)], fewest=fewest)
    yield from islice(found, 1)
    yield from told(RULE, evidence, lambda tape: [_smoothed(tape)], fewest=fewest)
    yield from told(RULE, evidence, lambda tape: (_attended(tape, one) for one in tape.kernels))
    pieces = len(evidence.optimizers) and not _adds_up(evidence)
    if pieces:
        yield from told(RULE, evidence, lambda tape: [_counted(tape)], fewest=fewest)


# -- pixels -----------------------------------------------------------------------------------


def _whitened(evidence: Evidence) -> Iterator[Finding]:
    """The first division by 255 of what has been divided, where all divisions are such."""
    found: dict[tuple[str, int], list[tuple[int, Kernel, float]]] = {}
    large = set[tuple[str, int]]()
    for step in evidence.full:
        for kernel in step.kernels:
            source = kernel.source
            if source is None or operator_name(kernel) not in ("div", "div_"):
                continue
            if kernel.requires_grad or constant(kernel, "other") != _WHITE:
                continue
            given = next(tensors(kernel.inputs), None)
            top, place = _range(given.value if given else None), (source.file, source.line)
            if top is None or top > 1:
                large.add(place)
            elif top > 0:
                found.setdefault(place, []).append((step.index, kernel, top))
    for place, times in found.items():
        if place not in large and len(times) > 1:
            yield _finding(*times[0])
            return


def _range(value: Value | None) -> float | None:
    """The largest number, where none is below 0."""
    if value is None or not value.complete or not value.numel:
        return None
    lowest, highest = float(value.array.min()), float(value.array.max())
    return highest if lowest >= 0 and "float" in value.dtype else None


def _finding(step: int, kernel: Kernel, top: float) -> Finding:
    return RULE.finding(
        title="numbers from 0 to 1 are divided by 255",
        message=f"""In step {step}, the largest number that was divided by 255 was {number(top)}:
            they had been scaled before. What the model gets goes from 0 to
            {number(top / _WHITE)}.""",
        fix="# divide by 255 once: ToTensor() does it already",
        step=step,
        kernel=kernel,
    )


# -- statistics -------------------------------------------------------------------------------


def _again(tape: TapeIndex) -> Case | None:
    """``(x - mean) / std`` of what ``(x - mean) / std`` gave, with the same two."""
    for kernel in tape.kernels:
        second = _normalised(tape, kernel)
        before = tape.through_views(second[0].tensor, kernel.index) if second else None
        first = _normalised(tape, before) if before is not None else None
        if first and second and first[1:] == second[1:] and before is not None:
            return Case(
                before,
                "data are normalised twice with the same numbers",
                """what the line gives, a difference divided by a deviation, goes through the very
                same difference and division again before the model reads it""",
                "# normalise once: in the data or in the model",
            )
    return None


_Statistics = tuple[TensorUse, Value, Value]


def _normalised(tape: TapeIndex, kernel: Kernel) -> _Statistics | None:
    """What a division normalised, and the mean and the deviation that it used."""
    if operator_name(kernel).rstrip("_") != "div" or kernel.requires_grad:
        return None
    pair = list(tensors(kernel.inputs))
    made = tape.through_views(pair[0].tensor, kernel.index) if len(pair) == _PAIR else None
    if made is None or operator_name(made).rstrip("_") != "sub" or made.requires_grad:
        return None
    sides = list(tensors(made.inputs))
    if len(sides) != _PAIR or pair[1].value is None or sides[1].value is None:
        return None
    neutral = bool(np.all(pair[1].value.array == 1)) if pair[1].value.complete else True
    return None if neutral else (sides[0], sides[1].value, pair[1].value)


# -- counts -----------------------------------------------------------------------------------


def _adds_up(evidence: Evidence) -> bool:
    """Whether several backwards lead to one update, each of which counts its share."""
    return any(len(step.backwards) != 1 or not step.updates for step in evidence.full[1:-1])


def _counted(tape: TapeIndex) -> Case | None:
    """A mean over items, times one over their number."""
    for backward in range(len(tape.step.backwards)):
        terms = loss_terms(tape, backward)
        for term in terms:
            count = _items(term.kernel)
            alone = sum(one.kernel.op == term.kernel.op for one in terms) == 1
            if count >= _ITEMS and alone and math.isclose(term.weight * count, 1, rel_tol=_NEAR):
                return Case(
                    term.by or term.kernel,
                    "a mean over the batch is divided by the batch's size",
                    f"""{operator_name(term.kernel).removesuffix("_forward")} gives the mean over
                    {count} samples already, and it goes into the loss with the factor
                    {number(term.weight)}, which is one over {count}: all gradients are {count}
                    times too small""",
                    'loss = loss_fn(prediction, target)  # or reduction="sum", divided once',
                )
    return None


def _items(kernel: Kernel) -> int:
    """How many samples a loss of torch is the mean over; 0 for others."""
    target = argument(kernel, "target") if operator_name(kernel) in LOSSES else None
    means = (constant(kernel, "reduction") or _MEAN) == _MEAN
    if target is None or not means or constant(kernel, "reduction") == _NONE:
        return 0
    return target.spec.shape[0] if target.spec.shape else 0


# -- attention --------------------------------------------------------------------------------


def _attended(tape: TapeIndex, kernel: Kernel) -> Case | None:
    """Queries or keys that were divided by the root of their size, for a layer that does it."""
    layer = operator_name(kernel).startswith("_scaled_dot_product")
    query, key = argument(kernel, "query"), argument(kernel, "key")
    if not layer or query is None or key is None or constant(kernel, "scale") is not None:
        return None
    size = query.spec.shape[-1]
    for use in (query, key):
        made = tape.through_views(use.tensor, kernel.index)
        while made is not None and operator_name(made) == "clone":
            made = tape.through_views(next(tensors(made.inputs)).tensor, made.index)
        by = factor(made) if made is not None and operator_name(made) in ("mul", "div") else None
        if made is not None and by and math.isclose(by * math.sqrt(size), 1, rel_tol=_NEAR):
            return Case(
                made,
                "attention is scaled twice",
                f"""the line multiplies with {number(by)}, one over the root of {size}, and
                scaled_dot_product_attention does so too: the scores are {number(1 / by)} times too
                small, and all keys get nearly the same weight""",
                "F.scaled_dot_product_attention(q, k, v, scale=1.0)  # or q as it is",
            )
    return None


# -- labels -----------------------------------------------------------------------------------


def _smoothed(tape: TapeIndex) -> Case | None:
    """Labels with one large share and the same small one otherwise, smoothed by the loss."""
    for kernel in tape.kernels:
        if operator_name(kernel) != "mul" or not kernel.requires_grad:
            continue
        makers = [tape.maker(use.tensor, kernel.index) for use in tensors(kernel.inputs)]
        names = [operator_name(one) if one is not None else "" for one in makers]
        added = makers[1] if names == ["_log_softmax", "add"] else None
        scaled = tape.maker(next(tensors(added.inputs)).tensor, added.index) if added else None
        if added is None or scaled is None or operator_name(scaled) != "mul":
            continue
        labels = next(tensors(scaled.inputs), None)
        inside = added.source == kernel.source == scaled.source  # the loss did it itself
        if inside and labels is not None and _soft(labels.value):
            return Case(
                added,
                "labels that are smoothed are smoothed again",
                """the targets of the loss have a small share for every class already, and
                label_smoothing mixes them with equal shares once more""",
                "F.cross_entropy(logits, soft)  # without label_smoothing",
            )
    return None


def _soft(value: Value | None) -> bool:
    """Whether each row has one large number, and the same one, above 0, in all other places."""
    if value is None or not value.complete or len(value.shape) != _PAIR or value.shape[1] <= _PAIR:
        return False
    rows = np.sort(value.array, axis=1)
    low, high = rows[:, :-1], rows[:, -1]
    return bool(low.min() > 0 and np.ptp(low) < _NEAR and np.ptp(high) < _NEAR)
