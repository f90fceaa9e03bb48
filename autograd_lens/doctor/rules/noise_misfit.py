"""Noise that a model is trained with does not fit: drawn twice, weighed wrongly, or shared.

What it finds:
    A model that is to predict noise other than that which it was shown; data and noise mixed
    with factors of which one is a square where the root was meant; one vector of noise for all
    samples of a batch. Mixtures of data and noise in which next to nothing of the data is left
    for nearly all samples.

Why it is bad:
    Noise that the model never saw cannot be predicted. With ``1 - a`` for ``sqrt(1 - a)`` the mix
    has another variance than the sampling takes for granted. Samples that share their noise are
    disturbed together: the mean over the batch does not cancel it.

Evidence it needs:
    A full step: what was drawn, what it was multiplied with, and what the loss compared.

Example:
    noisy = a.sqrt() * x + (1 - a).sqrt() * torch.randn_like(x)
    loss = F.mse_loss(model(noisy), torch.randn_like(x))

Corrected:
    noise = torch.randn_like(x)
    noisy = a.sqrt() * x + (1 - a).sqrt() * noise
    loss = F.mse_loss(model(noisy), noise)

When it is silent:
    Factors that add up to 1 themselves, as those of a straight path from data to noise, and noise
    on weights.

References:
    https://arxiv.org/abs/2006.11239
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from autograd_lens.doctor.cases import Case, told
from autograd_lens.doctor.evidence import Evidence
from autograd_lens.doctor.finding import Finding, Rule, shape
from autograd_lens.doctor.tape import compared
from autograd_lens.trace.graph import VIEWS, TapeIndex, operator_name, tensors
from autograd_lens.trace.records import Kernel, TensorUse
from autograd_lens.trace.values import Floats

RULE = Rule("AL421", "noise-misfit", "error", "full")

_DRAWS = frozenset({"normal", "normal_", "normal_functional", "randn", "randn_like"})
_PAIR = 2
_FEWEST = 3  # factors that differ
_CLOSE = 1e-5
_NOTHING = 0.01  # of the data
_NEARLY_ALL = 0.8
_SAMPLES = 16
_TIMES = 8
_INSIDE = (0.02, 0.98)


def check(evidence: Evidence) -> Iterator[Finding]:
    """Find noise that does not fit."""
    yield from told(RULE, evidence, _cases)


def _cases(tape: TapeIndex) -> Iterator[Case | None]:
    for kernel in tape.kernels:
        if kernel.phase == "forward":
            yield _unseen(tape, kernel)
            yield _weighed(tape, kernel)
            yield _shared(tape, kernel)
            yield _drowned(tape, kernel)
            yield _falling(tape, kernel)


def _falling(tape: TapeIndex, kernel: Kernel) -> Case | None:
    """A table of how much of the data is left, looked up by the time, that grows with it."""
    given = list(tensors(kernel.inputs)) if operator_name(kernel) in ("index", "gather") else []
    table = given[0].value if len(given) == _PAIR else None
    if table is None or not table.complete or len(table.shape) != 1 or table.numel < _TIMES:
        return None
    shares = table.array
    inside = shares.min() > 0 and shares.max() <= 1 and bool(np.all(np.diff(shares) > 0))
    mixes = _roots(tape, kernel)
    if not inside or not mixes or shares[-1] < _NEARLY_ALL or shares[0] > shares[-1] / _PAIR:
        return None
    return Case(
        kernel,
        "the noise falls with the time",
        f"""the share of the data that is left is looked up in a table that grows from
        {shares[0]:.3g} to {shares[-1]:.3g}: the first times are noise, and the last ones are the
        data""",
        "torch.cumprod(1 - betas, 0)  # falls from almost 1 to almost 0",
    )


def _roots(tape: TapeIndex, kernel: Kernel) -> bool:
    """Whether the root of a tensor is taken, and the root of 1 minus it."""
    names, waiting = set[str](), [kernel.outputs[0].tensor]
    while waiting:
        for reader in tape.readers(waiting.pop()):
            name = operator_name(reader)
            if name in VIEWS:
                waiting.append(reader.outputs[0].tensor)
            elif name == "rsub":
                after = tape.readers(reader.outputs[0].tensor)
                names |= {"rest" for one in after if operator_name(one) == "sqrt"}
            elif name == "sqrt":
                names.add("share")
    return len(names) == _PAIR


def _draw(tape: TapeIndex, use: TensorUse, before: Kernel) -> Kernel | None:
    """The kernel that drew what a tensor shows, around no mean of its own: that is an action."""
    maker = tape.through_views(use.tensor, before.index)
    if maker is None or operator_name(maker) not in _DRAWS:
        return None
    return None if operator_name(maker) == "normal" and any(tensors(maker.inputs)) else maker


def _unseen(tape: TapeIndex, kernel: Kernel) -> Case | None:
    """The target is one draw, and another draw of that shape is behind the prediction."""
    sides = compared(tape, kernel)
    for given, target in (sides, sides[::-1]) if sides is not None else ():
        drawn = _draw(tape, target, kernel)
        if drawn is None or given.tensor not in tape.differentiable:
            continue
        behind = list(tape.ancestors(given.tensor, kernel.index))
        draws = [one for one in behind if operator_name(one) in _DRAWS]
        mixed = {tensor for one in behind for tensor in _mixed_in(tape, one)}
        wanted = drawn.outputs[0].spec.shape
        alike = [
            one
            for one in draws
            if one.outputs[0].spec.shape == wanted and one.outputs[0].tensor in mixed
        ]
        if alike and drawn.index not in {one.index for one in draws}:
            return Case(
                kernel,
                "the noise to be predicted is not the noise that was added",
                f"""the target is drawn anew, and what the model was given holds another draw of the
                same shape {shape(target.spec.shape)}: what it is to predict has nothing to do
                with what it sees""",
                "noise = torch.randn_like(x)  # once: for the input and for the target",
                drawn.source,
            )
    return None


def _mixed_in(tape: TapeIndex, kernel: Kernel) -> Iterator[int]:
    """The draws that a sum of data, in front of the model, adds to something else."""
    if operator_name(kernel) not in ("add", "add_", "lerp") or kernel.requires_grad:
        return
    sides = [_drawn_behind(tape, use, kernel) for use in tensors(kernel.inputs)]
    if all(sides) and len(sides) > 1:
        return  # nothing but draws
    for side in sides:
        yield from side


def _drawn_behind(tape: TapeIndex, use: TensorUse, before: Kernel) -> set[int]:
    """The draws that a tensor shows, as they are or times a factor."""
    maker = tape.through_views(use.tensor, before.index)
    if maker is None or operator_name(maker) in _DRAWS:
        return {maker.outputs[0].tensor} if maker is not None else set()
    if operator_name(maker) != "mul":
        return set()
    makers = (tape.through_views(one.tensor, maker.index) for one in tensors(maker.inputs))
    return {m.outputs[0].tensor for m in makers if m is not None and operator_name(m) in _DRAWS}


def _weighed(tape: TapeIndex, kernel: Kernel) -> Case | None:
    """``c * data + d * noise`` where not ``c**2 + d**2`` is 1, but ``c**2 + d`` or ``c + d**2``."""
    pair = list(tensors(kernel.inputs)) if operator_name(kernel) in ("add", "add_") else []
    makers = [tape.maker(use.tensor, kernel.index) for use in pair]
    if len(makers) != _PAIR or any(m is None or operator_name(m) != "mul" for m in makers):
        return None
    products = [one for one in makers if one is not None]
    noise = [one for one in products if _factor(tape, one) is not None]
    data = [one for one in products if _factor(tape, one) is None]
    if len(noise) != 1 or len(data) != 1:
        return None
    other = _factor(tape, noise[0])
    for use in tensors(data[0].inputs):
        of_data, of_noise = _numbers(use), _numbers(other)
        if of_data is None or of_noise is None or of_data.shape != of_noise.shape:
            continue
        if _adds_up(of_data**2 + of_noise) or _adds_up(of_data + of_noise**2):
            late = _adds_up(of_data**2 + of_noise)
            return Case(
                kernel,
                "data and noise are mixed with factors that do not belong together",
                f"""the factor of {"the noise" if late else "the data"} is the share of the
                variance itself and not its root: with the square of the other factor it adds up
                to 1, where both squares should""",
                "noisy = share.sqrt() * x + (1 - share).sqrt() * noise",
            )
    return None


def _drowned(tape: TapeIndex, kernel: Kernel) -> Case | None:
    """``c * data + d * noise`` where c is next to 0 for nearly all samples."""
    pair = list(tensors(kernel.inputs)) if operator_name(kernel) in ("add", "add_") else []
    makers = [tape.maker(use.tensor, kernel.index) for use in pair]
    products = [one for one in makers if one is not None and operator_name(one) == "mul"]
    noise = [one for one in products if _factor(tape, one) is not None]
    data = [one for one in products if _factor(tape, one) is None]
    if len(products) != _PAIR or len(noise) != 1 or kernel.requires_grad:
        return None
    of_noise = _factor(tape, noise[0])
    for use in tensors(data[0].inputs):
        share, other = _plain(use), _plain(of_noise)
        if share is None or other is None or share.shape != other.shape:
            continue
        lost = float((share < _NOTHING).mean())
        varied = share.size >= _SAMPLES and len(np.unique(share)) >= _FEWEST
        if varied and lost > _NEARLY_ALL and _adds_up(share**2 + other**2):
            return Case(
                kernel,
                "nearly all that the model is shown is noise",
                f"""data and noise are mixed, and the factor of the data is below {_NOTHING} for
                {lost:.0%} of the samples: the schedule has come to pure noise after its first
                steps""",
                "alpha_bar = torch.cumprod(1 - betas, 0)",
            )
    return None


def _plain(use: TensorUse | None) -> Floats | None:
    """Factors from 0 to 1 for each sample."""
    value = use.value if use is not None else None
    if value is None or not value.complete or value.array.dtype.kind != "f" or not value.numel:
        return None
    numbers = value.array.astype(np.float64)
    return numbers if numbers.min() >= 0 and numbers.max() <= 1 else None


def _factor(tape: TapeIndex, product: Kernel) -> TensorUse | None:
    """What a product multiplies a draw with."""
    pair = list(tensors(product.inputs))
    if len(pair) != _PAIR:
        return None
    drawn = [_draw(tape, use, product) is not None for use in pair]
    return pair[drawn.index(False)] if drawn.count(True) == 1 else None


def _numbers(use: TensorUse | None) -> Floats | None:
    """Several factors between 0 and 1 that differ, rounding left out."""
    value = use.value if use is not None else None
    if value is None or not value.complete or not use or not use.spec.dtype.startswith("float"):
        return None
    numbers = value.array.astype(np.float64)
    low, high = _INSIDE
    several = len(np.unique(numbers[(numbers > low) & (numbers < high)])) >= _FEWEST
    return numbers if several and numbers.min() >= 0 and numbers.max() <= 1 else None


def _adds_up(sums: Floats) -> bool:
    return bool(np.abs(sums - 1).max() < _CLOSE)


def _shared(tape: TapeIndex, kernel: Kernel) -> Case | None:
    """A product of numbers for each sample with noise that has no axis for the samples."""
    factor = _factor(tape, kernel) if operator_name(kernel) == "mul" else None
    if factor is None or factor.tensor not in tape.differentiable:
        return None
    noise = next(use for use in tensors(kernel.inputs) if use is not factor)
    rows, sizes = factor.spec.shape, noise.spec.shape
    one = len(rows) == _PAIR and rows[0] > 1 and sizes in (rows[1:], (1, *rows[1:]))
    maker = _draw(tape, noise, kernel)
    if not one or maker is None or rows[-1] < _PAIR:
        return None
    return Case(
        kernel,
        "all samples of a batch get the same noise",
        f"""numbers of shape {shape(rows)}, one row for each sample, are multiplied with noise of
        shape {shape(sizes)}: one draw is stretched over the whole batch""",
        "noise = torch.randn_like(std)",
        maker.source,
    )
