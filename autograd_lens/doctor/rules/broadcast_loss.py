"""The loss compares every prediction with every target.

What it finds:
    A difference or product of shapes (N, 1) and (N,) or (1, N) inside the loss: PyTorch stretches
    both to (N, N). A product of N numbers, one for each sample, with the mean of what the model
    says of the same N samples; their sum over the batch, added to a number of each sample.

Why it is bad:
    The loss is the mean over all N x N pairs. It is smallest where every prediction is the mean
    of the targets, whatever the input was: the model learns a constant, and the loss ends at the
    variance of the targets.

Evidence it needs:
    A full step: the kernel with the shapes of its operands, one of which comes from the model and
    one of which does not, and the way from its result to the loss without anything but
    element by element arithmetic and one mean or sum.

Example:
    pred = model(x)          # (N, 1)
    loss = ((pred - y) ** 2).mean()   # y is (N,)

Corrected:
    pred = model(x).squeeze(1)   # (N,)
    loss = ((pred - y) ** 2).mean()

When it is silent:
    Pairs that are meant: both operands from the model (ranking), more axes (distances between
    points), results that are not summed up to the loss directly (attention, kernels).

References:
    https://docs.pytorch.org/docs/stable/notes/broadcasting.html
"""

from __future__ import annotations

from collections.abc import Iterator

from autograd_lens.doctor.evidence import Evidence
from autograd_lens.doctor.finding import Finding, Rule, number, shape
from autograd_lens.doctor.tape import made_of
from autograd_lens.trace.graph import TapeIndex, operator_name, tensors
from autograd_lens.trace.records import Kernel, Step, TensorUse

RULE = Rule("AL401", "broadcast-loss", "error", "full")

_DIFFERENCES = frozenset({"mul", "rsub", "sub"})
_LOSSES = frozenset({"huber_loss", "l1_loss", "mse_loss", "smooth_l1_loss"})
_BY_ELEMENT = frozenset(
    (
        "abs",
        "add",
        "detach",
        "clamp",
        "clamp_min",
        "div",
        "exp",
        "log",
        "log1p",
        "mul",
        "neg",
        "pow",
        "relu",
        "sqrt",
        "square",
        "where",
    )
)
_SUMS = frozenset({"mean", "sum"})
_PAIR = 2
_UNNAMED = "prediction"


def check(evidence: Evidence) -> Iterator[Finding]:
    """Find the first step whose loss compares all with all."""
    for tape in evidence.tapes:
        for kernel in tape.kernels:
            pair = _stretched(tape, kernel) if kernel.phase == "forward" else None
            if pair and _ends_in_loss(tape, kernel, tape.step):
                yield _finding(evidence, tape.step, kernel, *pair)
                return
            mean = _averaged(tape, kernel) if kernel.phase == "forward" else None
            if mean and _ends_in_loss(tape, kernel, tape.step):
                yield _mean_for_each(tape, kernel, *mean)
                return
            total = _totalled(tape, kernel) if kernel.phase == "forward" else None
            if total and _ends_in_loss(tape, kernel, tape.step):
                yield _total_for_each(tape, kernel, total)
                return
            wide = _repeated(tape, kernel) if kernel.phase == "forward" else None
            if wide and _ends_in_loss(tape, kernel, tape.step):
                yield _one_for_many(tape, kernel, wide)
                return


def _one_for_many(tape: TapeIndex, kernel: Kernel, pair: tuple[TensorUse, TensorUse]) -> Finding:
    model, target = pair
    count, width = target.spec.shape
    name = target.spec.name or "the target"
    step = tape.step
    wide = _first_wide(tape, target, kernel)
    source = wide.source if wide is not None else kernel.source
    name = next((one.spec.name for one in (wide.outputs if wide else ()) if one.spec.name), name)
    return RULE.finding(
        title=f"{shape(model.spec.shape)} against {shape(target.spec.shape)} in the loss",
        message=f"""The model says one number for each of {count} samples, {name} has {width} for
            each. PyTorch repeated the model's number {width} times: the loss
            {number(step.loss or 0.0)} is smallest where it is the mean of {width} numbers that were
            hardly meant to be compared with it. Was a sum over the last axis forgotten, as of
            log_prob over the parts of an action?""",
        fix=f"{name} = ....sum(dim=1, keepdim=True)  # one number for each sample",
        step=step.index,
        kernel=kernel,
        source=source,
    )


