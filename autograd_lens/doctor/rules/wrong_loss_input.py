"""A loss or a softmax is given what it cannot work with.

What it finds:
    Probabilities, or other numbers above 0, where ``kl_div`` or ``ctc_loss`` expects
    log-probabilities; a focal weight of the batch's mean instead of each sample's; a rate where
    ``poisson_nll_loss`` expects its logarithm; scores that went through a ReLU on their way
    into a softmax or a loss on logits; a softmax over an axis of size 1; prediction and target
    of a cross-entropy in the wrong order; labels that the loss does not know; targets of a
    regression that were cut to integers, until they are all the same, or that the last
    activation of the model cannot give; noise that a model is to predict, drawn evenly from 0
    to 1. Class numbers that were mixed where a map was resized; a softmax of labels that is
    multiplied with scores. The blank of ``ctc_loss`` as a letter of the texts; samples with
    several labels for a cross-entropy, whose classes compete; a softmax along another axis than
    that of the classes.

Why it is bad:
    ``kl_div`` of probabilities is no divergence and can fall below 0. Scores that cannot be
    negative cannot say no. A softmax over one number is 1, whatever the number.

Evidence it needs:
    A full step: what the loss was given, and which kernel made it.

Example:
    F.kl_div(student(x).softmax(1), target)

Corrected:
    F.kl_div(student(x).log_softmax(1), target, reduction="batchmean")

When it is silent:
    Values that were not kept, and a ReLU with pooling or a layer behind it.

References:
    https://docs.pytorch.org/docs/stable/generated/torch.nn.KLDivLoss.html
"""

from __future__ import annotations

import ast
import math
from collections.abc import Iterator

import numpy as np

from autograd_lens.doctor.cases import Case, told
from autograd_lens.doctor.evidence import Evidence
from autograd_lens.doctor.finding import Finding, Rule, number, shape
from autograd_lens.doctor.source import called
from autograd_lens.doctor.tape import LOSSES, compared, divergence
from autograd_lens.trace.graph import (
    TapeIndex,
    argument,
    constant,
    integers,
    operator_name,
    tensors,
)
from autograd_lens.trace.records import Kernel, Source, TensorUse
from autograd_lens.trace.values import Value

RULE = Rule("AL405", "wrong-loss-input", "error", "full")

_ROUNDING = 1e-3
_UNEVEN = 0.02  # off 1
_MOST = 0.5  # of the items
_LOST = 0.1  # of a distribution
_ROWS = 8  # that have no answer in common by chance
_SOFTMAX = frozenset({"_softmax", "_log_softmax"})
_LOGITS = frozenset({"_log_softmax", "binary_cross_entropy_with_logits"})
_BY_HAND = frozenset({"sigmoid", "_softmax"})
_NEXT_TO_ONE = frozenset({"add", "clamp", "clamp_min", "gather", "index", "rsub"})
_MIXES = ("upsample_bilinear", "upsample_linear", "upsample_bicubic", "_upsample_bi")
_RAW = frozenset({"addmm", "mm", "div", "mul", "add", "convolution", "matmul"})
_POSITIVE = frozenset({"softplus", "exp", "relu", "sigmoid"})
_PAIR = 2
_ALL = (-math.inf, math.inf)
_REGRESSIONS = frozenset({"mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss"})
_INTEGERS = frozenset({"int8", "int16", "int32", "int64", "uint8"})
_SUM = 2  # torch's number for reduction="sum"
_CUTS = frozenset({"clamp", "clamp_min", "clamp_min_", "relu", "relu_"})
_BITS = ({0, 1}, {0, -1})
_Line = tuple[str, int, str]


def check(evidence: Evidence) -> Iterator[Finding]:
    """Find the first such input of each kind."""
    ones = _always_one(evidence)
    yield from told(RULE, evidence, lambda tape: _cases(evidence, tape, ones))


