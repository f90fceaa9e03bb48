"""What the tensors of a stream are, and what the program calls them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import torch

from autograd_lens.capture.parameters import ParameterRegistry, name_tensors
from autograd_lens.live.stream import TensorEntry

__all__ = ["name_entries"]


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
