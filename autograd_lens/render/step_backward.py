"""The backward section: every node in the order the engine ran it, and the ``.grad`` writes."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from rich.text import Text

from autograd_lens.render.graph_text import formula
from autograd_lens.render.layout import NAME, QUIET, beside, folded, heading, line, table
from autograd_lens.render.numbers import brief_value, render_value
from autograd_lens.render.step_forward import kernel_lines
from autograd_lens.render.step_view import StepView
from autograd_lens.trace.expr import literal
from autograd_lens.trace.records import (
    Argument,
    Backward,
    Constant,
    Edge,
    GradWrite,
    Graph,
    Kernel,
    Node,
    NodeRun,
    SavedTensor,
    TensorUse,
)
from autograd_lens.trace.values import Value

__all__ = ["backward_lines"]


_LEGEND = "in: gradient that arrived for a tensor; out: what the node passed on"


@dataclass(frozen=True, slots=True)
class _Input:
    """One input of a node's forward function: where a gradient goes out."""

    name: str
    formula: str
    edge: Edge | None
    value: Value | None


def backward_lines(view: StepView, backward: Backward) -> Iterator[Text]:
    """One run of the engine, node by node."""
    title = "Backward" if backward.kind == "backward" else "torch.autograd.grad"
    yield heading(title, _roots(backward), view.width)
    yield view.code(backward.source, _flags(backward))
    if backward.graph is not None:
        yield line(_LEGEND, style=QUIET)
        yield from _kernels_without_node(view, backward)
        nodes = _Nodes(view, backward)
        for run in backward.node_runs:
            yield from nodes.lines(run)
    if backward.error:
        yield line(f"raised {backward.error}", style="bold red")
    if backward.grad_writes:
        yield Text()
        yield heading(".grad", "", view.width)
        for write in backward.grad_writes:
            yield from _write_lines(view, write)


def _kernels_without_node(view: StepView, backward: Backward) -> Iterator[Text]:
    """What ran before the first node: the gradient of the root, for example."""
    if view.options.kernels:
        phase = [kernel for kernel in view.step.kernels if kernel.phase == "backward"]
        own = [each for each in phase if each.node is None and each.backward == backward.index]
        yield from kernel_lines(view, own)


def _roots(backward: Backward) -> Text:
    if len(backward.roots) != 1:
        return Text(f"from {len(backward.roots)} tensors")
    return Text("from ").append_text(render_value(backward.roots[0]))


def _flags(backward: Backward) -> str:
    flags = {"retain_graph": backward.retain_graph, "create_graph": backward.create_graph}
    return ", ".join(f"{name}=True" for name, on in flags.items() if on)


