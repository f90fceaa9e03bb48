"""Follows the batch axis through the kernels of a step, to see where samples meet.

NOTE 1 [Where the batch axis begins]: the data that modules are given, and what the loss compares
with, have as many rows as the batch has samples. So a step's batch size is the length of the
first axis that inputs of modules and tensors beside them share. From there each kernel hands the
axis on. Where a kernel is not known, or two axes have the batch's size, nothing is said of its
results.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from math import prod
from typing import Literal

from autograd_lens.doctor.tape import training_path
from autograd_lens.trace.graph import (
    TapeIndex,
    argument,
    constant,
    integers,
    operator_name,
    tensors,
)
from autograd_lens.trace.records import Kernel, Step, TensorUse

__all__ = ["BatchAxis", "Meeting"]

_How = Literal["softmax", "mean", "norm", "recurrence", "reshape", "positions", "attention"]
_Sizes = tuple[int, ...]

_SPREADS = frozenset({"var", "std", "var_mean", "std_mean", "native_batch_norm", "norm", "pow"})
_ELEMENTWISE = frozenset({"add", "sub", "mul", "div", "rsub", "add_", "sub_", "mul_", "div_"})
_NORMS = frozenset({"linalg_vector_norm", "norm"})
_PRODUCTS = frozenset({"mm", "addmm", "bmm", "matmul", "addbmm"})
_TABLES = frozenset({"slice", "select", "unsqueeze", "transpose", "permute", "view", "expand"})
_LOSSES = frozenset({"nll_loss_forward", "mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss"})
_PAIR = 2
_RECURRENT = "weight_ih_l"


@dataclass(frozen=True, slots=True)
class Meeting:
    """A kernel at which samples of a batch meet.

    Attributes:
        kernel: It.
        how: What makes them meet.
        tensor: What it was given.
        axis: The batch axis of that.
    """

    kernel: Kernel
    how: _How
    tensor: TensorUse
    axis: int


class BatchAxis:
    """One step's batch axis (NOTE 1).

    Args:
        step: A full step.
    """

    def __init__(self, step: Step) -> None:
        self._step = step
        self._axis: dict[int, int] = {}
        self._folded: dict[int, Meeting] = {}
        self._tables: set[int] = set()
        self._counted: set[int] = set()  # 0, 1, ... of the samples, and what was looked up by that

    @cached_property
    def size(self) -> int:
        """Samples of the batch, 0 where that is not clear."""
        inside: Counter[int] = Counter()
        beside: Counter[int] = Counter()
        made = set[int]()
        for kernel in self._step.kernels:
            if kernel.phase != "forward":
                continue
            for use in tensors(kernel.inputs):
                data = use.spec.role in ("input", "intermediate") and bool(use.spec.shape)
                if data and use.tensor not in made:
                    (inside if kernel.module else beside)[use.spec.shape[0]] += 1
            if kernel.requires_grad or kernel.module:
                made.update(output.tensor for output in kernel.outputs)
        wanted = self._targets & set(beside)
        if len(wanted) == 1:
            return wanted.pop()
        if not any(kernel.module for kernel in self._step.kernels):
            inside = self._by_hand
        both = [size for size in inside if size > 1 and size in beside]
        return max(both, key=lambda size: inside[size], default=0)

    @property
    def _by_hand(self) -> Counter[int]:
        """Rows that products with weights read, where data have one number for each of them."""
        forward = [one for one in self._step.kernels if one.phase == "forward"]
        single = {
            use.spec.shape[0]
            for kernel in forward
            for use in (*tensors(kernel.inputs), *kernel.outputs)
            if len(use.spec.shape) == 1 and use.spec.role in ("input", "intermediate")
        }
        return Counter(
            given.spec.shape[0]
            for kernel in forward
            for given in list(tensors(kernel.inputs))[:1]
            if operator_name(kernel) in _PRODUCTS and kernel.requires_grad
            if given.spec.role != "parameter" and given.spec.shape[0] in single
        )

    @property
    def _targets(self) -> set[int]:
        """Rows that losses of torch compare with, where data of several axes have as many."""
        rows = {
            use.spec.shape[0]
            for kernel in self._step.kernels
            if operator_name(kernel) in _LOSSES and kernel.requires_grad
            for use in list(tensors(kernel.inputs))[1:2]
            if use.spec.shape and use.spec.shape[0] > 1
        }
        data = {
            use.spec.shape[0]
            for kernel in self._step.kernels
            if kernel.phase == "forward" and not kernel.requires_grad
            for use in (*tensors(kernel.inputs), *kernel.outputs)
            if len(use.spec.shape) > 1
        }
        return rows & data

    def meetings(self) -> Iterator[Meeting]:
        """Kernels at which samples meet, in order."""
        if self.size:
            trains = training_path(self._step)
            for kernel in self._step.kernels:
                if kernel.phase == "forward":
                    met = list(self._kernel(kernel))
                    yield from (one for one in met if one.kernel.index in trains)

    def lengths(self) -> Iterator[Meeting]:
        """Norms over the batch that divide rows, which are then compared with each other.

        Rows whose mean over the batch was subtracted first are standardized columns.
        """
        tape, trains = TapeIndex(self._step), training_path(self._step)
        for kernel in self._step.kernels:
            if operator_name(kernel) not in _NORMS or kernel.index not in trains:
                continue
            given = next(tensors(kernel.inputs), None)
            if given is None:
                continue
            sizes, maker = given.spec.shape, tape.maker(given.tensor, kernel.index)
            dims = integers(kernel, "dim")
            rows = len(sizes) == _PAIR and sizes[0] == self.size and sizes[0] != sizes[1]
            centred = maker is None or operator_name(maker) == "sub"
            over = rows and dims in ([0], [-_PAIR]) and kernel.requires_grad and not centred
            if over and _compares_rows(tape, given, sizes):
                yield Meeting(kernel, "norm", given, 0)

    @cached_property
    def _data(self) -> frozenset[int]:
        """What the program itself computed without a gradient, outside of modules."""
        return frozenset(
            output.tensor
            for kernel in self._step.kernels
            if kernel.phase == "forward" and not kernel.module and not kernel.requires_grad
            for output in kernel.outputs
            if output.spec.role == "intermediate"
        )

    @cached_property
    def _recurrent(self) -> set[str]:
        """Modules that hold a recurrent layer's weights."""
        return {
            kernel.module
            for kernel in self._step.kernels
            if any(_RECURRENT in use.spec.name for use in tensors(kernel.inputs))
        }

    @cached_property
    def _spread(self) -> set[str]:
        """Modules that compute how far values spread, as a normalisation does."""
        return {kernel.module for kernel in self._step.kernels if operator_name(kernel) in _SPREADS}

    def _kernel(self, kernel: Kernel) -> Iterator[Meeting]:
        given = list(tensors(kernel.inputs))
        self._seed(kernel, given)
        self._count(kernel, given)
        first = next((use for use in given if use.tensor in self._axis), None)
        if first is None:
            return
        axis = self._axis[first.tensor]
        if operator_name(kernel) in _ELEMENTWISE and kernel.module:
            yield from self._together(kernel, given, first)
        keys = self._keys(kernel, given)
        if keys is not None:
            yield Meeting(kernel, "attention", keys, self._axis[keys.tensor])
            return
        moved = _move(kernel, first, axis, self.size)
        if isinstance(moved, int):
            for output in kernel.outputs:
                sizes = output.spec.shape
                clear = sizes.count(self.size) <= 1  # else two axes may be the batch's
                place = 0 if _is_state(kernel, len(sizes)) else moved
                if place < len(sizes) and sizes[place] % self.size == 0 and clear:
                    self._axis[output.tensor] = place
        elif moved == "mean" and kernel.module and kernel.requires_grad:
            self._folded[kernel.outputs[0].tensor] = Meeting(kernel, moved, first, axis)
        elif moved is not None and moved != "mean" and self._counts(kernel, moved, first):
            yield Meeting(kernel, moved, first, axis)

    def _keys(self, kernel: Kernel, given: list[TensorUse]) -> TensorUse | None:
        """The keys, where they and the queries have the samples where the steps should be."""
        name = operator_name(kernel)
        if name.startswith("_scaled_dot_product"):
            pair, wanted = given[:_PAIR], [-_PAIR, -_PAIR]
        elif name in ("bmm", "baddbmm") and kernel.module:
            pair, wanted = given[-_PAIR:], [-_PAIR, -1]
        else:
            return None
        known = len(pair) == _PAIR and all(use.tensor in self._axis for use in pair)
        axes = [self._axis[use.tensor] - len(use.spec.shape) for use in pair] if known else []
        several = known and pair[0].spec.shape[0] > 1  # not of a loss that compares all pairs
        return pair[1] if axes == wanted and several and self._one_each else None

    def _counts(self, kernel: Kernel, how: _How, use: TensorUse) -> bool:
        if how == "softmax":
            return bool(kernel.requires_grad) and len(use.spec.shape) > 1
        if how != "recurrence":
            return True
        several = len(use.spec.shape) > _PAIR and use.spec.shape[1] > 1
        layer = kernel.module in self._recurrent and bool(kernel.requires_grad)
        return several and layer and self._one_each

    @cached_property
    def _one_each(self) -> bool:
        """Whether something beside the modules has one number for each sample, none for steps."""
        shapes = {
            use.spec.shape
            for kernel in self._step.kernels
            if kernel.phase == "forward" and not kernel.module and not kernel.requires_grad
            for use in (*tensors(kernel.inputs), *kernel.outputs)
        }
        return not shapes.isdisjoint({(self.size,), (self.size, 1)})

    def _seed(self, kernel: Kernel, given: list[TensorUse]) -> None:
        """Begin at data with rows along the first axis, and at tables that modules keep."""
        for use in given:
            sizes = use.spec.shape
            new = use.tensor not in self._axis and use.tensor not in self._tables
            rows = bool(sizes) and sizes[0] == self.size and sizes.count(self.size) == 1
            if new and rows and (use.spec.role == "input" or use.tensor in self._data):
                self._axis[use.tensor] = 0
        base = given[0] if given else None
        if base is None or not kernel.module or operator_name(kernel) not in _TABLES:
            return
        kept = base.tensor in self._tables or (
            base.spec.role != "intermediate" and base.tensor not in self._axis
        )
        if kept and not kernel.requires_grad:
            self._tables.update(output.tensor for output in kernel.outputs)

    def _count(self, kernel: Kernel, given: list[TensorUse]) -> None:
        """Note what a module counts the samples by, and looks up for each."""
        counts = operator_name(kernel) == "arange" and bool(kernel.module)
        looks = operator_name(kernel) in _TABLES | {"embedding"}
        if (counts and _result(kernel) == (self.size,)) or (
            looks and any(use.tensor in self._counted for use in given)
        ):
            self._counted.update(output.tensor for output in kernel.outputs)

    def _numbers_all(self, use: TensorUse, rows: TensorUse) -> bool:
        """Whether samples are counted where their steps should be: one number for all of them."""
        sizes, whole = use.spec.shape, rows.spec.shape
        same = len(sizes) == len(whole) > _PAIR
        one = any(size == 1 < other for size, other in zip(sizes, whole, strict=False))
        return use.tensor in self._counted and same and one

    def _together(
        self, kernel: Kernel, given: list[TensorUse], rows: TensorUse
    ) -> Iterator[Meeting]:
        """Rows joined with a mean over all rows, or with a table that has one entry for each."""
        axis = self._axis[rows.tensor]
        for use in given:
            folded = self._folded.get(use.tensor)
            if folded is not None and kernel.module not in self._spread:
                yield folded
            place = axis - len(rows.spec.shape) + len(use.spec.shape)
            fits = 0 <= place < len(use.spec.shape) and use.spec.shape[place] == self.size
            if fits and (use.tensor in self._tables or self._numbers_all(use, rows)):
                yield Meeting(kernel, "positions", rows, axis)


