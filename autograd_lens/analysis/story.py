"""The story of a node of the backward, told once for every face.

What came in and from whom, by which formula it was passed on, what went out and to whom, which
kernel of the forward made the node and in which line, what it kept, what it ran, what became of
``.grad``, and whether the textbook gives the number that the run had. Trace, explanation,
stepper, graph, page and handout show as much of it as they have room for.

NOTE 1 [What is checked]: each gradient that a node gave is computed again by the textbook's
formula, from the values that the forward worked with, when somebody asks for its ``check``. The
backward of a custom Function is the program's own: no formula tells what it should give, so it
is said to be unchecked, with what would check it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import numpy.typing as npt

from autograd_lens.analysis.names import Names
from autograd_lens.analysis.textbook import RULES, Rule, difference
from autograd_lens.trace.expr import (
    TEXTBOOK,
    TRANSPOSE,
    Call,
    Expr,
    Listed,
    Name,
    Word,
    digits,
    replaced,
    write,
)
from autograd_lens.trace.expression import spoken_name
from autograd_lens.trace.graph import (
    NodeInput,
    TapeIndex,
    constant,
    is_custom,
    operator_name,
    tensors,
)
from autograd_lens.trace.records import (
    Backward,
    Constant,
    Edge,
    GradWrite,
    Graph,
    Kernel,
    Node,
    NodeRun,
    SavedTensor,
    Source,
    TensorUse,
)
from autograd_lens.trace.values import Value, equal

__all__ = [
    "Check",
    "Incoming",
    "Kept",
    "NodeStory",
    "Outgoing",
    "Stories",
    "Term",
    "compared",
    "formula",
    "operation",
]

Item = TensorUse | Constant | tuple[TensorUse | Constant, ...]

_CLOSE = 1e-4  # share of the largest element; float32 sums in another order differ by less
_COARSE = {"float16": 1e-2, "bfloat16": 6e-2}  # of eight roundings
_UNKNOWN = NodeInput("", None, "")
_OWN_BACKWARD = (
    "its backward is the program's own; explain --finite-differences checks the gradient"
)


@dataclass(frozen=True, slots=True)
class Check:
    """Whether two numbers that should agree do.

    Attributes:
        what: What was compared, a short phrase.
        holds: Whether they agree; None where that is not known.
        found: The outcome in words; where it is not known, why.
    """

    what: str
    holds: bool | None
    found: str


@dataclass(frozen=True, slots=True)
class Term:
    """One of the gradients that met at a node.

    Attributes:
        node: The node that it came from.
        value: The gradient; None where it was not recorded.
    """

    node: Node
    value: Value | None


@dataclass(frozen=True)
class Incoming:
    """The gradient that arrived for one result of the forward.

    Attributes:
        name: Name of that result.
        use: The result; None where the tape does not hold it.
        value: The gradient, all terms added; None where the engine passed none.
        terms: What was added; one only where nothing met, none at a root.
    """

    name: str
    use: TensorUse | None
    value: Value | None
    terms: tuple[Term, ...]

    @cached_property
    def hooked(self) -> bool:
        """Whether it is known to be another one than what was given: a hook changed it."""
        given = [term.value for term in self.terms]
        if self.value is None or not given or any(each is None for each in given):
            return False
        known = [each for each in given if each is not None]
        if len(known) == 1:
            return equal(known[0], self.value) is False
        if not self.value.complete or not all(each.complete for each in known):
            return False
        try:
            return not _adds_up([each.array for each in known], self.value.array)
        except TypeError:
            return False  # a type that NumPy lacks


@dataclass(frozen=True)
class Outgoing:
    """The gradient that a node gave for one input of the forward.

    Attributes:
        node: The node.
        argument: Name in the operator's schema, ``""`` where unknown.
        name: Name of the tensor.
        use: The tensor; None where the tape does not hold it.
        value: The gradient; None where the node gave none.
        formula: PyTorch's own expression, or ``""``.
        rule: The textbook's, or None.
        names: What the textbook's formula calls this call's arguments.
        edge: Where it goes, or None.
        receiver: The node that it goes to, or None.
        broadcast: Axes of the result that the input was repeated along, by their sizes.
    """

    node: Node
    argument: str
    name: str
    use: TensorUse | None
    value: Value | None
    formula: str
    rule: Rule | None
    names: Mapping[str, Expr]
    edge: Edge | None
    receiver: Node | None
    broadcast: tuple[int, ...]
    _call: _Call = field(repr=False)

    @property
    def own(self) -> bool:
        """Whether the backward of a custom Function gave it."""
        return is_custom(self.node)

    @property
    def parameter(self) -> str:
        """The parameter that it is the gradient of, ``""`` where it goes on to another node."""
        return (self.receiver.variable or "") if self.receiver else ""

    @property
    def wording(self) -> str:
        """The textbook's formula with the names of this call, or ``""``."""
        return write(self.told, TEXTBOOK) if self.told else ""

    @property
    def told(self) -> Expr | None:
        """The textbook's formula with the names of this call, or None."""
        return replaced(self.rule.named(self.names), _untwisted) if self.rule else None

    @property
    def why(self) -> str:
        """The textbook's reason, one short sentence without a full stop, or ``""``."""
        if self.rule is not None and self.broadcast:
            return f"{self.name} was used {self.times} times, and every use adds up"
        return self.rule.why if self.rule else ""

    @property
    def times(self) -> str:
        """How many times it was repeated, ``"100"`` or ``"8 × 16"``; ``""`` where it was not."""
        return " × ".join(map(str, self.broadcast))

    @cached_property
    def difference(self) -> float | None:
        """How far the textbook's number is from the recorded one.

        The largest difference as a share of the largest recorded element; None where it was
        not computed.
        """
        call = self._call
        if self.rule is None or call.kernel is None or self.value is None:
            return None
        return difference(self.rule, call.kernel, call.arrived, self.value, call.place)

    @cached_property
    def check(self) -> Check:
        """Whether the textbook gives the recorded number."""
        what = f"{self.node.name} gave ∂loss/∂{self.name}"
        if self.difference is None:
            return Check(what, None, f"not checked: {self._unchecked}")
        close = _COARSE.get(self.value.dtype if self.value else "", _CLOSE)
        return Check(
            what,
            self.difference < close,
            f"largest difference {self.difference:.1g} of the gradient",
        )

    @property
    def _unchecked(self) -> str:
        node, kernel = self.node, self._call.kernel
        if is_custom(node):
            return _OWN_BACKWARD
        if self.value is None or not self.value.complete:
            return "the gradient was not kept whole"
        if kernel is None:
            return "the kernel that made the node is not on this step's tape"
        if self.rule is None:
            return f"the textbook here has no formula of {operation(node, kernel)}"
        return "a value that it needs was not kept, is too large or was overwritten"


