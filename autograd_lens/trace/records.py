"""What happened in a run, as frozen records.

The records of one step nest like this::

    Step
    ├── parameters   name -> ParameterStep          every level
    ├── backwards    Backward                       every level
    │   ├── graph        Graph: Node, Edge          full level
    │   ├── node_runs    NodeRun                    full level
    │   └── grad_writes  GradWrite
    ├── kernels      Kernel: Argument, TensorUse    full level
    ├── updates      ParameterUpdate
    ├── grad_changes GradChange                     full level
    └── zero_grads   ZeroGrad

Ids (of kernels, nodes, tensors) are positions within their step and say nothing
about memory addresses.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from autograd_lens.trace.values import Value

__all__ = [
    "Argument",
    "Backward",
    "Constant",
    "Edge",
    "Event",
    "GradChange",
    "GradMode",
    "GradWrite",
    "Graph",
    "Kernel",
    "Level",
    "Node",
    "NodeRun",
    "Parameter",
    "ParameterStep",
    "ParameterUpdate",
    "Phase",
    "Role",
    "SavedTensor",
    "Source",
    "Step",
    "TensorSpec",
    "TensorUse",
    "ZeroGrad",
]

Phase = Literal["forward", "backward", "update", "zero_grad"]
Level = Literal["light", "full"]
Role = Literal["parameter", "gradient", "input", "state", "loss", "intermediate"]
GradMode = Literal["set", "accumulate"]


@dataclass(frozen=True, slots=True)
class Source:
    """Where in the program something was asked for.

    Attributes:
        file: Path of the source file as the program knew it.
        line: First line, counted from 1.
        end_line: Last line, counted from 1.
        column: First column of the expression, counted from 0 in UTF-8 bytes; -1 where unknown.
        end_column: Column behind the expression; -1 where unknown.
        function: Name of the function, ``<module>`` at top level.
    """

    file: str
    line: int
    end_line: int
    column: int
    end_column: int
    function: str

    @classmethod
    def at(cls, file: str, line: int, function: str = "", *, end_line: int | None = None) -> Source:
        """A line of a file, or some, of which no more is known."""
        return cls(file, line, end_line or line, -1, -1, function)


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """What a tensor is, without its value.

    Attributes:
        name: Name in the program (``w1``, ``w1.grad``), else ``""``.
        shape: Sizes of all axes.
        dtype: torch dtype without its prefix.
        device: For example ``"cpu"`` or ``"cuda:0"``.
        role: What the tensor is in this step.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    device: str
    role: Role


@dataclass(frozen=True, slots=True)
class TensorUse:
    """One tensor as a kernel read or wrote it.

    Attributes:
        tensor: Id of the tensor within the step: the same id, the same tensor object.
        spec: What the tensor is.
        value: Its value at that moment; None where nothing could be read.
    """

    tensor: int
    spec: TensorSpec
    value: Value | None


@dataclass(frozen=True, slots=True)
class Constant:
    """An argument that is no tensor.

    Attributes:
        kind: ``"scalar"`` for numbers, booleans, strings and None, else the torch type:
            ``"dtype"``, ``"device"``, ``"layout"``, ``"memory_format"``, ``"generator"``,
            ``"group"`` for processes that compute together (``"ranks 0, 1"``), or ``"opaque"``
            for what cannot be written down.
        value: The number itself, or the name of the torch object.
    """

    kind: str
    value: bool | int | float | complex | str | None


@dataclass(frozen=True, slots=True)
class Argument:
    """One argument of a kernel.

    Attributes:
        name: Name in the operator's schema, for example ``"self"``.
        value: A tensor, a constant, or a tuple of these for a list.
        keyword: Whether it was passed by keyword.
    """

    name: str
    value: TensorUse | Constant | tuple[TensorUse | Constant, ...]
    keyword: bool = False


@dataclass(frozen=True, slots=True)
class Kernel:
    """One ATen call on the tape.

    Attributes:
        index: Position on the step's tape, from 0.
        op: Operator with overload, for example ``"aten.mm.default"``.
        inputs: All arguments in the order of the call.
        outputs: Results; for an in-place kernel the tensor it changed.
        phase: What the step was doing.
        node: In backward, index of the node that ran the kernel; in forward, index of the
            node the kernel made; None where there is none. Refers to the step's backward
            number ``backward``.
        backward: Which of the step's backwards ``node`` belongs to.
        source: The line of the program that asked for it, or None.
        module: Path of the innermost ``nn.Module`` that was running, ``""`` outside.
        training: Whether that module was in training mode; None outside of modules, and in
            recordings made before this was kept.
        requires_grad: Whether autograd made a node for its results; None in backward, and where
            it is not known.
    """

    index: int
    op: str
    inputs: tuple[Argument, ...]
    outputs: tuple[TensorUse, ...]
    phase: Phase
    node: int | None
    backward: int
    source: Source | None
    module: str
    training: bool | None = None
    requires_grad: bool | None = None


