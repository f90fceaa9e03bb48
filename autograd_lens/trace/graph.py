"""One index of a step's tape: what kernels were given, what made, read and wrote each tensor.

Whoever asks which kernel made a node, which inputs it passes gradients to, which kernels read a
tensor or whose memory it lies in asks here.

NOTE 1 [Nodes of custom Functions]: a ``torch.autograd.Function`` gets its node before its
``forward`` runs, so the first kernel inside is the one that a recording ties to the node. What
the node stands for is the Function's result: the tensor that the next node was given.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from autograd_lens.trace.records import (
    Argument,
    Constant,
    Edge,
    Graph,
    Kernel,
    Node,
    NodeRun,
    Step,
    TensorSpec,
    TensorUse,
)
from autograd_lens.trace.values import Value

__all__ = [
    "VIEWS",
    "NodeInput",
    "TapeIndex",
    "argument",
    "constant",
    "integers",
    "is_custom",
    "is_spoken",
    "leaves_unset",
    "operator_name",
    "tensors",
    "writes_in_place",
]

# Names and kinds of arguments that say nothing about the mathematics.
_UNSPOKEN = frozenset(
    {"device", "dtype", "generator", "layout", "memory_format", "opaque", "out", "pin_memory"}
)

# Kernels whose result holds whatever its memory held.
_UNSET = frozenset({"empty", "empty_like", "empty_strided", "new_empty", "new_empty_strided"})

VIEWS = frozenset(
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
"""Kernels whose result is the same numbers seen another way, in the same memory."""


_SAME = frozenset({"alias", "detach"})


@dataclass(frozen=True, slots=True)
class NodeInput:
    """One input of a node's forward: where one of its gradients goes.

    Attributes:
        argument: Name in the operator's schema.
        use: The tensor; None where the tape does not hold it.
        formula: PyTorch's own expression for the gradient.
        place: Position in its list, where the argument is a list of tensors.
    """

    argument: str
    use: TensorUse | None
    formula: str
    place: int = 0


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
            if operator_name(kernel) in VIEWS and kernel.outputs:
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
            if operator_name(kernel) in VIEWS
            and any(self.memory(output.tensor) == place for output in kernel.outputs)
        ]

    def through_views(self, tensor: int, before: int) -> Kernel | None:
        """The kernel that computed the numbers that a tensor shows, views passed over."""
        kernel = self.maker(tensor, before)
        while kernel is not None and operator_name(kernel) in VIEWS:
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

    @cached_property
    def written(self) -> list[tuple[Kernel, str, Value | None]]:
        """The kernels that wrote into a parameter (``w1``) or a ``.grad`` (``w1.grad``), in order.

        With the new value; None where only a part was written, or it was not kept.
        """
        named: dict[int, TensorSpec] = {}
        for kernel in self.kernels:
            for use in (*tensors(kernel.inputs), *kernel.outputs):
                if use.spec.name and use.spec.role in {"parameter", "gradient"}:
                    named.setdefault(self.memory(use.tensor), use.spec)
        found = []
        for kernel in self.kernels:
            for use in kernel.outputs if writes_in_place(kernel) else ():
                spec = named.get(self.memory(use.tensor))
                if spec is not None:
                    value = use.value if use.spec.shape == spec.shape else None
                    found.append((kernel, spec.name, value))
        return found

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
        """The forward kernel that made a node's result, None where the tape does not hold it.

        Of a custom Function it is the last kernel of its ``forward``; see NOTE 1.
        """
        return self._function_results.get(id(node)) or self._recorded(node)

    def _recorded(self, node: Node) -> Kernel | None:
        made = node.forward_kernel
        return self.kernels[made] if made is not None and made < len(self.kernels) else None

    @cached_property
    def _function_results(self) -> Mapping[int, Kernel]:
        """The kernels that made the results of custom Functions, by the ``id`` of their nodes."""
        found: dict[int, Kernel] = {}
        for graph in self._graphs:
            for edge in graph.edges:
                node = graph.nodes[edge.to_node]
                if is_custom(node) and (made := self._given_by(graph, edge)) is not None:
                    found.setdefault(id(node), made)
            root = graph.nodes[0] if graph.nodes else None
            if root is not None and is_custom(root) and (made := self._loss_maker) is not None:
                found.setdefault(id(root), made)
        return found

    def _given_by(self, graph: Graph, edge: Edge) -> Kernel | None:
        """The kernel that made the tensor that the edge's first node was given."""
        user = graph.nodes[edge.from_node]
        made, inputs = self._recorded(user), self.inputs_of(user)
        use = inputs[edge.input_position].use if edge.input_position < len(inputs) else None
        return self.maker(use.tensor, made.index) if use and made else None

    @property
    def _loss_maker(self) -> Kernel | None:
        """The last kernel that made something a backward started from."""
        return next(
            (
                kernel
                for kernel in reversed(self.kernels)
                if any(use.spec.role == "loss" for use in kernel.outputs)
            ),
            None,
        )

    @cached_property
    def _graphs(self) -> list[Graph]:
        return [one.graph for one in self.step.backwards if one.graph is not None]

    def function_kernels(self, node: Node) -> tuple[Kernel, ...]:
        """The kernels that ran inside a custom Function's ``forward``; none for other nodes."""
        last = self.kernel_of(node)
        if not is_custom(node) or last is None:
            return ()
        given = [made.index for made in self._given_to(node) if made.index < last.index]
        needed = {last.index} | {
            kernel.index
            for use in tensors(last.inputs)
            for kernel in self.ancestors(use.tensor, last.index)
        }
        inside = range(max(given, default=-1) + 1, last.index + 1)
        return tuple(self.kernels[index] for index in inside if index in needed)

    def _given_to(self, node: Node) -> Iterator[Kernel]:
        """The kernels that made what a node's forward was given, as far as they made nodes."""
        for graph in self._graphs:
            if any(node is one for one in graph.nodes):
                ends = (e.to_node for e in graph.edges if e.from_node == node.index)
                yield from (made for end in ends if (made := self.kernel_of(graph.nodes[end])))

    def inputs_of(self, node: Node) -> tuple[NodeInput, ...]:
        """The inputs of a node's forward, in the order of its ``grad_inputs``.

        One formula may serve several inputs, and an input that is a list of tensors has one
        gradient each. Empty where PyTorch's table has no formula of the node.
        """
        kernel = self._recorded(node)
        given = {each.name: each for each in kernel.inputs} if kernel else {}
        return tuple(
            NodeInput(name, use, expression, place)
            for names, expression in node.formula
            for name in names.split(", ")
            for place, use in enumerate(_listed(given.get(name)))
        )

    def node_of(self, kernel: Kernel) -> Node | None:
        """The node that a forward kernel made, or that ran a backward's kernel."""
        if kernel.phase == "forward":
            return self._nodes.get(kernel.index)
        if kernel.node is None or not 0 <= kernel.backward < len(self.step.backwards):
            return None
        graph = self.step.backwards[kernel.backward].graph
        return graph.nodes[kernel.node] if graph and kernel.node < len(graph.nodes) else None

    @cached_property
    def _nodes(self) -> Mapping[int, Node]:
        """The node of each forward kernel that made one."""
        found: dict[int, Node] = {}
        for graph in self._graphs:
            for node in graph.nodes:
                if (kernel := self.kernel_of(node)) is not None:
                    found.setdefault(kernel.index, node)
        return found

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

    def leaving(self, node: int, backward: int = -1) -> Mapping[int, Edge]:
        """The edges that a node's gradients go along, by their position in ``grad_inputs``."""
        return self._edges[backward % len(self.step.backwards)][0].get(node, {})

    def arriving(self, node: int, output: int, backward: int = -1) -> list[Edge]:
        """The edges along which the gradients for one result of a node's forward come."""
        return self._edges[backward % len(self.step.backwards)][1].get((node, output), [])

    @cached_property
    def _edges(self) -> list[_Edges]:
        found: list[_Edges] = []
        for one in self.step.backwards:
            leaving: dict[int, dict[int, Edge]] = {}
            arriving: dict[tuple[int, int], list[Edge]] = {}
            for edge in one.graph.edges if one.graph else ():
                leaving.setdefault(edge.from_node, {})[edge.input_position] = edge
                arriving.setdefault((edge.to_node, edge.output_nr), []).append(edge)
            found.append((leaving, arriving))
        return found


