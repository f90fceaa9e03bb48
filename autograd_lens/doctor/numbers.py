"""How a run's numbers move, shrink, blow up, get lost in rounding and turn into NaN."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from autograd_lens.doctor.evidence import EngineRun, Evidence, Gap, finite
from autograd_lens.trace.graph import argument, constant, leaves_unset, operator_name, tensors
from autograd_lens.trace.records import (
    Argument,
    Constant,
    Kernel,
    ParameterUpdate,
    Source,
    Step,
    TensorUse,
)
from autograd_lens.trace.rows import LightRow
from autograd_lens.trace.step import read_loss
from autograd_lens.trace.values import Floats, Value, as_value

__all__ = [
    "Birth",
    "LostUpdate",
    "Move",
    "Poisoned",
    "Profile",
    "arriving",
    "first_birth",
    "is_unit",
    "lost_updates",
    "moves",
    "poisoned",
    "profiles",
]

_KEPT = 3  # value, value behind the update, gradient


@dataclass(frozen=True, slots=True, eq=False)
class Move:
    """One update of all parameters; ``p`` elements together.

    Attributes:
        step: The step.
        loss: The loss before the update.
        change: What the update added to the parameters: (p,).
        grad: Their gradients: (p,).
        value: The parameters before: (p,).
    """

    step: int
    loss: float
    change: Floats
    grad: Floats
    value: Floats

    def cosine(self, other: Move) -> float:
        """Cosine of the angle between two updates; NaN where they cannot be compared."""
        if self.change.shape != other.change.shape:
            return math.nan
        size = float(np.linalg.norm(self.change) * np.linalg.norm(other.change))
        return float(self.change @ other.change) / size if size else math.nan

    def curvature(self, before: Move) -> float:
        """Second derivative along the update that led here, from both gradients."""
        square = float(before.change @ before.change)
        return float((self.grad - before.grad) @ before.change) / square if square else 0.0


def moves(evidence: Evidence) -> Iterator[list[Move]]:
    """The updates of each window; empty where steps have several backwards.

    Parameters that never get a gradient, or that are too large to be kept, are left out.
    """
    columns = [list(evidence.gaps(index)) for index in range(len(evidence.parameters))]
    for number, window in enumerate(evidence.windows):
        runs = window[: len(window) - 1]
        if any(run.row.step == following.row.step for run, following in pairwise(runs)):
            yield []
            continue
        rows = [
            [gaps[number][place] for gaps in columns if place < len(gaps[number])]
            for place in range(len(runs))
        ]
        found = (_move(run, gaps) for run, gaps in zip(runs, rows, strict=True))
        yield [move for move in found if move is not None]


def _move(run: EngineRun, gaps: list[Gap]) -> Move | None:
    graph = run.graph
    if graph is None or graph.loss is None or run.row.loss is None:
        return None
    known = [gap for gap in gaps if _complete(gap)]
    if not known:
        return None
    values = _flat([gap.value for gap in known])
    with np.errstate(all="ignore"):
        change = _flat([gap.after for gap in known]) - values
    grad = _flat([gap.grad for gap in known])
    return Move(run.row.step, read_loss(run.row.loss, graph), change, grad, values)


def _complete(gap: Gap) -> bool:
    kept = [one for one in (gap.value, gap.after, gap.grad) if one is not None and one.complete]
    return len(kept) == _KEPT and len({one.shape for one in kept}) == 1


def _flat(values: list[Value | None]) -> Floats:
    arrays = [value.array.real.astype(np.float64).ravel() for value in values if value]
    return np.concatenate(arrays)


_MATRIX = 2  # axes of a weight that joins layers
_LAYERS = 6
_MOST = 0.75
_LAYER_NODES = frozenset({"AddmmBackward0", "MmBackward0", "ConvolutionBackward0"})


@dataclass(frozen=True, slots=True)
class Profile:
    """Gradient norms of the layers of one step, from the loss towards the input.

    Attributes:
        step: The step.
        names: The weights, or the layers.
        norms: The norm of each one's gradient, divided by the root of its number of elements.
    """

    step: int
    names: tuple[str, ...]
    norms: tuple[float, ...]

    @property
    def factor(self) -> float:
        """Gradient at the input's end over gradient at the loss's end."""
        return self.norms[-1] / self.norms[0]

    @property
    def falls(self) -> bool:
        """Whether three layers of four have less than the one behind them."""
        turns = [nearer > farther for nearer, farther in pairwise(self.norms)]
        return sum(turns) >= _MOST * len(turns)

    @property
    def grows(self) -> bool:
        """Whether three layers of four have more than the one behind them."""
        turns = [nearer < farther for nearer, farther in pairwise(self.norms)]
        return sum(turns) >= _MOST * len(turns)


def profiles(evidence: Evidence) -> list[Profile]:
    """The profile of every full step with one backward through six weights or more."""
    return [one for step in evidence.full if (one := _profile(step, _of_weights)) is not None]


def arriving(evidence: Evidence) -> list[Profile]:
    """The same of the gradients that arrive at the layers' outputs.

    Where weights are too large a layer's input shrinks towards the input of the network as the
    gradient grows, and the gradients of the weights, their products, tell nothing.
    """
    return [one for step in evidence.full if (one := _profile(step, _of_outputs)) is not None]


def _profile(step: Step, pairs: Callable[[Step], Iterable[tuple[str, Value]]]) -> Profile | None:
    if len(step.backwards) != 1 or step.backwards[0].graph is None:
        return None
    found = list(pairs(step))
    names = tuple(name for name, _ in found)
    norms = tuple(grad.norm / math.sqrt(grad.numel or 1) for _, grad in found)
    if len(set(names)) < max(_LAYERS, len(names)):  # shared weights have no depth
        return None
    if not all(norm > 0 and math.isfinite(norm) for norm in norms):
        return None
    return Profile(step.index, names, norms)


def _of_weights(step: Step) -> Iterator[tuple[str, Value]]:
    backward, graph = step.backwards[0], step.backwards[0].graph
    for run in backward.node_runs if graph else ():
        name = graph.nodes[run.node].variable if graph else None
        grad = run.grad_outputs[0] if run.grad_outputs else None
        if name is not None and grad is not None and len(grad.shape) >= _MATRIX:
            yield name, grad


def _of_outputs(step: Step) -> Iterator[tuple[str, Value]]:
    backward, graph = step.backwards[0], step.backwards[0].graph
    for run in backward.node_runs if graph else ():
        node = graph.nodes[run.node] if graph else None
        grad = run.grad_outputs[0] if run.grad_outputs else None
        if node is None or grad is None or node.name not in _LAYER_NODES:
            continue
        if node.forward_kernel is not None:
            kernel = step.kernels[node.forward_kernel]
            yield _layer(kernel), grad


def _layer(kernel: Kernel) -> str:
    """The matrix that a kernel is given as it is, else the module that it runs in."""
    uses = [use.spec for use in tensors(kernel.inputs)]
    weights = (one.name for one in uses if one.role == "parameter" and len(one.shape) >= _MATRIX)
    return next(weights, kernel.module) or f"kernel {kernel.index}"


_ROUNDING = 1e-2


def is_unit(value: Value | None) -> bool:
    """Whether all rows along the last axis, several numbers each, have the length 1."""
    if value is None or not value.complete or len(value.shape) < _MATRIX or value.shape[-1] == 1:
        return False
    if value.array.dtype.kind != "f" or not value.numel:
        return False
    lengths = np.linalg.norm(value.array.astype(np.float64), axis=-1)
    return bool(np.abs(lengths - 1).max() < _ROUNDING)


_ADDING = frozenset({"add_", "sub_", "addcdiv_"})


@dataclass(frozen=True, slots=True)
class LostUpdate:
    """One parameter's update in one step that changed nothing.

    Attributes:
        parameter: Its name.
        dtype: Its dtype.
        step: The step.
        kernel: The kernel that added.
        largest: The largest number it added.
        magnitude: Mean size of the parameter's elements.
    """

    parameter: str
    dtype: str
    step: int
    kernel: Kernel
    largest: float
    magnitude: float


def lost_updates(evidence: Evidence) -> list[LostUpdate]:
    """The lost updates of the first full step that has any."""
    for step in evidence.full:
        found = [one for update in step.updates for one in _lost(step, update)]
        if found:
            return found
    return []


def _lost(step: Step, update: ParameterUpdate) -> Iterator[LostUpdate]:
    for index in update.kernels:
        kernel = step.kernels[index]
        target = argument(kernel, "self")
        if target is None or operator_name(kernel) not in _ADDING:
            continue
        if target.spec.name != update.parameter or not target.value or not target.value.complete:
            continue
        added = _added(kernel)
        if added > 0 and kernel.outputs and kernel.outputs[0].value == target.value:
            size = float(np.abs(target.value.array.astype(np.float64)).mean())
            if not math.isfinite(size):  # NaN stays NaN, whatever is added
                continue
            yield LostUpdate(update.parameter, target.spec.dtype, step.index, kernel, added, size)


def _added(kernel: Kernel) -> float:
    """The largest number that a kernel adds, 0 where it is not known."""
    if operator_name(kernel) == "addcdiv_":  # Adam's
        above, below = argument(kernel, "tensor1"), argument(kernel, "tensor2")
        known = above is not None and below is not None
        with np.errstate(all="ignore"):
            share = _floats(above) / _floats(below) if known else np.zeros(1)
        factor, share = constant(kernel, "value"), np.nan_to_num(share, posinf=0.0, neginf=0.0)
        return float(np.abs(share).max(initial=0.0)) * abs(1.0 if factor is None else factor)
    other, alpha = argument(kernel, "other"), constant(kernel, "alpha")
    largest = float(np.abs(_floats(other)).max(initial=0.0))
    return largest * abs(1.0 if alpha is None else alpha)


def _floats(use: TensorUse | None) -> Floats:
    """A tensor's numbers; one zero where they are not known."""
    if use is None or use.value is None or not use.value.complete:
        return np.zeros(1)
    return use.value.array.astype(np.float64)