def _compares_rows(tape: TapeIndex, given: TensorUse, sizes: _Sizes) -> bool:
    """Whether a tensor, divided, is multiplied so that each of its rows meets other rows."""
    for division in tape.readers(given.tensor):
        if operator_name(division) not in ("div", "mul"):
            continue
        scaled = division.outputs[0]
        for product in tape.readers(scaled.tensor):
            other = list(tensors(product.inputs))[-1]
            same = tape.memory(other.tensor) == tape.memory(scaled.tensor)
            square = _result(product) == (sizes[0], sizes[0])
            if operator_name(product) == "mm" and same and square:
                return True
    return False


def _move(kernel: Kernel, use: TensorUse, axis: int, size: int) -> int | _How | None:
    """The batch axis of a kernel's result, how samples meet in it, or None where not known."""
    name, sizes = operator_name(kernel), use.spec.shape
    rule = _RULES.get(name)
    if rule is not None:
        return rule(kernel, sizes, axis, size)
    out = _result(kernel)
    if name in _PRODUCTS:
        whole = axis == 0 and bool(out) and out[0] == sizes[0]
        return 0 if whole and use is not argument(kernel, "mat2") else None
    if len(out) == len(sizes) and out[axis] == sizes[axis]:
        return axis
    if len(out) > len(sizes) and name in _ELEMENTWISE:
        return axis + len(out) - len(sizes)
    return 0 if axis == 0 and out and out[0] == sizes[0] else None


