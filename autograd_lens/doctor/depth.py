"""How large gradients are along the depth of a network."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise

from autograd_lens.doctor.evidence import Evidence
from autograd_lens.trace.graph import tensors
from autograd_lens.trace.records import Kernel, Step
from autograd_lens.trace.values import Value

__all__ = ["Profile", "arriving", "profiles"]

_MATRIX = 2  # axes of a weight that joins layers
_LAYERS = 6
_MOST = 0.75
_LAYER_NODES = frozenset({"AddmmBackward0", "MmBackward0", "ConvolutionBackward0"})


@dataclass(frozen=True, slots=True)
class Profile:
    """Gradient norms of the layers of one step, from the loss towards the input.

    Attributes:
        step: The step.
        names: The weights, or the layers.
        norms: The norm of each one's gradient, divided by the root of its number of elements.
    """

    step: int
    names: tuple[str, ...]
    norms: tuple[float, ...]

    @property
    def factor(self) -> float:
        """Gradient at the input's end over gradient at the loss's end."""
        return self.norms[-1] / self.norms[0]

    @property
    def falls(self) -> bool:
        """Whether three layers of four have less than the one behind them."""
        turns = [nearer > farther for nearer, farther in pairwise(self.norms)]
        return sum(turns) >= _MOST * len(turns)

    @property
    def grows(self) -> bool:
        """Whether three layers of four have more than the one behind them."""
        turns = [nearer < farther for nearer, farther in pairwise(self.norms)]
        return sum(turns) >= _MOST * len(turns)


def profiles(evidence: Evidence) -> list[Profile]:
    """The profile of every full step with one backward through six weights or more."""
    return [one for step in evidence.full if (one := _profile(step, _of_weights)) is not None]


def arriving(evidence: Evidence) -> list[Profile]:
    """The same of the gradients that arrive at the layers' outputs.

    Where weights are too large a layer's input shrinks towards the input of the network as the
    gradient grows, and the gradients of the weights, their products, tell nothing.
    """
    return [one for step in evidence.full if (one := _profile(step, _of_outputs)) is not None]


def _profile(step: Step, pairs: Callable[[Step], Iterable[tuple[str, Value]]]) -> Profile | None:
    if len(step.backwards) != 1 or step.backwards[0].graph is None:
        return None
    found = list(pairs(step))
    names = tuple(name for name, _ in found)
    norms = tuple(grad.norm / math.sqrt(grad.numel or 1) for _, grad in found)
    if len(set(names)) < max(_LAYERS, len(names)):  # shared weights have no depth
        return None
    if not all(norm > 0 and math.isfinite(norm) for norm in norms):
        return None
    return Profile(step.index, names, norms)


def _of_weights(step: Step) -> Iterator[tuple[str, Value]]:
    backward, graph = step.backwards[0], step.backwards[0].graph
    for run in backward.node_runs if graph else ():
        name = graph.nodes[run.node].variable if graph else None
        grad = run.grad_outputs[0] if run.grad_outputs else None
        if name is not None and grad is not None and len(grad.shape) >= _MATRIX:
            yield name, grad


def _of_outputs(step: Step) -> Iterator[tuple[str, Value]]:
    backward, graph = step.backwards[0], step.backwards[0].graph
    for run in backward.node_runs if graph else ():
        node = graph.nodes[run.node] if graph else None
        grad = run.grad_outputs[0] if run.grad_outputs else None
        if node is None or grad is None or node.name not in _LAYER_NODES:
            continue
        if node.forward_kernel is not None:
            kernel = step.kernels[node.forward_kernel]
            yield _layer(kernel), grad


def _layer(kernel: Kernel) -> str:
    """The matrix that a kernel is given as it is, else the module that it runs in."""
    uses = [use.spec for use in tensors(kernel.inputs)]
    weights = (one.name for one in uses if one.role == "parameter" and len(one.shape) >= _MATRIX)
    return next(weights, kernel.module) or f"kernel {kernel.index}"