@dataclass(frozen=True, slots=True)
class SavedTensor:
    """What a node keeps from the forward for its backward.

    Attributes:
        name: Name in PyTorch's formula, for example ``"self"`` or ``"exponent"``.
        value: A tensor's value as it was when the node was about to run, or a constant.
        tensor: Id of the forward tensor it is, where known.
        changed: Whether its content differs from when the forward made it.
        note: Why the value is missing, else ``""``.
    """

    name: str
    value: Value | Constant | tuple[Value | Constant | None, ...] | None
    tensor: int | None = None
    changed: bool = False
    note: str = ""


@dataclass(frozen=True, slots=True)
class Node:
    """One node of the autograd graph.

    Attributes:
        index: Position in the graph, from 0; the root is 0.
        name: PyTorch's name, for example ``"MulBackward0"``.
        formula: PyTorch's own derivative formulas as (input, expression) pairs, in the order
            of the node's inputs; empty where PyTorch's table has none.
        forward_kernel: Index of the kernel that made the node, or None.
        saved: What the node keeps for its backward.
        variable: For ``AccumulateGrad``, the name of its parameter, else None.
    """

    index: int
    name: str
    formula: tuple[tuple[str, str], ...]
    forward_kernel: int | None
    saved: tuple[SavedTensor, ...]
    variable: str | None


@dataclass(frozen=True, slots=True)
class Edge:
    """One entry of a node's ``next_functions``: where one of its gradients goes.

    Attributes:
        from_node: Index of the node that computes the gradient.
        input_position: Position among that node's inputs, and so among its ``grad_inputs``.
        to_node: Index of the node that receives it.
        output_nr: Which of the receiver's outputs (positions of ``grad_outputs``) it belongs to.
    """

    from_node: int
    input_position: int
    to_node: int
    output_nr: int


@dataclass(frozen=True, slots=True)
class Graph:
    """The autograd graph that one backward ran through.

    Attributes:
        nodes: All nodes reached from the roots, roots first.
        edges: All edges between them.
        dot: torchviz's DOT source of the graph with our node ids (``n0`` for node 0, ``p0``,
            ... for leaves), or ``""``.
    """

    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]
    dot: str = ""


@dataclass(frozen=True, slots=True)
class NodeRun:
    """One node as the engine ran it.

    Attributes:
        order: Position in the engine's order, from 0.
        node: Index of the node.
        grad_outputs: Gradients that came in, one per output of the forward function;
            None where the engine passed none.
        grad_inputs: Gradients that went out, one per input of the forward function.
        kernels: Indexes of the kernels it ran.
    """

    order: int
    node: int
    grad_outputs: tuple[Value | None, ...]
    grad_inputs: tuple[Value | None, ...]
    kernels: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class GradWrite:
    """One write to a parameter's ``.grad``.

    Attributes:
        parameter: Name of the parameter.
        before: ``.grad`` before the write; None where it was None.
        incoming: The gradient that arrived; None at light level.
        after: ``.grad`` after the write.
        mode: ``"set"`` where ``.grad`` was None, else ``"accumulate"``.
    """

    parameter: str
    before: Value | None
    incoming: Value | None
    after: Value | None
    mode: GradMode

    @property
    def cleared(self) -> bool:
        """Whether a hook cleared ``.grad`` at once, as optimizers inside of a backward do."""
        return self.after is None


@dataclass(frozen=True, slots=True)
class Backward:
    """One run of the autograd engine.

    Attributes:
        index: Position within the step, from 0.
        kind: ``"backward"`` where ``.grad`` was written, ``"grad"`` for ``torch.autograd.grad``.
        roots: Values of the tensors it started from.
        retain_graph: As given or defaulted.
        create_graph: As given or defaulted.
        source: The line that called it, or None.
        fingerprint: Short hexadecimal id of the graph's structure; equal structure, equal id.
        grad_writes: What happened to each ``.grad``.
        graph: The graph; None at light level.
        node_runs: The nodes in the order the engine ran them; empty at light level.
        error: ``"Type: message"`` of the exception it raised, else ``""``.
    """

    index: int
    kind: Literal["backward", "grad"]
    roots: tuple[Value | None, ...]
    retain_graph: bool
    create_graph: bool
    source: Source | None
    fingerprint: str
    grad_writes: tuple[GradWrite, ...]
    graph: Graph | None = None
    node_runs: tuple[NodeRun, ...] = ()
    error: str = ""


