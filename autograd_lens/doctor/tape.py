"""Questions to the tape of one full step."""

from __future__ import annotations

from collections.abc import Iterator

from autograd_lens.trace.graph import TapeIndex, operator_name
from autograd_lens.trace.records import Constant, Graph, Kernel, Step

__all__ = ["VERSION_ERROR", "training_kernel", "version_pair"]

_DROPOUT = frozenset({"bernoulli", "bernoulli_", "native_dropout"})


def training_kernel(step: Step) -> Kernel | None:
    """A kernel that runs in training mode alone: of dropout, or with a batch's statistics."""
    return next((kernel for kernel in step.kernels if _trains(kernel)), None)


def _trains(kernel: Kernel) -> bool:
    if kernel.phase != "forward" or kernel.module == "":
        return False
    name = operator_name(kernel)
    flags = [one.value.value for one in kernel.inputs if isinstance(one.value, Constant)]
    return name in _DROPOUT or ("batch_norm" in name and True in flags[:1])


VERSION_ERROR = "modified by an inplace operation"
"""What PyTorch's error says."""


def version_pair(step: Step) -> tuple[Kernel | None, Kernel | None]:
    """The kernel whose node saved a tensor, and the one that changed it afterwards."""
    tape = TapeIndex(step)
    backward = next((one for one in step.backwards if VERSION_ERROR in one.error), None)
    graph = backward.graph if backward else None
    done = {run.node for run in backward.node_runs} if backward else set()
    for position, tensor in _saved(graph):
        node = graph.nodes[position] if graph else None
        if node is None or node.forward_kernel is None or position in done:
            continue
        for writer in tape.writers(tensor):
            if writer.index > node.forward_kernel:
                return step.kernels[node.forward_kernel], writer
    return None, None


def _saved(graph: Graph | None) -> Iterator[tuple[int, int]]:
    """(node, tensor) of everything that a graph's nodes keep."""
    for node in graph.nodes if graph else ():
        for saved in node.saved:
            if saved.tensor is not None:
                yield node.index, saved.tensor
