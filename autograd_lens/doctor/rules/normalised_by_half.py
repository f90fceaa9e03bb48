"""Numbers are normalised with a mean or a deviation that is not theirs.

What it finds:
    ``x - x.mean() / x.std()``, where brackets are missing, so that neither the mean is taken off
    nor the size changed; a standard deviation along an axis of size 1, which is 0 whatever comes
    in. Data that are almost one number behind a normalisation, because its mean and deviation
    are those of other data.

Why it is bad:
    What was to be centred around 0 with a spread of 1 is neither.

Evidence it needs:
    Full steps: the kernels and their results.

Example:
    adv = adv - adv.mean() / (adv.std() + 1e-8)

Corrected:
    adv = (adv - adv.mean()) / (adv.std() + 1e-8)

When it is silent:
    Deviations that nothing is divided by, and single numbers.

References:
    https://docs.pytorch.org/docs/stable/generated/torch.std.html
"""

from __future__ import annotations

from collections.abc import Iterator

from autograd_lens.doctor.cases import Case, told
from autograd_lens.doctor.evidence import Evidence, is_zero
from autograd_lens.doctor.finding import Finding, Rule, number, shape
from autograd_lens.trace.graph import TapeIndex, operator_name, tensors
from autograd_lens.trace.records import Kernel, TensorUse

RULE = Rule("AL436", "normalised-by-half", "error", "full")

_SPREADS = frozenset({"std", "var", "std_mean", "var_mean"})
_BESIDE = frozenset({"add", "clamp", "clamp_min", "sqrt", "maximum"})
_PAIR = 2
_MANY = 16  # numbers
_NARROW = 0.05  # a deviation that is to be 1
_OFF = 10.0  # deviations from 0


def check(evidence: Evidence) -> Iterator[Finding]:
    """Find the first such normalisation of each kind."""
    yield from told(RULE, evidence, _cases)


def _cases(tape: TapeIndex) -> Iterator[Case | None]:
    for kernel in tape.kernels:
        if kernel.phase == "forward":
            yield _bracket(tape, kernel)
            yield _of_one(tape, kernel)
            yield _of_others(tape, kernel)


def _of_others(tape: TapeIndex, kernel: Kernel) -> Case | None:
    """Data from which a number far off is subtracted, and that are divided until little is left."""
    pair = list(tensors(kernel.inputs)) if operator_name(kernel).rstrip("_") == "div" else []
    made = tape.through_views(pair[0].tensor, kernel.index) if pair else None
    if made is None or operator_name(made).rstrip("_") != "sub" or kernel.requires_grad:
        return None
    before, after = next(tensors(made.inputs)).value, kernel.outputs[0].value
    if before is None or after is None or not (before.complete and after.complete):
        return None
    if after.array.dtype.kind != "f" or after.numel < _MANY or kernel.module:
        return None
    centre, spread = abs(float(after.array.mean())), float(after.array.std())
    own = float(before.array.std())
    if not 0 < spread < _NARROW or centre < _OFF * spread or own < spread:
        return None
    return Case(
        kernel,
        "data are normalised with numbers that are not theirs",
        f"""before, they had the mean {number(float(before.array.mean()))} and the deviation
        {number(own)}; afterwards they have {number(float(after.array.mean()))} and
        {number(spread)}: all of them are almost the same""",
        "(x - x.mean(0)) / x.std(0)  # the statistics of these very data",
    )


def _bracket(tape: TapeIndex, kernel: Kernel) -> Case | None:
    """``x - mean(x) / std(x)``."""
    pair = list(tensors(kernel.inputs)) if operator_name(kernel) == "sub" else []
    share = tape.maker(pair[1].tensor, kernel.index) if len(pair) == _PAIR else None
    parts = list(tensors(share.inputs)) if share and operator_name(share) == "div" else []
    if share is None or len(parts) != _PAIR:
        return None
    mean = tape.through_views(parts[0].tensor, share.index)
    spread = _spread(tape, parts[1], share)
    if mean is None or operator_name(mean) != "mean" or spread is None:
        return None
    places = {tape.itself(next(tensors(one.inputs)).tensor) for one in (mean, spread)}
    if places != {tape.itself(pair[0].tensor)}:
        return None
    return Case(
        kernel,
        "the mean is divided by the deviation before it is taken off",
        """what is taken off is the mean divided by the standard deviation of the same numbers: they
        are not centred by that, and their size stays what it was""",
        "(x - x.mean()) / (x.std() + 1e-8)",
    )


def _spread(tape: TapeIndex, use: TensorUse, before: Kernel) -> Kernel | None:
    """The standard deviation that a tensor is, a small number aside."""
    kernel = tape.through_views(use.tensor, before.index)
    while kernel is not None and operator_name(kernel) in _BESIDE:
        first = next(tensors(kernel.inputs))
        kernel = tape.through_views(first.tensor, kernel.index)
    return kernel if kernel is not None and operator_name(kernel) in _SPREADS else None


def _of_one(tape: TapeIndex, kernel: Kernel) -> Case | None:
    """A deviation of one number, by which others are divided."""
    given = next(tensors(kernel.inputs), None) if operator_name(kernel) in _SPREADS else None
    made = kernel.outputs[0] if given is not None and kernel.outputs else None
    if given is None or made is None or made.value is None or made.value.numel < _PAIR:
        return None
    single = (
        given.spec.shape != () and made.value.numel == given.value.numel if given.value else False
    )
    if not single or not is_zero(made.value) or not _divides(tape, made.tensor):
        return None
    return Case(
        kernel,
        "a deviation of single numbers is 0",
        f"""the deviation of {shape(given.spec.shape)} is taken over an axis of size 1, so it is 0
        for all of them: what is divided by it is not normalised but made as large as what is added
        to it is small""",
        "scores.std(dim, keepdim=True)  # over all that belong together",
    )


def _divides(tape: TapeIndex, tensor: int) -> bool:
    """Whether something is divided by a tensor, or by it and a small number."""
    waiting = [tensor]
    while waiting:
        for reader in tape.readers(waiting.pop()):
            pair = [use.tensor for use in tensors(reader.inputs)]
            if operator_name(reader) == "div" and len(pair) == _PAIR:
                return True
            if operator_name(reader) in _BESIDE:
                waiting.append(reader.outputs[0].tensor)
    return False