def _cases(evidence: Evidence, tape: TapeIndex, ones: set[_Line]) -> Iterator[Case | None]:
    for kernel in tape.kernels:
        yield _divergence(tape, kernel)
        yield _labels(tape, kernel)
        yield _between(tape, kernel)
        if kernel.phase == "forward" and kernel.requires_grad:
            yield from (look(tape, kernel) for look in _LOOKS)
            yield _single(kernel, ones)
            yield _cut_off(evidence, tape, kernel)


def _divergence(tape: TapeIndex, kernel: Kernel) -> Case | None:
    """``kl_div`` of an input above 0, which is no logarithm."""
    pair = divergence(tape, kernel)
    highest = _highest(pair[0].value) if pair is not None else None
    if pair is None or not pair[2].requires_grad or highest is None or highest <= _ROUNDING:
        return None
    given, _, product = pair
    maker = tape.through_views(given.tensor, product.index)
    soft = maker is not None and operator_name(maker) == "_softmax"
    return Case(
        maker if maker is not None and soft else product,
        f"kl_div is given {'probabilities' if soft else 'numbers'} instead of log-probabilities",
        f"its input goes up to {number(highest)}; no logarithm of a probability is above 0",
        "kl_div(log_softmax(logits, 1), target)  # the input in logarithms",
    )


def _alignment(tape: TapeIndex, kernel: Kernel) -> Case | None:
    """``ctc_loss`` of scores: a score above 0 is no logarithm of a probability."""
    given = argument(kernel, "log_probs") if operator_name(kernel) == "_ctc_loss" else None
    highest = _highest(given.value) if given is not None else None
    if given is None or highest is None or highest <= _ROUNDING:
        return None
    maker = tape.through_views(given.tensor, kernel.index)
    made = f", made by {operator_name(maker).strip('_')}" if maker is not None else ""
    return Case(
        kernel,
        "ctc_loss is given scores instead of log-probabilities",
        f"""its input{made} goes up to {number(highest)}; no logarithm of a probability is above
        0. The loss can fall for ever by raising all scores together""",
        "ctc_loss(scores.log_softmax(2), ...)  # along the axis of the classes",
    )


def _blank(_tape: TapeIndex, kernel: Kernel) -> Case | None:
    """``ctc_loss`` of texts in which the blank stands as a letter."""
    texts = argument(kernel, "targets") if operator_name(kernel) == "_ctc_loss" else None
    value = texts.value if texts is not None else None
    blank = int(constant(kernel, "blank") or 0)
    if value is None or not value.complete or not value.numel:
        return None
    long = _counts(kernel, "target_lengths")
    letters = value.array
    if letters.ndim == _PAIR:
        if len(long) != len(letters):
            return None
        letters = np.concatenate([row[:end] for row, end in zip(letters, long, strict=True)])
    if not (letters == blank).any():
        return None
    return Case(
        kernel,
        "the blank of ctc_loss stands in the texts",
        f"""{number(100 * float((letters == blank).mean()))} % of the letters are {blank}, which is
        the blank: it means that nothing is said, and cannot be told from a letter""",
        "text + 1  # letters from 1 on; 0 is the blank",
    )


def _counts(kernel: Kernel, name: str) -> list[int]:
    """Lengths, given as a tensor or as numbers."""
    use = argument(kernel, name)
    if use is None:
        return integers(kernel, name)
    known = use.value is not None and use.value.complete
    return use.value.array.ravel().astype(int).tolist() if known and use.value else []


def _several(tape: TapeIndex, kernel: Kernel) -> Case | None:
    """``cross_entropy`` of labels of which a sample has several, or none."""
    pair = list(tensors(kernel.inputs)) if operator_name(kernel) == "mul" else []
    makers = [tape.maker(use.tensor, kernel.index) for use in pair]
    soft = makers[0] if len(makers) == _PAIR else None
    if soft is None or operator_name(soft) != "_log_softmax" or soft.source != kernel.source:
        return None  # by hand: a likelihood of counts, say
    value = pair[1].value
    axis = int(constant(soft, "dim") or 0)
    if value is None or not value.complete or len(value.shape) != len(pair[0].spec.shape):
        return None
    sums = value.array.sum(axis)
    if not set(np.unique(value.array).tolist()) <= {0, 1} or float(np.mean(sums > 1)) < _SHARE:
        return None
    return Case(
        kernel,
        "samples have several labels, and the loss lets classes compete",
        f"""its targets are zeros and ones, and {number(100 * float(np.mean(sums > 1)))} % of the
        samples have more than one label, up to {number(float(sums.max()))}. A softmax shares 1 out
        among the classes: no two of them can be likely""",
        "F.binary_cross_entropy_with_logits(logits, tags)",
    )