@dataclass(frozen=True, slots=True)
class ParameterUpdate:
    """What one update did to one parameter.

    Attributes:
        parameter: Name of the parameter.
        before: Value before the update.
        after: Value after it.
        grad: ``.grad`` that the update read; None where there was none.
        expression: The arithmetic in the program's own names, for example
            ``"w1 - 0.01 * w1.grad"``; ``""`` at light level.
        kernels: Indexes of the kernels that computed it; empty at light level.
        source: The line that wrote the parameter; None at light level.
    """

    parameter: str
    before: Value | None
    after: Value | None
    grad: Value | None
    expression: str = ""
    kernels: tuple[int, ...] = ()
    source: Source | None = None


@dataclass(frozen=True, slots=True)
class GradChange:
    """What one change outside of backward did to a ``.grad``: clipping, scaling, noise.

    Attributes:
        parameter: Name of the parameter.
        before: ``.grad`` before it.
        after: ``.grad`` after it.
        expression: The arithmetic in the program's own names.
        kernels: Indexes of the kernels that computed it.
        source: The line that changed it.
    """

    parameter: str
    before: Value | None
    after: Value | None
    expression: str = ""
    kernels: tuple[int, ...] = ()
    source: Source | None = None


@dataclass(frozen=True, slots=True)
class ZeroGrad:
    """One clearing of a parameter's ``.grad``.

    Attributes:
        parameter: Name of the parameter.
        before: ``.grad`` before.
        after: ``.grad`` after: zeros, or None where it was set to None.
        source: The line that cleared it; None at light level or for ``grad = None``.
    """

    parameter: str
    before: Value | None
    after: Value | None
    source: Source | None = None


@dataclass(frozen=True, slots=True)
class ParameterStep:
    """One parameter over one step.

    Attributes:
        name: Name of the parameter.
        before: Value the forward used.
        grad_before: ``.grad`` before the step's first backward.
        grad: ``.grad`` after the step's last backward.
        mode: How the last backward wrote it, or None where it did not reach the parameter.
        after: Value after the step's updates; None while the step has not ended.
        zeroed: Whether ``.grad`` was cleared between the last backward and the next step's;
            None while unknown.
    """

    name: str
    before: Value | None
    grad_before: Value | None
    grad: Value | None
    mode: GradMode | None
    after: Value | None
    zeroed: bool | None


@dataclass(frozen=True, slots=True)
class Step:
    """One turn of the training loop.

    Attributes:
        index: Step number, from 0.
        level: ``"light"`` or ``"full"``.
        loss: Value of the root of the step's last backward (see ``main_backward``), as a float;
            NaN where it is no single number, None where the step has no backward.
        parameters: Each known parameter by name.
        backwards: Runs of the engine, in order.
        updates: Parameter updates, in order.
        zero_grads: Clearings of ``.grad``, in order.
        grad_changes: Other changes of ``.grad`` outside of backward, in order; empty at light
            level.
        kernels: The tape; empty at light level.
        omitted: Sentences naming what was left out of this step and why.
        provenance: ``"recorded"``; a replayed step says ``"proved"`` or ``"differs"``.
    """

    index: int
    level: Level
    loss: float | None
    parameters: Mapping[str, ParameterStep]
    backwards: tuple[Backward, ...]
    updates: tuple[ParameterUpdate, ...] = ()
    zero_grads: tuple[ZeroGrad, ...] = ()
    grad_changes: tuple[GradChange, ...] = ()
    kernels: tuple[Kernel, ...] = ()
    omitted: tuple[str, ...] = ()
    provenance: str = "recorded"

    @property
    def main_backward(self) -> int:
        """Position of the run that ``loss`` is of; -1 where the step has none.

        It is the last that wrote gradients, ``torch.autograd.grad`` only where there is no other:
        a sharpness or a saliency that is computed behind the update is not what was trained.
        """
        positions = range(len(self.backwards))
        written = [at for at in positions if self.backwards[at].kind == "backward"]
        return (written or positions or [-1])[-1]


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter of the run.

    Attributes:
        name: Its name in the run, unique.
        shape: Sizes of all axes.
        dtype: torch dtype without its prefix.
        device: For example ``"cpu"``.
        aliases: Other names it answers to, for example ``"model.w1"``.
        first_step: The step at which it was first seen.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    device: str
    aliases: tuple[str, ...] = field(default=())
    first_step: int = 0


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened to the run as a whole.

    Attributes:
        kind: ``"exception"``, ``"interrupt"``, ``"warning"``, ``"incomplete"``.
        step: Step during which it happened, or None.
        message: One line.
        detail: More, for example a traceback; may be empty.
    """

    kind: str
    step: int | None
    message: str
    detail: str = ""
