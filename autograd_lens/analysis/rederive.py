"""Gradients as they follow from the values that the forward worked with.

A node computes its gradient from what it saved. Where that was changed in between, the textbook
and the forward kernel's own recorded values give the gradient that the node should have sent
on, and from there all gradients behind it.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

import numpy as np

from autograd_lens.analysis.textbook import RULES, gradient
from autograd_lens.trace.graph import TapeIndex, operator_name
from autograd_lens.trace.records import Backward, Edge, Graph, Node, NodeRun, Step
from autograd_lens.trace.values import Array, Value

__all__ = ["Rederived", "rederive"]

_Place = tuple[int, int]
"""A node and one of its outputs."""


@dataclass(frozen=True, slots=True, eq=False)
class Rederived:
    """One parameter's gradient, as it came and as it should have come.

    Attributes:
        parameter: Name of the parameter.
        recorded: What arrived, of the parameter's shape.
        right: What follows from the forward's values, in float64 and of the same shape.
    """

    parameter: str
    recorded: Array
    right: Array

    @property
    def apart(self) -> float:
        """Their largest difference."""
        return float(np.abs(self.right - self.recorded).max(initial=0.0))


@dataclass(slots=True)
class _Ledger:
    """What is still to be added to the gradients that arrive; None where that is not known."""

    missing: dict[_Place, Array | None] = field(default_factory=dict)

    def add(self, place: _Place, amount: Array | None) -> None:
        known = self.missing.get(place, np.float64(0))
        self.missing[place] = None if known is None or amount is None else known + amount


def rederive(step: Step, backward: Backward, nodes: Collection[int]) -> list[Rederived]:
    """The gradients of all parameters behind some nodes.

    Args:
        step: The step, recorded in full.
        backward: One of its backwards.
        nodes: The nodes whose own gradients are to be computed again.

    Returns:
        Parameters whose way from these nodes the textbook covers throughout.
    """
    graph, ledger, index = backward.graph, _Ledger(), TapeIndex(step)
    found = []
    for run in backward.node_runs if graph is not None else ():
        node = graph.nodes[run.node] if graph else None
        if graph is None or node is None:
            continue
        behind = (run.node, 0) in ledger.missing
        if node.variable is not None:
            found += _at_leaf(node, run, ledger) if behind else []
        elif behind or run.node in nodes:
            _through(index, graph, run, ledger)
    return found


def _at_leaf(node: Node, run: NodeRun, ledger: _Ledger) -> list[Rederived]:
    missing = ledger.missing[node.index, 0]
    recorded = _number(run.grad_outputs[0]) if run.grad_outputs else None
    if missing is None or recorded is None or node.variable is None:
        return []
    return [Rederived(node.variable, recorded, recorded + missing)]


def _through(index: TapeIndex, graph: Graph, run: NodeRun, ledger: _Ledger) -> None:
    """Send on what a node's gradients lack."""
    arrived = _number(run.grad_outputs[0]) if run.grad_outputs else None
    missing = ledger.missing.get((run.node, 0), np.float64(0))
    right = None if arrived is None or missing is None else arrived + missing
    for edge in graph.edges:
        if edge.from_node == run.node:
            amount = (
                None if right is None else _lacking(index, graph.nodes[run.node], run, edge, right)
            )
            ledger.add((edge.to_node, edge.output_nr), amount)


def _lacking(index: TapeIndex, node: Node, run: NodeRun, edge: Edge, right: Array) -> Array | None:
    """The textbook's gradient of one input, less the recorded one."""
    kernel, inputs = index.kernel_of(node), index.inputs_of(node)
    if kernel is None or edge.input_position >= min(len(run.grad_inputs), len(inputs)):
        return None
    recorded, given = _number(run.grad_inputs[edge.input_position]), inputs[edge.input_position]
    rule = RULES.get(operator_name(kernel), {}).get(given.argument)
    if recorded is None or rule is None:
        return None
    found = gradient(rule, kernel, right, recorded.shape, given.place)
    return None if found is None or found.shape != recorded.shape else found - recorded


def _number(value: Value | None) -> Array | None:
    if value is None or not value.complete or value.array.dtype.kind != "f":
        return None
    return value.array.astype(np.float64)