def _other_axis(tape: TapeIndex, kernel: Kernel) -> Case | None:
    """``nll_loss`` of logarithms whose probabilities sum to 1 along another axis."""
    given = argument(kernel, "self") if operator_name(kernel).startswith("nll_loss") else None
    value = given.value if given is not None else None
    if given is None or value is None or not value.complete or len(value.shape) < _PAIR:
        return None
    maker = tape.through_views(given.tensor, kernel.index)
    if maker is None or operator_name(maker) != "_log_softmax":
        return None
    with np.errstate(over="ignore"):
        sums = np.exp(value.array.astype(np.float64)).sum(1)
    if float(np.mean(np.abs(sums - 1) > _UNEVEN)) <= _MOST:
        return None
    return Case(
        maker,
        "the softmax runs along another axis than that of the classes",
        f"""the loss takes the classes of each item along axis 1 of {shape(given.spec.shape)}, and
        the probabilities there add up to anything from {number(float(sums.min()))} to
        {number(float(sums.max()))}: the softmax went along another axis""",
        "scores.log_softmax(dim=-1)  # the axis of the classes",
    )


def _one_answer(tape: TapeIndex, kernel: Kernel) -> Case | None:
    """A square of similarities, each row against each column, with one answer for all rows."""
    label = argument(kernel, "target") if operator_name(kernel) == "nll_loss_forward" else None
    value = label.value if label is not None else None
    if label is None or value is None or not value.complete or value.numel < _ROWS:
        return None
    if np.unique(value.array).size > 1:
        return None
    soft = tape.through_views(next(tensors(kernel.inputs)).tensor, kernel.index)
    made = soft
    while made is not None and operator_name(made) in ("_log_softmax", "div", "mul"):
        made = tape.through_views(next(tensors(made.inputs)).tensor, made.index)
    pair = list(tensors(made.inputs)) if made is not None and operator_name(made) == "mm" else []
    square = made is not None and made.outputs[0].spec.shape == (value.numel, value.numel)
    if soft is None or not square or not all(one.tensor in tape.differentiable for one in pair):
        return None
    return Case(
        kernel,
        "all rows of a square of similarities have the same answer",
        f"""each of {value.numel} rows is compared with each of {value.numel} others, and all are to
        choose number {number(float(value.array.ravel()[0]))}: the partner of row 5 stands at
        place 5""",
        "labels = torch.arange(len(scores))",
    )


def _not_whole(tape: TapeIndex, kernel: Kernel) -> Case | None:
    """Shares of a distribution that were spread over classes, of which some got lost."""
    pair = list(tensors(kernel.inputs)) if operator_name(kernel) == "mul" else []
    for share, logs in (pair, pair[::-1]) if len(pair) == _PAIR else ():
        value, made = share.value, tape.maker(share.tensor, kernel.index)
        spread = made is not None and operator_name(made).startswith(("scatter_add", "index_add"))
        if not spread or logs.tensor not in tape.differentiable or value is None:
            continue
        if not value.complete or len(value.shape) != _PAIR or value.array.min() < 0:
            continue
        sums = value.array.sum(1)
        lost = sums < 1 - _LOST
        bounded = 1 - _LOST < float(sums.max()) < 1 + _UNEVEN
        if lost.mean() >= _UNEVEN and bounded:
            return Case(
                kernel,
                "a part of the target distributions is lost",
                f"""rows of the target add up to 1 at most, and {number(100 * float(lost.mean()))} %
                to less, down to {number(float(sums.min()))}: where it was spread over its
                neighbours, something fell between them""",
                "# where both neighbours are one, give it all that there is",
                made.source if made is not None else None,
            )
    return None


