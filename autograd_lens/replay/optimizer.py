"""Updates made again by PyTorch's own optimizers.

NOTE 1 [Why not by the tape]: Adam and others compute some numbers in Python, from the count of
steps. On the tape they stand as constants of the recorded step; for another step they have to
be computed again, in the same order of operations. So the optimizer itself is built from what
the trace knows of it (its class, the numbers of its first group, its state) and makes one step.
Whether that is what happened is, as everywhere in replay, compared bit for bit.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping, Sequence
from typing import Any

import torch

from autograd_lens.errors import ReplayError
from autograd_lens.replay.program import Program

__all__ = ["build_optimizer", "is_known", "run_step"]

Json = Mapping[str, Any]


def is_known(description: Json) -> bool:
    """Whether a description names an optimizer of ``torch.optim``."""
    kind = getattr(torch.optim, str(description.get("class")), None)
    known = isinstance(kind, type) and issubclass(kind, torch.optim.Optimizer)
    return known and kind is not torch.optim.Optimizer and kind is not torch.optim.LBFGS


def build_optimizer(
    description: Json,
    program: Program,
    block: range,
    leaves: Mapping[str, torch.Tensor],
    live: Sequence[torch.Tensor | None],
) -> torch.optim.Optimizer:
    """The optimizer that made an update, with the state it had.

    Args:
        description: ``{"name", "class", "attributes"}`` as capture wrote it.
        program: The tape.
        block: The kernels of the update.
        leaves: The parameters.
        live: Tensors by id.

    Raises:
        ReplayError: It cannot be built.
    """
    names = [
        update["parameter"]
        for update in program.template["updates"]
        if not set(block).isdisjoint(update["kernels"])
    ]
    kind: Any = getattr(torch.optim, description["class"])
    try:
        optimizer: torch.optim.Optimizer = kind(
            [leaves[name] for name in names], **_arguments(kind, description["attributes"])
        )
    except (TypeError, ValueError, KeyError) as error:
        msg = f"The optimizer {description['class']} cannot be built again: {error}"
        raise ReplayError(msg) from error
    for number in program.outside:
        spec = program.specs[number]
        owner, _, what = spec.name.rpartition(".")
        if spec.role == "state" and owner in names:
            optimizer.state[leaves[owner]][what] = live[number]
    return optimizer


def run_step(optimizer: torch.optim.Optimizer) -> None:
    """One step, without the hooks and profiling marks around it."""
    step: Any = inspect.unwrap(type(optimizer).step)
    try:
        step(optimizer)
    except (RuntimeError, TypeError, ValueError, KeyError) as error:
        msg = f"The optimizer {type(optimizer).__name__} cannot make its step again: {error}"
        raise ReplayError(msg) from error


def _arguments(kind: Any, attributes: Mapping[str, float]) -> dict[str, Any]:
    """Numbers by the optimizer's own names; ``betas[0]`` and ``betas[1]`` become one tuple."""
    accepted = inspect.signature(kind).parameters
    found: dict[str, Any] = {}
    for name, value in attributes.items():
        match = re.fullmatch(r"(\w+)\[\d+\]", name)
        if match and match[1] in accepted:
            found[match[1]] = (*found.get(match[1], ()), value)
        elif name in accepted:
            found[name] = value
    return found