@dataclass(frozen=True, slots=True)
class Poisoned:
    """The first sign of a NaN or Inf that stays.

    Attributes:
        step: The step in which it came into being.
        what: What it was seen in: ``"the loss"``, or a parameter's name.
    """

    step: int
    what: str


def poisoned(evidence: Evidence) -> Poisoned | None:
    """The first step whose loss or update is not finite, or None."""
    loss = _first_loss(evidence)
    parameter = _first_parameter(evidence)
    known = [one for one in (loss, parameter) if one is not None]
    return min(known, key=lambda one: one.step, default=None)


def _first_loss(evidence: Evidence) -> Poisoned | None:
    """Steps without a loss, or with a complex one, are NaN in the array, too: rows decide."""
    bad = np.flatnonzero(~np.isfinite(evidence.losses))
    for step in bad[:64].tolist():
        rows = evidence.trace.rows
        found = [rows.row(place) for place in rows.of_step(step)]
        if not all(finite(_loss(evidence, row)) for row in found):
            name = _spoiled_already(evidence, found[0])
            return Poisoned(step - 1, name) if name and step else Poisoned(step, "the loss")
    return None


def _loss(evidence: Evidence, row: LightRow) -> Value | None:
    graph = evidence.trace.graph(row.graph)
    return None if graph.loss is None else as_value(row.loss, *graph.roots[graph.loss])