def _focal(tape: TapeIndex, kernel: Kernel) -> Case | None:
    """The mean of a loss, times a weight that ``exp(-mean)`` makes: one weight for all samples."""
    pair = list(tensors(kernel.inputs)) if operator_name(kernel) == "mul" else []
    if len(pair) != _PAIR or any(use.spec.shape != () for use in pair):
        return None
    made = {use.tensor: mean for use in pair if (mean := _mean(tape, use, kernel)) is not None}
    for use in pair:
        behind = list(tape.ancestors(use.tensor, kernel.index))
        single = [one for one in behind if one.outputs and one.outputs[0].spec.shape == ()]
        bends = any(operator_name(one) == "exp" for one in single)
        read = [given.tensor for one in single for given in tensors(one.inputs)]
        mean = next((made[one] for one in read if one in made), None)
        if bends and mean is not None and use.tensor not in made:
            return Case(
                mean,
                "one focal weight for the whole batch",
                """the loss is already the mean over the batch when exp() makes its weight: hard
                samples and easy ones get the same, and all that it does is to scale the
                gradient""",
                'cross_entropy(scores, label, reduction="none")  # the mean comes last',
            )
    return None


def _mean(tape: TapeIndex, use: TensorUse, kernel: Kernel) -> Kernel | None:
    """The loss of torch that made a number as the mean over its samples."""
    maker = tape.maker(use.tensor, kernel.index)
    if maker is None or operator_name(maker) not in LOSSES:
        return None
    return None if constant(maker, "reduction") == _SUM else maker


def _highest(value: Value | None) -> float | None:
    if value is None:
        return None
    if value.complete:
        return float(value.array.max()) if value.numel else None
    return value.summary.maximum if value.summary else None


def _rectified(tape: TapeIndex, kernel: Kernel) -> Case | None:
    given = argument(kernel, "self")
    own = operator_name(kernel) in _BY_HAND and _logged(tape, kernel)
    if given is None or not (operator_name(kernel) in _LOGITS or own):
        return None
    maker = tape.through_views(given.tensor, kernel.index)
    if maker is None or operator_name(maker) not in ("relu", "relu_"):
        return None
    return Case(
        maker,
        "scores go through a ReLU before the loss",
        f"""`{operator_name(kernel).strip("_")}` was given the result of relu: no score is below
        0, and a score of 0 has no gradient to rise again""",
        "logits = self.last(x)  # no activation behind the last layer",
    )


def _logged(tape: TapeIndex, kernel: Kernel) -> bool:
    """Whether the logarithm of what a kernel made is taken, as in a loss by hand."""
    readers = tape.readers(kernel.outputs[0].tensor)
    adds = [one for one in readers if operator_name(one) in _NEXT_TO_ONE]
    after = [one for first in adds for one in tape.readers(first.outputs[0].tensor)]
    return any(operator_name(one) == "log" for one in (*readers, *after))


def _single(kernel: Kernel, ones: set[_Line]) -> Case | None:
    given = argument(kernel, "self")
    if not _of_one(kernel) or _line(kernel) not in ones or given is None:
        return None
    return Case(
        kernel,
        "a softmax runs over an axis of size 1",
        f"""its input has the shape {shape(given.spec.shape)} and it runs over the axis of size 1:
        every result is 1, and no gradient goes back""",
        "torch.softmax(x, dim=...)  # the axis along which the numbers compete",
    )


