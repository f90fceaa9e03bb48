"""Full steps made from live torch graphs, with just what the graph picture needs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from autograd_lens.capture.torchviz_dot import graph_dot
from autograd_lens.trace.records import (
    Backward,
    Edge,
    GradWrite,
    Graph,
    Kernel,
    Node,
    NodeRun,
    ParameterStep,
    Step,
)
from autograd_lens.trace.values import Value


def value(tensor: torch.Tensor | None) -> Value | None:
    if tensor is None:
        return None
    array = tensor.detach().numpy()
    return Value(array.dtype.name, array.shape, array.tobytes())


def live_step(
    loss: torch.Tensor,
    names: dict[str, torch.Tensor] | None = None,
    modules: dict[Any, str] | None = None,
    *,
    run: bool = True,
) -> Step:
    """Run ``loss.backward()`` and record its graph.

    Args:
        loss: Where backward starts.
        names: The parameters.
        modules: Path of the module that made a node; such nodes get a forward kernel.
        run: Whether to run the backward; without, the nodes have no gradients.
    """
    names = names or {}
    index: dict[Any, int] = {}
    pending = [loss.grad_fn]
    for node in pending:
        if node is not None and node not in index:
            index[node] = len(index)
            pending.extend(following for following, _ in node.next_functions)
    variables = {
        position: next((n for n, t in names.items() if t is node.variable), "leaf")
        for node, position in index.items()
        if type(node).__name__ == "AccumulateGrad"
    }
    edges = tuple(
        Edge(position, number, index[following], output_nr)
        for node, position in index.items()
        for number, (following, output_nr) in enumerate(node.next_functions)
        if following is not None
    )
    kernels = tuple(
        Kernel(k, f"aten.{type(n).__name__.lower()}.default", (), (), "forward", None, 0, None, m)
        for k, (n, m) in enumerate((modules or {}).items())
    )
    made = {index[node]: k for k, node in enumerate(modules or {}) if node in index}
    nodes = tuple(
        Node(i, type(node).__name__, (), made.get(i), (), variables.get(i))
        for node, i in index.items()
    )
    dot = graph_dot([loss], index, variables)
    runs = _run(loss, index) if run else ()
    writes = tuple(
        GradWrite(name, None, None, value(tensor.grad), "set") for name, tensor in names.items()
    )
    parameters = {
        name: ParameterStep(name, value(t), None, value(t.grad), "set", None, None)
        for name, t in names.items()
    }
    backward = Backward(
        0,
        "backward",
        (value(loss),),
        False,
        False,
        None,
        "",
        writes,
        Graph(nodes, edges, dot),
        runs,
    )
    return Step(0, "full", loss.item(), parameters, (backward,), kernels=kernels)


def _run(loss: torch.Tensor, index: dict[Any, int]) -> tuple[NodeRun, ...]:
    runs: list[NodeRun] = []

    def record(position: int) -> Any:
        def hook(grad_inputs: Any, grad_outputs: Any) -> None:
            outgoing, incoming = (tuple(map(value, side)) for side in (grad_inputs, grad_outputs))
            runs.append(NodeRun(len(runs), position, incoming, outgoing, ()))

        return hook

    for node, position in index.items():
        node.register_hook(record(position))
    loss.backward()
    return tuple(runs)


class Double(torch.autograd.Function):
    """A custom function that saves its input."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor) -> torch.Tensor:
        ctx.save_for_backward(x.detach())
        return 2 * x

    @staticmethod
    def backward(_: Any, *grads: torch.Tensor) -> torch.Tensor:
        return 2 * grads[0]


def programs() -> dict[str, Callable[[], torch.Tensor]]:
    """Small losses whose graphs have different shapes."""

    def leaf(*shape: int) -> torch.Tensor:
        return torch.ones(shape, requires_grad=True)

    def shared() -> torch.Tensor:
        w = leaf(2, 2)
        return (w.mm(w) * w).sum()

    def unbind() -> torch.Tensor:
        first, _, third = leaf(3, 4).unbind()
        left, right = (first * third).split(2)
        return (left * right).sum()

    def linear() -> torch.Tensor:
        return ((torch.ones(5, 1).mm(leaf(1, 1)) + leaf(1)) ** 2 / 2).mean()

    def views() -> torch.Tensor:
        return (leaf(4) * 2).view(2, 2).t()[0].sum()

    def custom() -> torch.Tensor:
        return Double.apply(leaf(3).exp()).sum()  # type: ignore[no-untyped-call]

    return {each.__name__: each for each in (linear, shared, unbind, views, custom)}