def _result(kernel: Kernel) -> _Sizes:
    return kernel.outputs[0].spec.shape if kernel.outputs else ()


def _dim(kernel: Kernel, count: int) -> int | None:
    dim = constant(kernel, "dim")
    return None if dim is None else int(dim) % max(1, count)


def _softmax(kernel: Kernel, sizes: _Sizes, axis: int, _size: int) -> int | _How:
    return "softmax" if _dim(kernel, len(sizes)) == axis else axis


def _unbind(kernel: Kernel, sizes: _Sizes, axis: int, _size: int) -> int | _How:
    at = _dim(kernel, len(sizes)) or 0
    return "recurrence" if at == axis else axis - (at < axis)


def _recur(_kernel: Kernel, _sizes: _Sizes, axis: int, _size: int) -> int | _How:
    """Layers of oneDNN have time in front, whatever ``batch_first`` says."""
    return axis or "recurrence"


def _is_state(kernel: Kernel, axes: int) -> bool:
    """Whether a result is the last state of a recurrence: (batch, size), without the time."""
    return operator_name(kernel) == "mkldnn_rnn_layer" and axes == _PAIR


def _squeeze(kernel: Kernel, sizes: _Sizes, axis: int, _size: int) -> int:
    """Axes of size 1 that are given, or all of them, go."""
    dims = integers(kernel, "dim")
    gone = {dim % len(sizes) for dim in dims} or set(range(len(sizes)))
    return axis - sum(sizes[dim] == 1 for dim in gone if dim < axis)