@dataclass(frozen=True, slots=True)
class _Call:
    """What a gradient is computed from."""

    kernel: Kernel | None
    arrived: Value | None
    place: int


@dataclass(frozen=True, slots=True)
class Kept:
    """What a node kept from the forward for its backward.

    Attributes:
        name: Name in PyTorch's formula.
        tensor: Name of the tensor, ``""`` for what is none and where it is not known.
        value: Its value or constant; None where it is missing.
        used: Whether PyTorch's formulas of this node use its content, not just its sizes.
        changed: Whether its content differs from when the forward made it.
        note: Why the value is missing, else ``""``.
    """

    name: str
    tensor: str
    value: Value | Constant | tuple[Value | Constant | None, ...] | None
    used: bool
    changed: bool
    note: str


@dataclass(frozen=True, slots=True)
class NodeStory:
    """What one node did.

    Attributes:
        node: The node.
        run: How the engine ran it; None where it did not.
        kernel: The forward kernel that made its result, or None.
        inside: The kernels of a custom Function's ``forward``; none for other nodes.
        incoming: What arrived, one for each result of the forward.
        outgoing: What it gave, one for each input that had somewhere to go.
        kept: What it kept from the forward.
        ran: The kernels that it ran, in order.
        write: What became of ``.grad``, where the node is a parameter's ``AccumulateGrad``.
    """

    node: Node
    run: NodeRun | None
    kernel: Kernel | None
    inside: tuple[Kernel, ...]
    incoming: tuple[Incoming, ...]
    outgoing: tuple[Outgoing, ...]
    kept: tuple[Kept, ...]
    ran: tuple[Kernel, ...]
    write: GradWrite | None

    @property
    def order(self) -> int | None:
        """Position in the engine's order, from 0; None where it was not run."""
        return self.run.order if self.run else None

    @property
    def source(self) -> Source | None:
        """The line of the forward that the node goes back through."""
        return self.kernel.source if self.kernel else None

    @property
    def module(self) -> str:
        """Path of the module whose forward made it, ``""`` outside of all."""
        return self.kernel.module if self.kernel else ""

    @property
    def operation(self) -> str:
        """The operation in one word; see ``operation``."""
        return operation(self.node, self.kernel)

    @property
    def told(self) -> bool:
        """Whether textbook formulas tell all that it did; else its kernels do."""
        return self.node.variable is not None or all(each.rule for each in self.outgoing)