@dataclass(frozen=True)
class _Nodes:
    """The nodes of one graph, ready to be printed."""

    view: StepView
    backward: Backward

    @cached_property
    def graph(self) -> Graph:
        return self.backward.graph or Graph((), ())

    @cached_property
    def writes(self) -> dict[str, GradWrite]:
        return {write.parameter: write for write in self.backward.grad_writes}

    @cached_property
    def edges(self) -> dict[tuple[int, int], Edge]:
        return {(edge.from_node, edge.input_position): edge for edge in self.graph.edges}

    @cached_property
    def arrivals(self) -> Counter[tuple[int, int]]:
        return Counter((edge.to_node, edge.output_nr) for edge in self.graph.edges)

    def lines(self, run: NodeRun) -> Iterator[Text]:
        """One node: its name and operation, gradients in, gradients out."""
        node = self.graph.nodes[run.node]
        yield self._title(run, node)
        yield from self._incoming(run, node)
        for item in self._inputs(run, node):
            yield from self._outgoing(item)
        yield from self._where(node)
        if node.variable in self.writes:
            verb = "added to" if self.writes[node.variable].mode == "accumulate" else "kept as"
            yield line(f"  {verb} {node.variable}.grad", style=QUIET)
        if self.view.options.kernels:
            kernels = [self.view.step.kernels[index] for index in run.kernels]
            yield from kernel_lines(self.view, kernels)

    def _title(self, run: NodeRun, node: Node) -> Text:
        text = line(Text(node.name, style=NAME), str(run.order + 1))
        kernel = self._kernel(node)
        if kernel is None:
            return text.append(f"  {node.variable or ''}")
        text.append(f"  of {self.view.notation(kernel)} → {self.view.results(kernel)}")
        return text.append(f", line {kernel.source.line}" if kernel.source else "", style=QUIET)

    def _incoming(self, run: NodeRun, node: Node) -> Iterator[Text]:
        kernel = self._kernel(node)
        for position, value in enumerate(run.grad_outputs):
            count = self.arrivals[node.index, position]
            several = f"  (sum of {count})" if count > 1 else ""
            outputs = kernel.outputs if kernel else ()
            name = self.view.name(outputs[position]) if position < len(outputs) else ""
            yield from self._gradient("in", name or node.variable or "", value, several)

    def _outgoing(self, item: _Input) -> Iterator[Text]:
        yield from self._gradient("out", item.name, item.value)
        notes = f"to {self._receiver(item.edge)}" if item.edge else "goes nowhere"
        text = f"{notes}, by {item.formula}" if item.formula else notes
        for part in folded(text, self.view.width - 18, QUIET):
            yield line(Text("          ").append_text(part))

    def _where(self, node: Node) -> Iterator[Text]:
        """What the formula's other names stand for."""
        rules = " ".join(expression for _, expression in node.formula)
        used = [each for each in node.saved if re.search(rf"\b{each.name}\b(?!\.)", rules)]
        known = [
            f"{each.name} = {self._saved(each, node)}" for each in used if each.value is not None
        ]
        for part in folded(f"where {', '.join(known)}", self.view.width - 18, QUIET):
            yield from [line(Text("          ").append_text(part))] if known else []

    def _saved(self, saved: SavedTensor, node: Node) -> str:
        kernel = self._kernel(node)
        if saved.name == "result" and kernel and not saved.changed:
            return self.view.results(kernel)
        if isinstance(saved.value, Constant):
            return literal(saved.value.value)
        if saved.changed:
            return "a tensor that was changed since the forward"
        if saved.tensor is not None:
            return self.view.name_of(saved.tensor)
        return "…" if isinstance(saved.value, tuple) else brief_value(saved.value).plain

    def _gradient(
        self, direction: str, name: str, value: Value | None, note: str = ""
    ) -> Iterator[Text]:
        label = Text.assemble((f"  {direction:<4}", QUIET), f"{name}")
        shown = render_value(value).append(note, style=QUIET)
        yield from beside(line(label), shown, self.view.width, 26)

    def _kernel(self, node: Node) -> Kernel | None:
        return None if node.forward_kernel is None else self.view.step.kernels[node.forward_kernel]

    def _receiver(self, edge: Edge) -> str:
        node = self.graph.nodes[edge.to_node]
        return f"AccumulateGrad {node.variable}" if node.variable else node.name

    def _inputs(self, run: NodeRun, node: Node) -> Iterator[_Input]:
        kernel = self._kernel(node)
        known = list(_formulas(node, kernel))
        for position, value in enumerate(run.grad_inputs):
            edge = self.edges.get((node.index, position))
            if edge is None and value is None:
                continue  # an input that needs no gradient
            name, use, rule = known[position] if position < len(known) else ("", None, "")
            called = self.view.name(use) if use else name
            yield _Input(called, formula(rule), edge, value)


def _formulas(node: Node, kernel: Kernel | None) -> Iterator[tuple[str, TensorUse | None, str]]:
    """Name, tensor and formula of each input; an input that is a list has many."""
    given = {argument.name: argument for argument in kernel.inputs} if kernel else {}
    for names, expression in node.formula:
        for name in names.split(", "):
            for use in _tensors(given.get(name)):
                yield name, use, expression


def _tensors(argument: Argument | None) -> Sequence[TensorUse | None]:
    if argument is None:
        return (None,)
    if isinstance(argument.value, tuple):
        return [item for item in argument.value if isinstance(item, TensorUse)]
    return (argument.value if isinstance(argument.value, TensorUse) else None,)


def _write_lines(view: StepView, write: GradWrite) -> Iterator[Text]:
    """``before + incoming → after`` on one line where it fits, else under one another."""
    name = Text(f"{write.parameter}.grad", style=NAME)
    verb = Text("  (set)" if write.mode == "set" else "  (accumulated)", style=QUIET)
    values = {"before": write.before, "incoming": write.incoming, "after": write.after}
    texts = {label: render_value(value) for label, value in values.items() if value is not None}
    sum_ = Text(" + ").join(texts[label] for label in ("before", "incoming") if label in texts)
    start = Text("None", style=QUIET) if write.mode == "set" else sum_
    short = line(Text.assemble(name, "  ", start, (" → ", QUIET), render_value(write.after), verb))
    if short.cell_len <= view.width:
        yield short
        return
    yield line(name + verb)
    if write.mode == "set":
        texts = {"after": texts["after"]} if "after" in texts else texts
    rows = [[Text(f"  {label}", style=QUIET), text] for label, text in texts.items()]
    yield from (line(row) for row in table(rows))