def _insert(kernel: Kernel, _sizes: _Sizes, axis: int, _size: int) -> int:
    at = _dim(kernel, len(_result(kernel))) or 0
    return axis + (at <= axis)


def _pick(kernel: Kernel, sizes: _Sizes, axis: int, _size: int) -> int | None:
    at = _dim(kernel, len(sizes))
    if at == axis:
        return None
    return axis - (operator_name(kernel) == "select" and (at or 0) < axis)


def _lose(_kernel: Kernel, _sizes: _Sizes, _axis: int, _size: int) -> None:
    return None


def _fold(kernel: Kernel, sizes: _Sizes, axis: int, _size: int) -> int | _How | None:
    """A sum or mean: over all axes, over the batch's, or over others."""
    dims = integers(kernel, "dim")
    mean = operator_name(kernel) == "mean"
    folded = {dim % len(sizes) for dim in dims} or set(range(len(sizes)))
    if axis in folded:
        return "mean" if mean and len(sizes) > 1 else None
    return axis if constant(kernel, "keepdim") else axis - sum(dim < axis for dim in folded)


def _turn(kernel: Kernel, sizes: _Sizes, axis: int, _size: int) -> int | None:
    count = len(sizes)
    if operator_name(kernel) == "t":
        return count - 1 - axis
    numbers = [number % count for one in kernel.inputs[1:] for number in integers(kernel, one.name)]
    if axis not in numbers:
        return axis
    place = numbers.index(axis)
    return place if operator_name(kernel) == "permute" else numbers[1 - place]


def _view(kernel: Kernel, before: _Sizes, axis: int, size: int) -> int | _How | None:
    """The batch axis seen another way: where it begins, an axis of the result must begin.

    An axis that holds the batch and more (rows times steps) counts as the batch's.
    """
    start, length, passed, after = prod(before[:axis]), before[axis], 1, _result(kernel)
    for place, one in enumerate(after):
        if passed == start and one > 1:
            if one % length == 0:
                return place  # the same axis, or merged with what follows it
            if length != size:
                return place if one % size == 0 else None  # rows times steps, taken apart again
            return None if _divided(after[place:], length) else "reshape"
        if passed > start:
            break
        passed *= one
    # Several rows of what stands in front of the samples are now one sample's.
    torn = axis > 0 and length == size and bool(after) and after[0] == size
    return "reshape" if torn else None


def _divided(sizes: _Sizes, length: int) -> bool:
    """Whether axes together make up exactly that length."""
    passed = 1
    for one in sizes:
        passed *= one
        if passed >= length:
            break
    return passed == length


_Rule = Callable[[Kernel, _Sizes, int, int], int | _How | None]
_RULES: dict[str, _Rule] = {
    **dict.fromkeys(("_softmax", "_log_softmax"), _softmax),
    **dict.fromkeys(("mean", "sum", "amax", "amin", "logsumexp", "prod"), _fold),
    **dict.fromkeys(("t", "transpose", "permute"), _turn),
    **dict.fromkeys(("view", "_unsafe_view", "reshape", "_reshape_alias"), _view),
    **dict.fromkeys(("unsqueeze", "stack"), _insert),
    **dict.fromkeys(("squeeze", "squeeze_"), _squeeze),
    **dict.fromkeys(("select", "slice", "cat", "split", "narrow", "gather"), _pick),
    "unbind": _unbind,
    "mkldnn_rnn_layer": _recur,
    "index": _lose,
}
"""What kernels that are not row by row make of the batch axis."""
