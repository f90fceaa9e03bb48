"""Reentrant checkpoints: a forward that runs again inside of the backward, and is differentiated.

``torch.utils.checkpoint`` runs a block under ``no_grad`` and keeps its inputs alone. The backward
of its node detaches these, runs the block once more with gradients switched on and the random
generator as it was, and calls backward on what came out: an engine run within the other one,
which writes the parameters' ``.grad`` itself.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import TYPE_CHECKING, Any

import torch

from autograd_lens.errors import ReplayError
from autograd_lens.replay.functions import CustomFunction
from autograd_lens.replay.generator import drawing_from

if TYPE_CHECKING:
    from autograd_lens.replay.plan import Call, Registers

__all__ = ["Block", "recomputed"]

_DETACH = "aten.detach.default"


@dataclass(frozen=True, slots=True)
class Block:
    """What a checkpoint runs twice.

    Attributes:
        function: The checkpoint.
        forward: The kernels before its results, those of its block at the end.
        again: The kernels that its node ran when it was recorded.
        state: State of the random generator when the block began.
    """

    function: CustomFunction
    forward: Sequence[Call]
    again: Sequence[Call]
    state: bytes | None


def recomputed(
    block: Block,
    gradients: Sequence[torch.Tensor | None],
    registers: Registers,
    execute: Callable[[Call, Registers], None],
) -> tuple[torch.Tensor | None, ...]:
    """Run a block again and differentiate it.

    Args:
        block: The block.
        gradients: What arrived for each of its results.
        registers: Tensors by id; they are written to.
        execute: Executes one kernel.

    Returns:
        The gradient of each of its inputs.

    Raises:
        ReplayError: The block does not run the kernels that it ran before.
    """
    detached = list(takewhile(lambda call: call.op == _DETACH, block.again))
    body = block.again[len(detached) :]
    ids = _ids(block.forward, body)
    with drawing_from(block.state), torch.enable_grad():
        for call in detached:
            origin = registers[call.reads[0]]
            execute(call, registers)
            registers[call.out].requires_grad_(origin.requires_grad)
        for call in body:
            execute(call, registers)
    results = [registers[ids.get(number, number)] for number in block.function.outputs]
    pairs = zip(results, gradients, strict=False)
    reached = [(one, grad) for one, grad in pairs if grad is not None and one.requires_grad]
    if reached:
        engine: Any = torch.autograd.Variable._execution_engine
        roots, given = zip(*reached, strict=True)
        options = {"allow_unreachable": True, "accumulate_grad": True}
        engine.run_backward(roots, given, False, False, (), **options)
    inner = {call.reads[0]: registers[call.out] for call in detached}
    return tuple(inner[n].grad if n in inner else None for n in block.function.inputs)


def _ids(forward: Sequence[Call], body: Sequence[Call]) -> dict[int, int]:
    """Under which id each tensor of the block is known when it runs again.

    With gradients switched on, some kernels detach what they save for themselves.
    """
    read = {number for call in body for number in call.reads}
    same = [call for call in body if call.op != _DETACH or not read.isdisjoint(call.makes)]
    first = forward[len(forward) - len(same) :] if len(same) <= len(forward) else ()
    if [call.op for call in first] != [call.op for call in same]:
        msg = "A checkpoint ran other kernels in its backward than in its forward."
        raise ReplayError(msg)
    pairs = zip(first, same, strict=True)
    return {a: b for one, other in pairs for a, b in zip(one.makes, other.makes, strict=False)}
