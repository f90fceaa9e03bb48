"""What the tensors of a stream are, and what the program calls them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import torch

from autograd_lens.capture.parameters import ParameterRegistry, name_tensors, reachable
from autograd_lens.capture.stream import TensorEntry

__all__ = ["name_entries", "optimizer_attributes"]


def name_entries(
    entries: Iterable[TensorEntry],
    registry: ParameterRegistry,
    frames: list[Mapping[str, Any]],
    states: Iterable[tuple[torch.Tensor, torch.Tensor, str]],
) -> None:
    """Give names and roles to all entries whose tensor can be found somewhere.

    Args:
        entries: The entries.
        registry: The parameters.
        frames: What the program's frames can see, innermost first.
        states: (parameter, state tensor, name of the state) of known optimizers.
    """
    parameters = {id(t): registry.records[i].name for i, t in registry.alive()}
    state_names = {
        id(state): f"{parameters.get(id(parameter), 'parameter')}.{name}"
        for parameter, state, name in states
    }
    variables = name_tensors(frames)
    for entry in entries:
        tensor = entry.reference()
        if tensor is None or entry.name:
            continue
        key = id(tensor)
        if key in parameters:
            entry.role, entry.name = "parameter", parameters[key]
        elif key in state_names:
            entry.role, entry.name = "state", state_names[key]
        elif key in variables:
            entry.name = variables[key]


def optimizer_attributes(frames: list[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The numbers that optimizers hold, under the names they give them.

    An optimizer is an object with a ``step`` method: of ``torch.optim``, whose numbers stand
    in its first parameter group, or of the program, whose numbers are its attributes.

    Args:
        frames: What the program's frames can see, innermost first.

    Returns:
        ``{"name", "class", "attributes": {name: number}}`` of each.
    """
    return [
        {"name": name, "class": type(value).__qualname__, "attributes": _numbers(value)}
        for name, value in reachable(frames)
        if not isinstance(value, (type, torch.nn.Module))
        and callable(getattr(type(value), "step", None))
    ]


def _numbers(optimizer: Any) -> dict[str, float]:
    groups = getattr(optimizer, "param_groups", None)
    held = groups[0] if isinstance(groups, list) and groups else getattr(optimizer, "__dict__", {})
    found: dict[str, float] = {}
    for name, value in held.items():
        parts = enumerate(value) if isinstance(value, tuple) else [(None, value)]
        for position, part in parts:
            if isinstance(part, (int, float)) and not isinstance(part, bool):
                found[name if position is None else f"{name}[{position}]"] = part
    return found