def _rate(tape: TapeIndex, kernel: Kernel) -> Case | None:
    """``poisson_nll_loss`` is ``exp(input) - target * input`` unless it is told otherwise."""
    if operator_name(kernel) != "sub":
        return None
    makers = [tape.maker(use.tensor, kernel.index) for use in tensors(kernel.inputs)]
    names = [operator_name(one) if one else "" for one in makers]
    if names != ["exp", "mul"] or makers[0] is None or makers[1] is None:
        return None
    (rate,) = tensors(makers[0].inputs)
    maker = tape.through_views(rate.tensor, makers[0].index)
    positive = maker is not None and operator_name(maker) in _POSITIVE
    if not positive or rate.tensor not in [use.tensor for use in tensors(makers[1].inputs)]:
        return None
    return Case(
        kernel,
        "the loss takes the exponential of what is a rate already",
        f"""the model ends with {operator_name(maker).strip("_") if maker else ""}, so that its
        result is above 0, and poisson_nll_loss takes it for the logarithm of the rate""",
        "nn.PoissonNLLLoss(log_input=False)",
    )


def _swapped(tape: TapeIndex, kernel: Kernel) -> Case | None:
    """The cross-entropy of a prediction under the data."""
    if not operator_name(kernel).startswith("binary_cross_entropy"):
        return None
    sides = list(tensors(kernel.inputs))[:_PAIR]
    carried = [use.tensor in tape.differentiable for use in sides]
    if carried != [False, True]:
        return None
    return Case(
        kernel,
        "prediction and target are swapped",
        """the first argument is data and carries no gradient, the second is computed by the
        model: the loss takes the data for the prediction""",
        "F.binary_cross_entropy_with_logits(logits, target)",
    )


def _labels(tape: TapeIndex, kernel: Kernel) -> Case | None:
    """Labels of 0 and 1 for a loss that knows -1 and 1."""
    name = operator_name(kernel)
    label = argument(kernel, "target") if name == "soft_margin_loss" else None
    if name == "where":  # of cosine_embedding_loss: what is neither costs nothing
        chosen = tape.maker(next(tensors(kernel.inputs)).tensor, kernel.index)
        if chosen is not None and _asks_for(chosen, -1):
            label = argument(chosen, "self")
            others = tape.readers(label.tensor) if label is not None else []
            label = label if any(_asks_for(one, 1) for one in others) else None
    if name in _CUTS:
        label = _of_hinge(tape, kernel)
    if label is None or not _zero_or_one(label.value):
        return None
    return Case(
        kernel,
        "labels are 0 and 1 where -1 and 1 are meant",
        """the loss knows the labels 1 and -1, and the labels of this batch are 0 and 1: samples
        with the label 0 give no gradient of their own""",
        "target * 2 - 1  # labels of 0 and 1 as -1 and 1",
    )


def _of_hinge(tape: TapeIndex, kernel: Kernel) -> TensorUse | None:
    """The labels of ``relu(margin - label * score)``."""
    added = tape.maker(next(tensors(kernel.inputs)).tensor, kernel.index)
    if added is None or operator_name(added) not in ("add", "add_", "rsub"):
        return None
    makers = [tape.maker(use.tensor, added.index) for use in tensors(added.inputs)]
    products = [one for one in makers if one is not None and operator_name(one) == "mul"]
    if len(makers) != 1 or len(products) != 1:
        return None
    plain = [use for use in tensors(products[0].inputs) if use.tensor not in tape.differentiable]
    return plain[0] if len(plain) == 1 else None


def _asks_for(kernel: Kernel, label: int) -> bool:
    """Whether a kernel compares with a label."""
    return operator_name(kernel) in ("eq", "ne") and constant(kernel, "other") == label


def _between(tape: TapeIndex, kernel: Kernel) -> Case | None:
    """Classes that were resized with weights, and made integers then."""
    target = argument(kernel, "target") if operator_name(kernel).startswith("nll_loss") else None
    made = tape.through_views(target.tensor, kernel.index) if target is not None else None
    if made is None or operator_name(made) != "_to_copy" or kernel.phase != "forward":
        return None
    resized = tape.through_views(next(tensors(made.inputs)).tensor, made.index)
    if resized is None or not operator_name(resized).startswith(_MIXES):
        return None
    return Case(
        resized,
        "class numbers are mixed where a map is resized",
        f"""{operator_name(resized)} computes means of neighbouring class numbers, which are made
        integers: along every border there are classes that nobody drew""",
        'F.interpolate(labels, size, mode="nearest")',
    )