class Stories:
    """The stories of all nodes of one backward.

    Args:
        index: The step's tape, recorded in full or replayed.
        names: Names of the step's tensors.
        backward: Which of the step's backwards; negative numbers count from the last.
    """

    def __init__(self, index: TapeIndex, names: Names, backward: int = -1) -> None:
        self.index = index
        self.names = names
        self.number = backward
        self.backward: Backward = index.step.backwards[backward]
        self.graph: Graph = self.backward.graph or Graph((), ())
        self._writes = {write.parameter: write for write in self.backward.grad_writes}

    def __iter__(self) -> Iterator[NodeStory]:
        """The nodes in the order in which the engine ran them."""
        return (self.of(run.node) for run in self.backward.node_runs)

    def of(self, node: int) -> NodeStory:
        """The story of the node with this index, whether it was run or not."""
        item, run = self.graph.nodes[node], self.index.run_of(node, self.number)
        kernel = self.index.kernel_of(item)
        return NodeStory(
            node=item,
            run=run,
            kernel=kernel,
            inside=self.index.function_kernels(item),
            incoming=tuple(self._incoming(item, run, kernel)),
            outgoing=tuple(self._outgoing(item, run, kernel)),
            kept=tuple(self._kept(item, kernel)),
            ran=tuple(self.index.kernels[each] for each in run.kernels) if run else (),
            write=self._writes.get(item.variable) if item.variable else None,
        )

    def _incoming(
        self, node: Node, run: NodeRun | None, kernel: Kernel | None
    ) -> Iterator[Incoming]:
        for position, value in enumerate(run.grad_outputs if run else ()):
            arriving = self.index.arriving(node.index, position, self.number)
            terms = (Term(self.graph.nodes[each.from_node], self.given(each)) for each in arriving)
            use = self._result(node, kernel, position)
            name = self.names(use) if use else ""
            yield Incoming(name or node.variable or "", use, value, tuple(terms))

    def given(self, edge: Edge) -> Value | None:
        """The gradient that went along an edge; None where it was not recorded."""
        run = self.index.run_of(edge.from_node, self.number)
        known = run.grad_inputs if run else ()
        return known[edge.input_position] if edge.input_position < len(known) else None

    def _result(self, node: Node, kernel: Kernel | None, position: int) -> TensorUse | None:
        """One result of a node's forward; a Function's further ones are known by their users."""
        if is_custom(node) and position:
            for edge in self.index.arriving(node.index, position, self.number):
                given = self.index.inputs_of(self.graph.nodes[edge.from_node])
                if edge.input_position < len(given):
                    return given[edge.input_position].use
            return None
        outputs = kernel.outputs if kernel else ()
        return outputs[position] if position < len(outputs) else None

    def _outgoing(
        self, node: Node, run: NodeRun | None, kernel: Kernel | None
    ) -> Iterator[Outgoing]:
        edges = self.index.leaving(node.index, self.number)
        values = dict(enumerate(run.grad_inputs)) if run else {}
        inputs = dict(enumerate(self.index.inputs_of(node)))
        arrived = run.grad_outputs[0] if run and run.grad_outputs else None
        called = _arguments(kernel, self.names) if kernel else {}
        for position in sorted({*edges, *values}):
            edge, value = edges.get(position), values.get(position)
            if edge is None and value is None:
                continue  # an input that needs no gradient
            known = inputs.get(position, _UNKNOWN)
            rule = _rule(node, kernel, known.argument)
            yield Outgoing(
                node=node,
                argument=known.argument,
                name=self.names(known.use) if known.use else known.argument or self._name(edge),
                use=known.use,
                value=value,
                formula=known.formula,
                rule=rule,
                names=called,
                edge=edge,
                receiver=self.graph.nodes[edge.to_node] if edge else None,
                broadcast=_broadcast(known.use, kernel) if rule and rule.elementwise else (),
                _call=_Call(kernel, arrived, known.place),
            )

    def _name(self, edge: Edge | None) -> str:
        """What a gradient is of, told by the node that it goes to."""
        if edge is None:
            return ""
        receiver = self.graph.nodes[edge.to_node]
        use = self._result(receiver, self.index.kernel_of(receiver), edge.output_nr)
        return receiver.variable or (self.names(use) if use else "")

    def _kept(self, node: Node, kernel: Kernel | None) -> Iterator[Kept]:
        rules = " ".join(expression for _, expression in node.formula)
        for each in node.saved:
            used = _uses(rules, each.name) and not _is_one(each)
            tensor = self._tensor(each, kernel)
            yield Kept(each.name, tensor, each.value, used, each.changed, each.note)

    def _tensor(self, saved: SavedTensor, kernel: Kernel | None) -> str:
        if isinstance(saved.value, Constant):
            return ""
        if saved.name == "result" and kernel and kernel.outputs and not saved.changed:
            return self.names(kernel.outputs[0])
        return "" if saved.tensor is None else self.names.of(saved.tensor)


