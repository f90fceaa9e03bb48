"""Questions to the tape of one full step.

NOTE 1 [The life line of a gradient]: on a tape, ``.grad`` of a parameter is a tensor of the role
``gradient``. A backward writes it, kernels of the program scale or clip it in place, the update
reads it, and zeroing clears it. In that order the touches are its life line.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from autograd_lens.trace.graph import (
    TapeIndex,
    constant,
    operator_name,
    tensors,
    writes_in_place,
)
from autograd_lens.trace.records import Constant, Graph, Kernel, ParameterUpdate, Step, TensorUse
from autograd_lens.trace.values import Value

__all__ = [
    "DROPOUT",
    "LOSSES",
    "VERSION_ERROR",
    "Touch",
    "bootstrapped",
    "compared",
    "divergence",
    "gradient_used",
    "is_clip",
    "kept_for_backward",
    "life_lines",
    "made_of",
    "parameters_behind",
    "trainable_behind",
    "training_kernel",
    "training_path",
    "version_pair",
]

_PAIR = 2
_SQUARE = 2.0
_CLAMPS = ("clamp_", "_foreach_clamp")
_SCALES = ("mul_", "_foreach_mul_", "div_", "_foreach_div_")


@dataclass(frozen=True, slots=True)
class Touch:
    """One touch of a ``.grad`` (NOTE 1).

    Attributes:
        kind: What was done to it.
        kernel: The kernel that did it.
        grad: The ``.grad`` as the kernel found it, or as a backward made it.
    """

    kind: Literal["written", "changed", "used", "cleared"]
    kernel: Kernel
    grad: TensorUse


def life_lines(step: Step) -> dict[str, list[Touch]]:
    """Parameter -> the touches of its ``.grad`` in a full step, in order."""
    updating = {
        (kernel, update.parameter): True for update in step.updates for kernel in update.kernels
    }
    lines: dict[str, list[Touch]] = {}
    for kernel in step.kernels:
        for use in _gradients(kernel):
            name = use.spec.name.removesuffix(".grad")
            kind = _kind(kernel, use, updating=(kernel.index, name) in updating)
            if kind is not None:
                lines.setdefault(name, []).append(Touch(kind, kernel, use))
    return lines


def _gradients(kernel: Kernel) -> Iterator[TensorUse]:
    """The gradients that a kernel reads or makes, each once."""
    seen = set[int]()
    for use in (*tensors(kernel.inputs), *kernel.outputs):
        if use.spec.role == "gradient" and use.spec.name and use.tensor not in seen:
            seen.add(use.tensor)
            yield use


def _kind(
    kernel: Kernel, use: TensorUse, *, updating: bool
) -> Literal["written", "changed", "used", "cleared"] | None:
    writes = any(output.tensor == use.tensor for output in kernel.outputs)
    if kernel.phase == "backward":
        return "written" if writes else None
    if kernel.phase == "zero_grad":
        return "cleared" if writes else None
    if writes:
        return "changed"
    return "used" if updating and "norm" not in operator_name(kernel) else None


def gradient_used(step: Step, update: ParameterUpdate) -> Value | None:
    """The gradient that an update read, as the program had changed it before."""
    changed = [one.after for one in step.grad_changes if one.parameter == update.parameter]
    return changed[-1] if changed else update.grad


def is_clip(tape: TapeIndex, kernel: Kernel) -> bool:
    """Whether a kernel bounds gradients in place: by value, or by their own norm."""
    name = operator_name(kernel)
    if name.startswith(_CLAMPS):
        return True
    if not name.startswith(_SCALES) or not writes_in_place(kernel):
        return False
    written = {output.tensor for output in kernel.outputs}
    factors = [use for use in tensors(kernel.inputs) if use.tensor not in written]
    return any(
        "norm" in operator_name(source)
        for factor in factors
        for source in tape.ancestors(factor.tensor, kernel.index)
        if source.phase != "backward"
    )


def trainable_behind(tape: TapeIndex, tensor: int, before: int) -> list[Kernel]:
    """Kernels behind a tensor whose results carry a gradient, nearest first."""
    return [
        kernel
        for kernel in tape.ancestors(tensor, before)
        if kernel.phase == "forward" and kernel.requires_grad
    ]


def parameters_behind(tape: TapeIndex, tensor: int, before: int) -> set[str]:
    """Names of the parameters that a gradient of a tensor would reach."""
    names, waiting, seen = set[str](), [(tensor, before)], set[int]()
    while waiting:
        current, end = waiting.pop()
        kernel = tape.maker(current, end)
        if kernel is None or kernel.index in seen or not kernel.requires_grad:
            continue
        seen.add(kernel.index)
        for use in tensors(kernel.inputs):
            if use.spec.role == "parameter":
                names.add(use.spec.name)
            waiting.append((use.tensor, kernel.index))
    return names


LOSSES = frozenset(
    {
        "binary_cross_entropy",
        "binary_cross_entropy_with_logits",
        "huber_loss",
        "l1_loss",
        "mse_loss",
        "nll_loss_forward",
        "smooth_l1_loss",
        "soft_margin_loss",
    }
)
"""Kernels that compare their first argument, a prediction, with their second, a target."""


def made_of(tape: TapeIndex, tensor: int, before: int) -> set[str]:
    """Names of the parameters that a tensor was computed with, also where a gradient ends."""
    return {
        use.spec.name
        for kernel in tape.ancestors(tensor, before)
        if kernel.phase == "forward"
        for use in tensors(kernel.inputs)
        if use.spec.role == "parameter"
    }


def compared(tape: TapeIndex, kernel: Kernel) -> tuple[TensorUse, TensorUse] | None:
    """The two sides of a loss of torch, or of a squared difference; None for other kernels."""
    if operator_name(kernel) in LOSSES:
        made: Kernel | None = kernel
    elif operator_name(kernel) == "pow" and constant(kernel, "exponent") == _SQUARE:
        made = tape.maker(next(tensors(kernel.inputs)).tensor, kernel.index)
        made = made if made is not None and operator_name(made) == "sub" else None
    else:
        return None
    pair = list(tensors(made.inputs))[:_PAIR] if made is not None else []
    return (pair[0], pair[1]) if len(pair) == _PAIR else None


def bootstrapped(tape: TapeIndex, kernel: Kernel) -> TensorUse | None:
    """The target of a loss that was added up of data and of what a network says; else None."""
    sides = compared(tape, kernel) if kernel.phase == "forward" else None
    if sides is None:
        return None
    plain = [use for use in sides if use.tensor not in tape.differentiable]
    for use in plain[:1] if len(plain) == 1 else ():
        maker = tape.through_views(use.tensor, kernel.index)
        added = maker is not None and operator_name(maker).rstrip("_") == "add"
        if added and made_of(tape, use.tensor, kernel.index):
            return use
    return None


def divergence(tape: TapeIndex, kernel: Kernel) -> tuple[TensorUse, TensorUse, Kernel] | None:
    """The input and the target of ``kl_div``, and the kernel that multiplies them.

    It is ``xlogy(t, t) - t * input``, or ``exp(t) * (t - input)`` of a target in logarithms; None
    for other kernels than its ``xlogy`` or that difference.
    """
    given = list(tensors(kernel.inputs))
    if operator_name(kernel) == "sub" and len(given) == _PAIR and kernel.outputs:
        target, other = given
        powers = [one for one in tape.readers(target.tensor) if operator_name(one) == "exp"]
        made = {use.tensor for one in powers for use in one.outputs}
        for reader in tape.readers(kernel.outputs[0].tensor) if made else ():
            beside = {use.tensor for use in tensors(reader.inputs)}
            if operator_name(reader) == "mul" and beside & made:
                return other, target, reader
    if operator_name(kernel) != "xlogy" or not given:
        return None
    for reader in tape.readers(given[0].tensor):
        others = [one for one in tensors(reader.inputs) if one.tensor != given[0].tensor]
        if operator_name(reader) == "mul" and len(others) == 1:
            return others[0], given[0], reader
    return None


def kept_for_backward(tape: TapeIndex, kernel: Kernel) -> bool:
    """Whether a kernel is the ``detach`` by which autograd keeps a result for its own backward."""
    read = any(tape.readers(made.tensor) for made in kernel.outputs)
    return operator_name(kernel) == "detach" and not read


def training_path(step: Step) -> frozenset[int]:
    """Kernels that lead to what a backward started from, not to an attribution beside it."""
    kinds = {one.kind for one in step.backwards}
    wanted = {one.index for one in step.backwards if one.kind == "backward" or len(kinds) == 1}
    found, needed = set[int](), set[int]()
    for kernel in reversed(step.kernels):
        if kernel.phase != "forward":
            continue
        own = kernel.node is not None and kernel.backward in wanted
        if own or any(output.tensor in needed for output in kernel.outputs):
            found.add(kernel.index)
            needed.update(use.tensor for use in tensors(kernel.inputs))
    return frozenset(found)


DROPOUT = frozenset({"bernoulli", "bernoulli_", "native_dropout"})
"""Kernels that draw which elements are dropped."""


def training_kernel(step: Step) -> Kernel | None:
    """A kernel that runs in training mode alone: of dropout, or with a batch's statistics."""
    return next((kernel for kernel in step.kernels if _trains(kernel)), None)


def _trains(kernel: Kernel) -> bool:
    if kernel.phase != "forward" or kernel.module == "":
        return False
    name = operator_name(kernel)
    flags = [one.value.value for one in kernel.inputs if isinstance(one.value, Constant)]
    return name in DROPOUT or ("batch_norm" in name and True in flags[:1])


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