def _constant_side(tape: TapeIndex, kernel: Kernel) -> Case | None:
    """``(scores * log_softmax(labels)).sum()``: the softmax is that of the data."""
    pair = list(tensors(kernel.inputs)) if operator_name(kernel) == "mul" else []
    makers = [tape.through_views(use.tensor, kernel.index) for use in pair]
    for soft, scores in (makers, makers[::-1]) if len(makers) == _PAIR else ():
        if soft is None or scores is None or operator_name(soft) != "_log_softmax":
            continue
        given = next(tensors(soft.inputs))
        raw = operator_name(scores) in _RAW and scores.requires_grad
        data = not soft.requires_grad and given.value is not None and given.value.complete
        if raw and data and given.value and set(given.value.array.ravel().tolist()) <= {0, 1}:
            return Case(
                soft,
                "prediction and target are swapped",
                """the logarithm of a softmax is taken of labels, which are zeros and ones, and
                multiplied with the scores as they are: scores can grow without end""",
                "-(labels * scores.log_softmax(-1)).sum(-1)",
            )
    return None


def _outside(tape: TapeIndex, kernel: Kernel) -> Case | None:
    """Targets of a binary cross-entropy that are no probabilities."""
    label = argument(kernel, "target")
    binary = operator_name(kernel).startswith("binary_cross_entropy")
    if not binary or label is None or label.tensor in tape.differentiable:
        return None
    lowest, highest = _lowest(label.value), _highest(label.value)
    if lowest is None or highest is None or (lowest >= 0 and highest <= 1):
        return None
    return Case(
        kernel,
        "targets lie outside of 0 to 1",
        f"""they go from {number(lowest)} to {number(highest)}, and the loss falls without end
        where a target is no probability""",
        "(target + 1) / 2  # labels of -1 and 1 as 0 and 1",
    )


def _cut_off(evidence: Evidence, tape: TapeIndex, kernel: Kernel) -> Case | None:
    """Integers for a regression, all of which are one and the same number in all full steps."""
    values = _whole(tape, kernel)
    if len(values) != 1 or len(evidence.full) < _PAIR:
        return None
    for other in evidence.tapes:
        same = (one for one in other.kernels if one.op == kernel.op and _line(one) == _line(kernel))
        if any(_whole(other, one) != values for one in same):
            return None
    return Case(
        kernel,
        f"all targets are {number(min(values))}",
        """the targets of the regression come as integers, and all of them are the same number in
        every step that was recorded in full: fractions were cut off on the way""",
        "torch.tensor(numbers)  # floats stay floats",
        _cast(evidence, kernel.source),
    )


_REACH = {
    "sigmoid": (0.0, 1.0),
    "_softmax": (0.0, 1.0),
    "tanh": (-1.0, 1.0),
    "relu": (0.0, math.inf),
    "softplus": (0.0, math.inf),
}
_MARGIN = 0.05
_SHARE = 0.25  # of the targets: more than a few that lie outside


def _out_of_reach(tape: TapeIndex, kernel: Kernel) -> Case | None:
    """Targets of a regression that the last activation cannot give."""
    sides = compared(tape, kernel)
    if sides is None or operator_name(kernel) not in {*_REGRESSIONS, "pow"}:
        return None
    given, target = sides if sides[0].tensor in tape.differentiable else sides[::-1]
    maker = tape.through_views(given.tensor, kernel.index)
    low, high = _REACH.get(operator_name(maker).rstrip("_"), _ALL) if maker is not None else _ALL
    value = target.value
    if target.tensor in tape.differentiable or value is None or not value.complete:
        return None
    numbers = value.array
    outside = (numbers < low - _MARGIN) | (numbers > high + _MARGIN)
    if maker is None or not numbers.size or outside.mean() <= _SHARE:
        return None
    name = operator_name(maker).strip("_")
    return Case(
        maker,
        f"the targets lie beyond what {name} can give",
        f"""the prediction is the result of {name}, which lies between {low:g} and
        {high:g}, and {outside.mean():.0%} of the targets do not: they go from
        {number(float(numbers.min()))} to {number(float(numbers.max()))}""",
        "# no activation behind the last layer, or targets scaled into its range",
    )


