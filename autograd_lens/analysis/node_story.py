"""What one node of the backward did: PyTorch's formula, the textbook's, and the run's numbers.

The textbook's formula is computed from the recorded values and compared with the gradient
that the node really gave, so a reader sees whether the explanation fits the run.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from autograd_lens.analysis.textbook import RULES, Rule, difference
from autograd_lens.trace.graph import operator_name, tensors
from autograd_lens.trace.records import (
    Argument,
    Backward,
    Constant,
    Edge,
    Graph,
    Kernel,
    Node,
    NodeRun,
    Step,
    TensorUse,
)
from autograd_lens.trace.values import Value

__all__ = ["Incoming", "NodeStory", "Outgoing", "Term", "given_inputs", "node_story"]

NameOf = Callable[[TensorUse], str]
Item = TensorUse | Constant | tuple[TensorUse | Constant, ...]


@dataclass(frozen=True, slots=True)
class Term:
    """One of the gradients that met at a node.

    Attributes:
        node: Index of the node that it came from.
        value: The gradient; None where it was not recorded.
    """

    node: int
    value: Value | None


@dataclass(frozen=True, slots=True)
class Incoming:
    """The gradient that arrived for one result of the forward.

    Attributes:
        name: Name of that result.
        value: The gradient, all terms added.
        terms: What was added; one only where nothing met.
    """

    name: str
    value: Value | None
    terms: tuple[Term, ...]


@dataclass(frozen=True, slots=True)
class Outgoing:
    """The gradient that a node gave for one input of the forward.

    Attributes:
        argument: Name in the operator's schema, ``""`` where unknown.
        name: Name of the tensor.
        value: The gradient; None where the node gave none.
        formula: PyTorch's own expression, or ``""``.
        rule: The textbook's, or None.
        names: What the textbook's formula calls this call's arguments.
        receiver: The node that it goes to, or None.
        broadcast: Axes of the result that the input was repeated along, by their sizes.
        difference: Largest difference between the textbook's number and the recorded one, as
            a share of the largest recorded element; None where it was not computed.
    """

    argument: str
    name: str
    value: Value | None
    formula: str
    rule: Rule | None
    names: Mapping[str, str]
    receiver: Node | None
    broadcast: tuple[int, ...]
    difference: float | None

    @property
    def wording(self) -> str:
        """The textbook's formula with the names of this call, or ``""``."""
        return self.rule.worded(self.names) if self.rule else ""


@dataclass(frozen=True, slots=True)
class NodeStory:
    """What one node did.

    Attributes:
        node: The node.
        run: How the engine ran it.
        kernel: The forward kernel that made it, or None.
        incoming: What arrived, one for each result of the forward.
        outgoing: What it gave, one for each input that had somewhere to go.
        ran: The kernels that it ran, where no textbook formula tells what they do.
    """

    node: Node
    run: NodeRun
    kernel: Kernel | None
    incoming: tuple[Incoming, ...]
    outgoing: tuple[Outgoing, ...]
    ran: tuple[Kernel, ...] = ()


@dataclass(frozen=True, slots=True)
class _Scene:
    """Everything that one node's story is told from."""

    step: Step
    backward: Backward
    graph: Graph
    run: NodeRun
    node: Node
    kernel: Kernel | None
    name_of: NameOf


def node_story(step: Step, backward: Backward, run: NodeRun, name_of: NameOf) -> NodeStory:
    """The story of one node run.

    Args:
        step: The step, recorded in full.
        backward: The backward that the run belongs to.
        run: The run.
        name_of: Gives the name of a tensor.
    """
    graph = backward.graph or Graph((), ())
    node = graph.nodes[run.node]
    kernel = None if node.forward_kernel is None else step.kernels[node.forward_kernel]
    scene = _Scene(step, backward, graph, run, node, kernel, name_of)
    outgoing = tuple(_outgoing(scene))
    told = node.variable is not None or all(one.rule is not None for one in outgoing)
    ran = () if told else tuple(step.kernels[index] for index in run.kernels)
    return NodeStory(node, run, kernel, tuple(_incoming(scene)), outgoing, ran)


def _incoming(scene: _Scene) -> Iterator[Incoming]:
    outputs = scene.kernel.outputs if scene.kernel else ()
    runs = {run.node: run for run in scene.backward.node_runs}
    for position, value in enumerate(scene.run.grad_outputs):
        arriving = [
            edge
            for edge in scene.graph.edges
            if (edge.to_node, edge.output_nr) == (scene.node.index, position)
        ]
        terms = tuple(
            Term(edge.from_node, _given(runs.get(edge.from_node), edge)) for edge in arriving
        )
        name = scene.name_of(outputs[position]) if position < len(outputs) else ""
        yield Incoming(name or scene.node.variable or "", value, terms)


