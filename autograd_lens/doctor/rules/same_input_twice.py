"""What was to be two inputs is one and the same.

What it finds:
    Two forward passes through the same weights for one loss, of inputs that the program made or
    stored apart, and that hold the same numbers in every step: the next state is the state, or
    both augmented views are one.

Why it is bad:
    What the loss compares is equal from the beginning, or the future is what is already there.

Evidence it needs:
    Full steps: what the first layer was given each time.

Example:
    memory.append((state, action, reward, state))

Corrected:
    memory.append((state, action, reward, next_state))

When it is silent:
    One tensor that goes through a model twice, as with dropout, tensors of which one was computed
    from the other, passes that lead to two backwards, and inputs that differ in any step.

References:
    https://docs.pytorch.org/tutorials/intermediate/reinforcement_q_learning.html
"""

from __future__ import annotations

from collections.abc import Iterator

from autograd_lens.doctor.cases import Case, told
from autograd_lens.doctor.evidence import Evidence
from autograd_lens.doctor.finding import Finding, Rule, shape
from autograd_lens.trace.graph import TapeIndex, operator_name, tensors
from autograd_lens.trace.records import Kernel, TensorUse

RULE = Rule("AL447", "same-input-twice", "error", "full")

_LAYERS = frozenset({"addmm", "mm", "convolution", "embedding"})
_FEWEST = 2
_NUMBERS = 8  # that are no chance
_COPIES = frozenset({"clone", "_to_copy", "detach", "alias", "lift_fresh"})


def check(evidence: Evidence) -> Iterator[Finding]:
    """Find the first such pair."""
    # The first step may hold the loading of data, whose copies look otherwise.
    every = max(_FEWEST, len(evidence.tapes) - 1)
    yield from told(RULE, evidence, lambda tape: [_case(tape)], fewest=every)


def _case(tape: TapeIndex) -> Case | None:
    for backward in range(len(tape.step.backwards)):
        root = tape.loss_kernel(backward)
        found = _pair(tape, _behind(tape, root)) if root is not None else None
        if found is not None:
            return found
    return None


def _behind(tape: TapeIndex, root: Kernel) -> list[Kernel]:
    """The kernels of the forward that a loss was computed by; not those that made parameters."""
    waiting, found = [root], dict[int, Kernel]()
    while waiting:
        kernel = waiting.pop()
        if kernel.index in found or kernel.phase != "forward":
            continue
        found[kernel.index] = kernel
        makers = (
            tape.maker(use.tensor, kernel.index)
            for use in tensors(kernel.inputs)
            if use.spec.role != "parameter"
        )
        waiting += [one for one in makers if one is not None]
    return [found[index] for index in sorted(found)]


def _pair(tape: TapeIndex, behind: list[Kernel]) -> Case | None:
    """Two passes that lead to one loss."""
    seen = dict[int, list[tuple[Kernel, TensorUse]]]()
    for kernel in behind:
        if operator_name(kernel) not in _LAYERS:
            continue
        weight, data = _sides(tape, kernel)
        if weight is None or data is None:
            continue
        for other, before in seen.get(weight, []):
            if _apart(tape, data, kernel, before, other) and data.value == before.value:
                return Case(
                    kernel,
                    "two inputs of one network are the same numbers",
                    f"""{operator_name(kernel)} is given a tensor {shape(data.spec.shape)} with
                    the very numbers of another one, which the same weights were given before
                    (`kernel {other.index}`); the program made the two apart""",
                    "# what is stored or drawn second has to be another one",
                )
        seen.setdefault(weight, []).append((kernel, data))
    return None


def _sides(tape: TapeIndex, kernel: Kernel) -> tuple[int | None, TensorUse | None]:
    """The memory of a layer's weight, and the data that it is given."""
    weight: int | None = None
    data: TensorUse | None = None
    for use in tensors(kernel.inputs):
        if _of_parameter(tape, use, kernel):
            weight = tape.memory(use.tensor) if len(use.spec.shape) > 1 else weight
        elif use.tensor not in tape.differentiable and use.spec.role != "parameter":
            data = use
    value = data.value if data is not None else None
    told = value is not None and value.complete and value.numel >= _NUMBERS
    varied = told and value is not None and bool((value.array != value.array.ravel()[0]).any())
    return weight, data if varied else None


def _of_parameter(tape: TapeIndex, use: TensorUse, kernel: Kernel) -> bool:
    maker = tape.maker(use.tensor, kernel.index)
    base = next(tensors(maker.inputs), None) if maker is not None else None
    turned = maker is not None and operator_name(maker) == "t"
    return "parameter" in (use.spec.role, base.spec.role if base is not None and turned else "")


def _apart(
    tape: TapeIndex, one: TensorUse, kernel: Kernel, other: TensorUse, before: Kernel
) -> bool:
    """Whether two tensors were made apart: the same way, and neither from the other."""
    if tape.memory(tape.itself(one.tensor)) == tape.memory(tape.itself(other.tensor)):
        return False
    makers = [
        tape.through_views(use.tensor, at.index) for use, at in ((one, kernel), (other, before))
    ]
    names = {operator_name(maker) if maker is not None else "" for maker in makers}
    given = [[use.tensor for use in tensors(maker.inputs)] for maker in makers if maker is not None]
    again = len(given) > 1 and given[0] == given[1] != []  # x[rows], once more
    if len(names) > 1 or names & _COPIES or again:
        return False
    behind = {
        use.tensor
        for use, at in ((one, kernel), (other, before))
        for ancestor in tape.ancestors(use.tensor, at.index)
        for use in tensors(ancestor.inputs)
    }
    return not behind & {one.tensor, other.tensor}