def _uniform(tape: TapeIndex, kernel: Kernel) -> Case | None:
    """Noise to be predicted, part of what the model is given, that is not normal but uniform."""
    sides = compared(tape, kernel)
    for given, target in (sides, sides[::-1]) if sides is not None else ():
        maker = tape.maker(target.tensor, kernel.index)
        drawn = maker is not None and operator_name(maker) in ("rand", "rand_like")
        if maker is None or not drawn or given.tensor not in tape.differentiable:
            continue
        mixed = any(operator_name(one) in ("mul", "add") for one in tape.readers(target.tensor))
        behind = tape.ancestors(given.tensor, kernel.index)
        if mixed and any(one.index == maker.index for one in behind):
            return Case(
                maker,
                "the noise to be predicted is uniform",
                """the model is given data mixed with this noise and is to predict it; drawn evenly
                from 0 to 1, it has the mean 0.5, and no normal distribution comes of it""",
                "noise = torch.randn_like(x)",
            )
    return None


def _whole(tape: TapeIndex, kernel: Kernel) -> set[float]:
    """The targets of a regression that were integers before they came to the loss; else none."""
    target = argument(kernel, "target") if operator_name(kernel) in _REGRESSIONS else None
    maker = tape.maker(target.tensor, kernel.index) if target is not None else None
    cast = maker is not None and operator_name(maker) == "_to_copy"
    given = next(tensors(maker.inputs), None) if maker is not None and cast else None
    if target is None or given is None or given.spec.dtype not in _INTEGERS:
        return set()
    known = target.value is not None and target.value.complete
    return set(target.value.array.ravel().tolist()) if known and target.value else set()


def _cast(evidence: Evidence, source: Source | None) -> Source | None:
    """The line that makes integers, where the text shows one."""
    for node in ast.walk(evidence.code(source).tree) if source is not None else ():
        made = isinstance(node, ast.Call) and called(node) in ("long", "int")
        if made and isinstance(node, ast.Call) and source is not None:
            return Source.at(source.file, node.lineno)
    return None


def _zero_or_one(value: Value | None) -> bool:
    """Whether labels are known, and are 0 and 1."""
    known = value is not None and value.complete
    return known and value is not None and set(value.array.ravel().tolist()) in _BITS


def _lowest(value: Value | None) -> float | None:
    if value is None:
        return None
    if value.complete:
        return float(value.array.min()) if value.numel else None
    return value.summary.minimum if value.summary else None


def _of_one(kernel: Kernel) -> bool:
    given, dim = argument(kernel, "self"), constant(kernel, "dim")
    if operator_name(kernel) not in _SOFTMAX or not isinstance(given, TensorUse) or dim is None:
        return False
    sizes = given.spec.shape
    return bool(sizes) and sizes[int(dim)] == 1


def _line(kernel: Kernel) -> _Line:
    source = kernel.source
    return (source.file, source.line, kernel.module) if source else ("", 0, kernel.module)


def _always_one(evidence: Evidence) -> set[_Line]:
    """Lines whose softmax runs over one number in every full step."""
    ones, others = set[_Line](), set[_Line]()
    for step in evidence.full:
        for kernel in step.kernels:
            if operator_name(kernel) in _SOFTMAX and kernel.phase == "forward":
                (ones if _of_one(kernel) else others).add(_line(kernel))
    return ones - others


_LOOKS = (
    _alignment,
    _blank,
    _several,
    _other_axis,
    _one_answer,
    _not_whole,
    _focal,
    _rectified,
    _rate,
    _swapped,
    _outside,
    _out_of_reach,
    _uniform,
    _constant_side,
)