def _finding(
    evidence: Evidence, step: Step, kernel: Kernel, model: TensorUse, target: TensorUse
) -> Finding:
    count = max(model.spec.shape)
    column = len(model.spec.shape) == _PAIR
    flat = 1 in (len(model.spec.shape), len(target.spec.shape))
    name = target.spec.name or "target"
    mine = _prediction(evidence, kernel, name)
    return RULE.finding(
        title=f"{shape(model.spec.shape)} against {shape(target.spec.shape)} in the loss",
        message=f"""`{mine}` has shape {shape(model.spec.shape)}, `{name}` has shape
            {shape(target.spec.shape)}. PyTorch stretched both to {shape((count, count))}: the loss
            {number(step.loss or 0.0)} compares each of {count} predictions with all {count}
            targets, {count * count:,} pairs instead of {count}. Such a loss is smallest where every
            prediction is the mean of the targets.""",
        fix=(
            f"{name}.t()  # as {mine}"
            if not flat
            else f"{mine}.squeeze(1)  # as {name}"
            if column
            else f"{name}.squeeze(1)  # as {mine}"
        ),
        step=step.index,
        kernel=kernel,
    )


def _averaged(tape: TapeIndex, kernel: Kernel) -> tuple[Kernel, TensorUse] | None:
    """The mean of the model's N numbers, and the N others that it is multiplied with."""
    operands = list(tensors(kernel.inputs)) if operator_name(kernel) == "mul" else []
    pair = _sides(tape, operands) if len(operands) == _PAIR else None
    if pair is None or pair[0].spec.shape != () or len(pair[1].spec.shape) != 1:
        return None
    maker = tape.maker(pair[0].tensor, kernel.index)
    while maker is not None and operator_name(maker) == "neg":
        maker = tape.maker(next(tensors(maker.inputs)).tensor, maker.index)
    if maker is None or operator_name(maker) not in _SUMS:
        return None
    given = next(tensors(maker.inputs), None)
    many = given is not None and given.spec.shape == pair[1].spec.shape != (1,)
    return (maker, pair[1]) if many else None


def _mean_for_each(tape: TapeIndex, kernel: Kernel, mean: Kernel, others: TensorUse) -> Finding:
    (count,) = others.spec.shape
    step, name, how = tape.step, others.spec.name or "the other operand", operator_name(mean)
    return RULE.finding(
        title=f"a {how} over {count} samples against {count} numbers in the loss",
        message=f"""The model's {count} numbers, one for each sample, were made one by their {how}
            before they met `{name}`, which has {count} numbers as well. So each of these was
            multiplied with the same number: only their sum counts, and no sample is told apart
            from another.""",
        fix=f"(values * {name}).{how}()  # each with its own, the {how} at the end",
        step=step.index,
        events=(f"kernel {mean.index} {mean.op}", f"kernel {kernel.index} {kernel.op}"),
        source=kernel.source,
    )


def _totalled(tape: TapeIndex, kernel: Kernel) -> Kernel | None:
    """What summed up N numbers of the model, whose sum is then added to each of N others."""
    pair = list(tensors(kernel.inputs)) if operator_name(kernel) in ("add", "sub") else []
    sizes = sorted(use.spec.shape for use in pair)
    if len(pair) != _PAIR or sizes[0] != () or len(sizes[1]) != 1 or sizes[1][0] < _PAIR:
        return None
    if any(use.tensor not in tape.differentiable for use in pair):
        return None
    use = next(use for use in pair if use.spec.shape == ())
    maker = tape.maker(use.tensor, kernel.index)
    if not _of_data(tape, use, kernel, sizes[1][0]):
        return None  # weights, of which there are as many
    if maker is not None and operator_name(maker) == "sum":
        whole = next(tensors(maker.inputs)).spec.shape == sizes[1]
        return maker if whole else None
    return maker if maker is not None and _one_by_one(tape, maker) == sizes[1] else None


def _of_data(tape: TapeIndex, use: TensorUse, before: Kernel, count: int) -> bool:
    """Whether anything behind a tensor was given data with so many rows."""
    return any(
        given.spec.shape[:1] == (count,) and given.spec.role in ("input", "intermediate")
        for kernel in tape.ancestors(use.tensor, before.index)
        for given in tensors(kernel.inputs)
        if given.tensor not in tape.differentiable
    )


def _one_by_one(tape: TapeIndex, last: Kernel) -> tuple[int, ...]:
    """The shape of what Python's ``sum()`` added up number by number; () for other sums."""
    kernel: Kernel | None = last
    bases, count = set[int](), 0
    sizes: tuple[int, ...] = ()
    while kernel is not None and operator_name(kernel) == "add":
        following = None
        for use in tensors(kernel.inputs):
            maker = tape.maker(use.tensor, kernel.index)
            if maker is not None and operator_name(maker) in ("unbind", "select"):
                base = next(tensors(maker.inputs))
                bases.add(base.tensor)
                sizes, count = base.spec.shape, count + 1
            else:
                following = maker
        kernel = following
    return sizes if len(bases) == 1 and sizes == (count,) else ()


