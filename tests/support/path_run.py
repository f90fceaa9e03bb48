"""Runs with a path and nothing else, for what is drawn or computed from paths."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from autograd_lens.trace.records import Parameter


@dataclass
class PathRun:
    """Stands in for an open trace.

    Attributes:
        values: (steps + 1, *shape) of each parameter by name.
        losses: (steps,).
        grads: (steps, *shape) by name; by default the differences of the values.
        first_steps: When a parameter was first seen, where not at 0.
    """

    values: dict[str, np.ndarray]
    losses: np.ndarray = field(default_factory=lambda: np.empty(0))
    grads: dict[str, np.ndarray] = field(default_factory=dict)
    first_steps: dict[str, int] = field(default_factory=dict)
    info: Any = field(default_factory=lambda: SimpleNamespace(program="train.py"))
    path: Path = Path("train.lens")

    @property
    def parameters(self) -> dict[str, Parameter]:
        return {
            name: Parameter(
                name, array.shape[1:], str(array.dtype), "cpu", (), self.first_steps.get(name, 0)
            )
            for name, array in self.values.items()
        }

    def parameter(self, name: str) -> SimpleNamespace:
        values = self.values[name]
        with np.errstate(invalid="ignore"):
            grads = self.grads.get(name, np.diff(values, axis=0))
        return SimpleNamespace(values=values, grads=grads, parameter=self.parameters[name])