def _adds_up(terms: Sequence[npt.NDArray[np.generic]], total: npt.NDArray[np.generic]) -> bool:
    """Whether a sum is that of its terms, rounding aside."""
    wide = [np.asarray(term, np.complex128) for term in terms]
    if any(term.shape != total.shape for term in wide):
        return False
    with np.errstate(all="ignore"):
        size = np.sum(np.abs(wide), axis=0)
        far = np.abs(np.sum(wide, axis=0) - total)
    return bool((~np.isfinite(size) | (far <= _COARSE.get(str(total.dtype), _CLOSE) * size)).all())


def _untwisted(part: Expr) -> Expr | None:
    """What was transposed twice, as it was."""
    if isinstance(part, Call) and part.function is TRANSPOSE:
        (turned,) = part.arguments
        if isinstance(turned, Name) and turned.text.endswith("ᵀ"):
            return Name(turned.text.removesuffix("ᵀ"))
    return None


def compared(what: str, one: Value | None, other: Value | None) -> Check:
    """Whether two values are equal bit for bit, where that can be known."""
    if one is None or other is None:
        return Check(what, None, "not kept")
    same = equal(one, other)
    if same is None:
        return Check(what, None, "not known: only a summary of one of them was kept")
    return Check(what, same, "bit for bit" if same else "they differ")


def operation(node: Node, kernel: Kernel | None) -> str:
    """The operation's name: ``mm`` for ``aten.mm.default``, ``Scale`` for ``ScaleBackward``.

    The kernels that a custom Function ran are not what it is.
    """
    if node.name == "AccumulateGrad":
        return "write .grad"
    if kernel is not None and not is_custom(node):
        return spoken_name(kernel)
    return re.sub(r"Backward\d*$", "", node.name) or node.name


def formula(expression: str) -> str:
    """PyTorch's formula, without what says nothing about the arithmetic.

    That is the prefix of symbolic sizes (``sym_sizes``, ``expand_symint``), the outer
    ``handle_r_to_c``, which only drops the imaginary part of a gradient of a real input, and the
    question whether there is a gradient at all.
    """
    if found := re.fullmatch(r"grad\.defined\(\) \? (.*) : std::tuple<.*>\(\)", expression):
        expression = found[1]
    while found := re.fullmatch(r"handle_r_to_c\([\w.]+\(\), (.*)\)", expression):
        expression = found[1]
    return expression.replace("sym_", "").replace("_symint", "")


def _uses(rules: str, name: str) -> bool:
    """Whether formulas use the content of a saved tensor, and not just its sizes."""
    return bool(re.search(rf"\b{re.escape(name)}\b(?!\.(?!conj\b))", rules))


def _is_one(saved: SavedTensor) -> bool:
    """Whether it is a factor that changes nothing."""
    factor = saved.name in {"alpha", "beta"} and isinstance(saved.value, Constant)
    return factor and saved.value == Constant("scalar", 1)


def _rule(node: Node, kernel: Kernel | None, argument: str) -> Rule | None:
    if kernel is None or is_custom(node):
        return None
    return RULES.get(operator_name(kernel).removesuffix("_"), {}).get(argument)


def _arguments(kernel: Kernel, names: Names) -> Mapping[str, Expr]:
    """What the names in the textbook's formulas are in a call."""
    known = {argument.name: _argument(argument.value, names) for argument in kernel.inputs}
    if kernel.outputs:
        known["result"] = _argument(kernel.outputs[0], names)
    if (count := _count(kernel)) is not None:
        known["n"] = digits(str(count))
    return known


def _count(kernel: Kernel) -> int | None:
    """How many elements of its first input went into each of the result's."""
    first = next(tensors(kernel.inputs), None)
    if first is None or not kernel.outputs or not all(kernel.outputs[0].spec.shape):
        return None
    reduction = constant(kernel, "reduction")
    if isinstance(reduction, int) and reduction != 1:
        return 1  # losses that are added up, not averaged
    return math.prod(first.spec.shape) // math.prod(kernel.outputs[0].spec.shape)


def _argument(item: Item, names: Names) -> Expr:
    if isinstance(item, TensorUse):
        return Name(names(item), tensor=item.tensor)
    if isinstance(item, Constant):
        value = item.value
        if isinstance(value, bool | str) or value is None:
            return Word(str(value))
        return digits(f"{value:g}" if isinstance(value, float) else str(value))
    return Listed(tuple(_argument(each, names) for each in item))


def _broadcast(use: TensorUse | None, kernel: Kernel | None) -> tuple[int, ...]:
    if use is None or kernel is None or not kernel.outputs:
        return ()
    whole, own = kernel.outputs[0].spec.shape, use.spec.shape
    padded = (1,) * (len(whole) - len(own)) + own
    return tuple(large for large, small in zip(whole, padded, strict=False) if large != small)