_Edges = tuple[dict[int, dict[int, Edge]], dict[tuple[int, int], list[Edge]]]


def is_custom(node: Node) -> bool:
    """Whether a node is of a ``torch.autograd.Function``, whose backward is Python.

    PyTorch numbers its own nodes (``MmBackward0``); a custom Function's has no number.
    """
    return node.name.endswith("Backward")


def _listed(argument: Argument | None) -> list[TensorUse | None]:
    """The tensors of an argument, one by one; one None where it is no tensor."""
    if argument is None:
        return [None]
    if isinstance(argument.value, tuple):
        return [item for item in argument.value if isinstance(item, TensorUse)]
    return [argument.value if isinstance(argument.value, TensorUse) else None]


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


def leaves_unset(kernel: Kernel) -> bool:
    """Whether a kernel makes memory without filling it: its numbers mean nothing."""
    return operator_name(kernel) in _UNSET


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


def integers(kernel: Kernel, name: str) -> list[int]:
    """The whole numbers that a kernel was given under a name of its schema, one or several."""
    found = next((one.value for one in kernel.inputs if one.name == name), ())
    items = found if isinstance(found, tuple) else (found,)
    numbers = (one.value for one in items if isinstance(one, Constant))
    return [int(one) for one in numbers if isinstance(one, int)]


def constant(kernel: Kernel, name: str) -> float | None:
    """The number that a kernel was given under a name of its schema."""
    for one in kernel.inputs:
        if one.name == name and isinstance(one.value, Constant):
            value = one.value.value
            return float(value) if isinstance(value, int | float) else None
    return None
