"""One index of a step's tape: what kernels were given, what made, read and wrote each tensor.

Whoever asks which kernel made a node, which kernels read a tensor or whose memory it lies in
asks here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cached_property

from autograd_lens.trace.records import (
    Argument,
    Constant,
    Kernel,
    Node,
    NodeRun,
    Step,
    TensorUse,
)

__all__ = [
    "TapeIndex",
    "argument",
    "constant",
    "is_spoken",
    "operator_name",
    "tensors",
    "writes_in_place",
]

# Names and kinds of arguments that say nothing about the mathematics.
_UNSPOKEN = frozenset(
    {"device", "dtype", "generator", "layout", "memory_format", "opaque", "out", "pin_memory"}
)

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


class TapeIndex:
    """One full step's kernels and nodes, indexed.

    Args:
        step: The step, recorded in full or replayed.
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

    def kernel_of(self, node: Node) -> Kernel | None:
        """The forward kernel that made a node, None where the tape does not hold it."""
        made = node.forward_kernel
        return self.kernels[made] if made is not None and made < len(self.kernels) else None

    def node_of(self, kernel: Kernel) -> Node | None:
        """The node that a forward kernel made, or that ran a backward's kernel."""
        if kernel.node is None or not 0 <= kernel.backward < len(self.step.backwards):
            return None
        graph = self.step.backwards[kernel.backward].graph
        return graph.nodes[kernel.node] if graph and kernel.node < len(graph.nodes) else None

    def loss_kernel(self, backward: int = -1) -> Kernel | None:
        """The kernel that made what a backward started from."""
        if not -len(self.step.backwards) <= backward < len(self.step.backwards):
            return None
        graph = self.step.backwards[backward].graph
        return self.kernel_of(graph.nodes[0]) if graph and graph.nodes else None

    def run_of(self, node: int, backward: int = -1) -> NodeRun | None:
        """How a node was run; None where the engine did not run it."""
        return self._runs[backward % len(self.step.backwards)].get(node)

    @cached_property
    def _runs(self) -> list[dict[int, NodeRun]]:
        return [{run.node: run for run in one.node_runs} for one in self.step.backwards]


def operator_name(kernel: Kernel) -> str:
    """The operator without namespace and overload: ``"mm"`` for ``"aten.mm.default"``."""
    return kernel.op.split(".")[1] if "." in kernel.op else kernel.op


def is_spoken(argument: Argument) -> bool:
    """Whether an argument belongs into an expression; None and empty lists do not."""
    if argument.name in _UNSPOKEN or argument.value == ():
        return False
    if isinstance(argument.value, Constant):
        return argument.value.kind not in _UNSPOKEN and argument.value.value is not None
    return True


def tensors(arguments: Iterable[Argument]) -> Iterator[TensorUse]:
    """All tensors among the arguments, those in lists too."""
    for argument in arguments:
        items = argument.value if isinstance(argument.value, tuple) else (argument.value,)
        yield from (item for item in items if isinstance(item, TensorUse))


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