def _spoiled_already(evidence: Evidence, row: LightRow) -> str:
    """A parameter that was not finite when the step began: the step before made it so."""
    for entry, parameter in zip(row.values, evidence.parameters, strict=False):
        if not finite(as_value(entry, parameter.dtype, parameter.shape)):
            return parameter.name
    return ""


def _first_parameter(evidence: Evidence) -> Poisoned | None:
    found: list[Poisoned] = []
    for index, parameter in enumerate(evidence.parameters):
        for gaps in evidence.gaps(index):
            bad = (gap for gap in gaps if finite(gap.value) and not finite(gap.after))
            gap = next(bad, None)
            if gap is not None:
                found.append(Poisoned(gap.run.row.step, parameter.name))
                break
    return min(found, key=lambda one: one.step, default=None)


_MASKED = frozenset({"_softmax", "_log_softmax", "logsumexp"})
_MASKS = frozenset({"full", "full_like", "masked_fill", "masked_fill_", "fill_", "scalar_tensor"})


@dataclass(frozen=True, slots=True)
class Birth:
    """Where finite numbers became NaN or infinite.

    Attributes:
        kernel: The kernel.
        output: Its result.
        word: ``"NaN"`` or ``"Inf"``.
        count: How many elements, in words.
        node_name: The node that ran it in backward, else ``""``.
        source: The line of the forward that made the node, or the kernel's own.
        masked: Whether ``where`` had hidden the elements in the forward.
        after: The kernel that made the first NaN of an Inf, where it was another one.
    """

    kernel: Kernel
    output: TensorUse
    word: str
    count: str
    node_name: str
    source: Source | None
    masked: bool
    after: tuple[str, ...]