def _given(run: NodeRun | None, edge: Edge) -> Value | None:
    known = run.grad_inputs if run else ()
    return known[edge.input_position] if edge.input_position < len(known) else None


def _outgoing(scene: _Scene) -> Iterator[Outgoing]:
    edges = {
        edge.input_position: edge
        for edge in scene.graph.edges
        if edge.from_node == scene.node.index
    }
    inputs = list(given_inputs(scene.node, scene.kernel))
    for position, value in enumerate(scene.run.grad_inputs):
        edge = edges.get(position)
        if edge is None and value is None:
            continue  # an input that needs no gradient
        known = inputs[position] if position < len(inputs) else ("", None, "", 0)
        receiver = scene.graph.nodes[edge.to_node] if edge else None
        yield _one(scene, known, value, receiver)


def given_inputs(
    node: Node, kernel: Kernel | None
) -> Iterator[tuple[str, TensorUse | None, str, int]]:
    """Name, tensor, formula and place in its list of each input."""
    given = {argument.name: argument for argument in kernel.inputs} if kernel else {}
    for names, expression in node.formula:
        for name in names.split(", "):
            for place, use in enumerate(_tensors(given.get(name))):
                yield name, use, expression, place


def _tensors(argument: Argument | None) -> list[TensorUse | None]:
    if argument is None:
        return [None]
    if isinstance(argument.value, tuple):
        return [item for item in argument.value if isinstance(item, TensorUse)]
    return [argument.value if isinstance(argument.value, TensorUse) else None]


def _one(
    scene: _Scene,
    known: tuple[str, TensorUse | None, str, int],
    value: Value | None,
    receiver: Node | None,
) -> Outgoing:
    argument, use, formula, place = known
    kernel = scene.kernel
    rule = RULES.get(operator_name(kernel).removesuffix("_"), {}).get(argument) if kernel else None
    return Outgoing(
        argument=argument,
        name=scene.name_of(use) if use else argument,
        value=value,
        formula=formula,
        rule=rule,
        names=_names(kernel, scene.name_of) if kernel else {},
        receiver=receiver,
        broadcast=_broadcast(use, kernel) if rule and rule.elementwise else (),
        difference=_difference(scene, rule, value, place),
    )


def _names(kernel: Kernel, name_of: NameOf) -> Mapping[str, str]:
    names = {argument.name: _named(argument.value, name_of) for argument in kernel.inputs}
    if kernel.outputs:
        names["result"] = name_of(kernel.outputs[0])
    names["n"] = _count(kernel)
    if kernel.op.startswith(("aten.add", "aten.sub", "aten.rsub")):
        names.setdefault("alpha", "1")
    if (exponent := _exponent(kernel)) is not None:
        names["lower"] = f"{exponent - 1:g}"
    elif "exponent" in names:
        names["lower"] = f"({names['exponent']} - 1)"
    return names


def _count(kernel: Kernel) -> str:
    """How many elements of its first input went into each of the result's."""
    first = next(tensors(kernel.inputs), None)
    if first is None or not kernel.outputs or not all(kernel.outputs[0].spec.shape):
        return "n"
    return str(math.prod(first.spec.shape) // math.prod(kernel.outputs[0].spec.shape))


def _exponent(kernel: Kernel) -> float | None:
    """The exponent of a power where it is one number."""
    for argument in kernel.inputs:
        value = argument.value.value if isinstance(argument.value, Constant) else None
        if argument.name == "exponent" and isinstance(value, int | float):
            return float(value)
    return None


def _named(item: Item, name_of: NameOf) -> str:
    if isinstance(item, TensorUse):
        return name_of(item)
    if isinstance(item, Constant):
        value = item.value
        return f"{value:g}" if isinstance(value, int | float) else str(value)
    return f"[{', '.join(_named(each, name_of) for each in item)}]"


def _broadcast(use: TensorUse | None, kernel: Kernel | None) -> tuple[int, ...]:
    if use is None or kernel is None or not kernel.outputs:
        return ()
    whole, own = kernel.outputs[0].spec.shape, use.spec.shape
    padded = (1,) * (len(whole) - len(own)) + own
    return tuple(large for large, small in zip(whole, padded, strict=False) if large != small)


def _difference(scene: _Scene, rule: Rule | None, value: Value | None, place: int) -> float | None:
    grads = scene.run.grad_outputs
    if rule is None or scene.kernel is None or value is None or not grads:
        return None
    return difference(rule, scene.kernel, grads[0], value, place)
