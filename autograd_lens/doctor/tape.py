"""Questions to the kernels of one full step."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property

from autograd_lens.trace.arguments import operator_name, tensors
from autograd_lens.trace.records import Constant, Kernel, Step, TensorUse

__all__ = ["Tape", "argument", "constant", "writes_in_place"]

# Kernels whose result is the same numbers seen another way, in the same memory.
_VIEWS = frozenset(
    (
        "_reshape_alias",
        "_unsafe_view",
        "alias",
        "as_strided",
        "detach",
        "diagonal",
        "expand",
        "flatten",
        "narrow",
        "permute",
        "reshape",
        "select",
        "slice",
        "split",
        "squeeze",
        "t",
        "transpose",
        "unbind",
        "unsqueeze",
        "view",
        "view_as",
    )
)

_SAME = frozenset({"alias", "detach"})


class Tape:
    """One full step's kernels, indexed.

    Args:
        step: The step.
    """

    def __init__(self, step: Step) -> None:
        self.step = step
        self.kernels = step.kernels

    @cached_property
    def _makers(self) -> dict[int, list[Kernel]]:
        found: dict[int, list[Kernel]] = {}
        for kernel in self.kernels:
            for output in kernel.outputs:
                found.setdefault(output.tensor, []).append(kernel)
        return found

    @cached_property
    def _readers(self) -> dict[int, list[Kernel]]:
        found: dict[int, list[Kernel]] = {}
        for kernel in self.kernels:
            for use in tensors(kernel.inputs):
                known = found.setdefault(use.tensor, [])
                if not known or known[-1] is not kernel:
                    known.append(kernel)
        return found

    def maker(self, tensor: int, before: int | None = None) -> Kernel | None:
        """The last kernel that made or wrote a tensor, before the kernel of that index."""
        end = len(self.kernels) if before is None else before
        made = [kernel for kernel in self._makers.get(tensor, []) if kernel.index < end]
        return made[-1] if made else None

    def readers(self, tensor: int, phase: str = "forward") -> list[Kernel]:
        """The kernels of a phase that read a tensor."""
        return [kernel for kernel in self._readers.get(tensor, []) if kernel.phase == phase]

    @cached_property
    def _memory(self) -> dict[int, int]:
        """The first tensor that each tensor is a view of."""
        root: dict[int, int] = {}
        for kernel in self.kernels:
            if operator_name(kernel) in _VIEWS and kernel.outputs:
                base = next(tensors(kernel.inputs), None)
                if base is not None:
                    start = root.get(base.tensor, base.tensor)
                    for output in kernel.outputs:
                        root.setdefault(output.tensor, start)
        return root

    def memory(self, tensor: int) -> int:
        """Names the memory a tensor lies in: views of one tensor have the same."""
        return self._memory.get(tensor, tensor)

    def itself(self, tensor: int) -> int:
        """Names the numbers a tensor shows: ``x`` and ``x.detach()`` have the same."""
        kernel = self._makers.get(tensor, [None])[0]
        while kernel is not None and operator_name(kernel) in _SAME:
            base = next(tensors(kernel.inputs), None)
            if base is None or base.tensor == tensor:
                break
            tensor = base.tensor
            kernel = self._makers.get(tensor, [None])[0]
        return tensor

    def views(self, tensor: int) -> list[Kernel]:
        """The kernels that made views of the memory a tensor lies in."""
        place = self.memory(tensor)
        return [
            kernel
            for kernel in self.kernels
            if operator_name(kernel) in _VIEWS
            and any(self.memory(output.tensor) == place for output in kernel.outputs)
        ]

    def through_views(self, tensor: int, before: int) -> Kernel | None:
        """The kernel that computed the numbers that a tensor shows, views passed over."""
        kernel = self.maker(tensor, before)
        while kernel is not None and operator_name(kernel) in _VIEWS:
            base = next(tensors(kernel.inputs), None)
            kernel = self.maker(base.tensor, kernel.index) if base else None
        return kernel

    def writers(self, tensor: int) -> list[Kernel]:
        """In-place kernels that wrote into the memory a tensor lies in."""
        place = self.memory(tensor)
        return [
            kernel
            for kernel in self.kernels
            if writes_in_place(kernel)
            and any(self.memory(output.tensor) == place for output in kernel.outputs)
        ]

    def ancestors(self, tensor: int, before: int) -> Iterator[Kernel]:
        """Kernels that a tensor was computed by, nearest first."""
        waiting, seen = [(tensor, before)], set[int]()
        while waiting:
            current, end = waiting.pop(0)
            kernel = self.maker(current, end)
            if kernel is None or kernel.index in seen:
                continue
            seen.add(kernel.index)
            yield kernel
            waiting += [(use.tensor, kernel.index) for use in tensors(kernel.inputs)]

    @cached_property
    def differentiable(self) -> frozenset[int]:
        """Tensors that forward kernels with a node made: those that need a gradient."""
        return frozenset(
            output.tensor
            for kernel in self.kernels
            if kernel.phase == "forward" and kernel.node is not None
            for output in kernel.outputs
        )


def writes_in_place(kernel: Kernel) -> bool:
    """Whether a kernel changes its first input, as ``add_`` does."""
    name = operator_name(kernel)
    return name.endswith("_") and not name.endswith("__") and bool(kernel.outputs)


def argument(kernel: Kernel, name: str) -> TensorUse | None:
    """The tensor that a kernel was given under a name of its schema."""
    for one in kernel.inputs:
        if one.name == name and isinstance(one.value, TensorUse):
            return one.value
    return None


def constant(kernel: Kernel, name: str) -> float | None:
    """The number that a kernel was given under a name of its schema."""
    for one in kernel.inputs:
        if one.name == name and isinstance(one.value, Constant):
            value = one.value.value
            return float(value) if isinstance(value, int | float) else None
    return None