def _total_for_each(tape: TapeIndex, kernel: Kernel, total: Kernel) -> Finding:
    (count,) = kernel.outputs[0].spec.shape
    return RULE.finding(
        title=f"a sum over {count} samples is added to each of {count} numbers",
        message=f"""In step {tape.step.index}, the model's {count} numbers, one for each sample,
            were summed up, and the sum was added to each of {count} others: in their mean it
            counts {count} times as much as they do.""",
        fix="loss = (one + other).mean()  # each with its own",
        step=tape.step.index,
        events=(f"kernel {total.index} {total.op}", f"kernel {kernel.index} {kernel.op}"),
        source=kernel.source,
    )


def _first_wide(tape: TapeIndex, target: TensorUse, kernel: Kernel) -> Kernel | None:
    """The kernel behind a target, farthest back, whose named result is as wide already."""
    same = [
        one
        for one in tape.ancestors(target.tensor, kernel.index)
        if one.phase == "forward"
        and any(out.spec.shape == target.spec.shape and out.spec.name for out in one.outputs)
    ]
    return same[-1] if same else None


def _prediction(evidence: Evidence, kernel: Kernel, target: str) -> str:
    """What the program calls the model's side of the difference."""
    source = kernel.source
    if source is None or source.column < 0:
        return _UNNAMED
    sides = evidence.code(source).operands(source.line, source.column)
    others = [side for side in sides[:_PAIR] if side != target]
    return others[0] if len(others) == 1 and others[0].isidentifier() else _UNNAMED


def _stretched(tape: TapeIndex, kernel: Kernel) -> tuple[TensorUse, TensorUse] | None:
    """The model's and the other operand, where the kernel stretches (N, 1) and (N,)."""
    name = operator_name(kernel)
    if name not in _DIFFERENCES | _LOSSES:
        return None
    operands = list(tensors(kernel.inputs))[:_PAIR]
    if name in _LOSSES:
        operands = [_unexpanded(tape, operand, kernel) for operand in operands]
    if len(operands) != _PAIR or not _column_and_row(operands[0], operands[1]):
        return None
    return _sides(tape, operands)


def _sides(tape: TapeIndex, operands: list[TensorUse]) -> tuple[TensorUse, TensorUse] | None:
    """The model's and the other operand, where only one carries a gradient, or could have."""
    grown = [operand.tensor in tape.differentiable for operand in operands]
    if not any(grown):  # an advantage, computed without a gradient
        grown = [bool(made_of(tape, one.tensor, len(tape.kernels))) for one in operands]
    if sum(grown) != 1:
        return None
    return (operands[0], operands[1]) if grown[0] else (operands[1], operands[0])


def _repeated(tape: TapeIndex, kernel: Kernel) -> tuple[TensorUse, TensorUse] | None:
    """Both operands, where the model's (N, 1) is stretched to the other's (N, K)."""
    if operator_name(kernel) not in _DIFFERENCES - {"mul"} | _LOSSES:
        return None
    operands = [_unexpanded(tape, one, kernel) for one in list(tensors(kernel.inputs))[:_PAIR]]
    pair = _sides(tape, operands) if len(operands) == _PAIR else None
    if pair is None:
        return None
    mine, other = pair[0].spec.shape, pair[1].spec.shape
    column = len(mine) == _PAIR and mine[1] == 1 and mine[0] > 1
    wide = len(other) == _PAIR and other[0] == mine[0] and other[1] > 1
    return pair if column and wide else None


def _unexpanded(tape: TapeIndex, operand: TensorUse, kernel: Kernel) -> TensorUse:
    maker = tape.maker(operand.tensor, kernel.index)
    if maker is not None and operator_name(maker) == "expand":
        return next(tensors(maker.inputs))
    return operand


def _column_and_row(one: TensorUse, other: TensorUse) -> bool:
    row, column = sorted((one.spec.shape, other.spec.shape), key=_lies_down)
    count = row[-1] if row else 0
    return count > 1 and row in {(count,), (1, count)} and column == (count, 1)


def _lies_down(sizes: tuple[int, ...]) -> bool:
    """Whether it is a column: sorts a row in front."""
    return sizes[-1:] == (1,)


def _ends_in_loss(tape: TapeIndex, kernel: Kernel, step: Step) -> bool:
    """Whether the result is summed up to the loss with nothing but arithmetic between."""
    while kernel.outputs:
        output = kernel.outputs[0]
        if output.spec.shape == ():
            return any(backward.kind == "backward" for backward in step.backwards)
        readers = list(tape.readers(output.tensor))
        readers = [one for one in readers if one.node is not None] or readers
        if not readers:
            return False
        kernel = readers[0]
        name = operator_name(kernel)
        whole = bool(kernel.outputs) and kernel.outputs[0].spec.shape == ()
        if name not in _BY_ELEMENT and not (name in _SUMS and whole):
            return False
    return False