def first_birth(step: Step) -> Birth | None:
    """The first kernel with finite inputs and a NaN or Inf among its results.

    An Inf counts only where a NaN or the loss followed from it: masks are full of them.
    """
    births = [one for kernel in step.kernels if (one := _birth(step, kernel))]
    if not _loss_is_lost(step):  # what the forward made did not reach the loss
        later = [one for one in births if one.kernel.phase != "forward"]
        if later or _first_nan(step) is None:
            return later[0] if later else None
    return births[0] if births else None


def _loss_is_lost(step: Step) -> bool:
    return step.loss is not None and not np.isfinite(step.loss)


def _first_nan(step: Step) -> Kernel | None:
    return next((k for k in step.kernels if any(_counts(o.value)[0] for o in k.outputs)), None)


def _birth(step: Step, kernel: Kernel) -> Birth | None:
    name = operator_name(kernel)
    if leaves_unset(kernel) or name in _MASKS or _given_infinity(kernel.inputs):
        return None
    # A mask makes infinities on purpose; of nothing but these a softmax makes NaN.
    spoilt = [_counts(use.value) for use in tensors(kernel.inputs)]
    if any(nans or (infinities and name not in _MASKED) for nans, infinities in spoilt):
        return None
    for output in kernel.outputs:
        nans, infinities = _counts(output.value)
        if nans or infinities:
            return _describe(step, kernel, output, nans, infinities)
    return None


def _describe(step: Step, kernel: Kernel, output: TensorUse, nans: int, infinities: int) -> Birth:
    node, source = _node_of(step, kernel)
    count = nans or infinities
    word = "NaN" if nans else "Inf"
    later = None if nans else _first_nan(step)
    return Birth(
        kernel=kernel,
        output=output,
        word=word,
        count="all" if output.value and count == output.value.numel > 1 else f"{count:,}",
        node_name=node,
        source=source or kernel.source,
        masked=_masked(step),
        after=(f"kernel {later.index} {later.op}",) if later else (),
    )


def _node_of(step: Step, kernel: Kernel) -> tuple[str, Source | None]:
    """The name of the node that ran a kernel of the backward, and its line in the forward."""
    if kernel.phase != "backward" or kernel.node is None:
        return "", None
    graph = step.backwards[kernel.backward].graph
    if graph is None:
        return "", None
    node = graph.nodes[kernel.node]
    forward = node.forward_kernel
    return node.name, step.kernels[forward].source if forward is not None else None


def _masked(step: Step) -> bool:
    """Whether ``where`` hid a NaN or Inf in the forward of a step whose loss is finite."""
    return not _loss_is_lost(step) and any(
        operator_name(one) == "where"
        and any(sum(_counts(use.value)) for use in tensors(one.inputs))
        and not any(sum(_counts(result.value)) for result in one.outputs)
        for one in step.kernels
        if one.phase == "forward"
    )


def _given_infinity(arguments: tuple[Argument, ...]) -> bool:
    """Whether the program itself passed an infinite number."""
    return any(
        isinstance(one.value, Constant)
        and isinstance(one.value.value, float)
        and not np.isfinite(one.value.value)
        for one in arguments
    )


def _counts(value: Value | None) -> tuple[int, int]:
    """How many elements are NaN, and how many infinite."""
    if value is None:
        return 0, 0
    if value.data is None:
        summary = value.summary
        return (summary.nan_count or 0, summary.inf_count or 0) if summary else (0, 0)
    try:
        array = value.array
    except (TypeError, ValueError):
        return 0, 0
    if array.dtype.kind not in "fc":
        return 0, 0
    return int(np.isnan(array).sum()), int(np.isinf(array).sum())
