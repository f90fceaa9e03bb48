"""Columns over all steps of a trace, as conditions read them.

A column is the value of one quantity in every step, with its elements side by side. What a
step does not hold (a ``.grad`` that was None) is told apart from a recorded NaN: ``there``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from autograd_lens.trace.records import Parameter

__all__ = ["FIELDS", "Column", "Columns", "HistoryLike", "TraceColumns", "TraceLike"]

FIELDS = ("after", "grad", "grad_before", "mode", "value")
"""What can be asked of a parameter, behind a dot; ``value`` where nothing is."""


@dataclass(frozen=True, slots=True)
class Column:
    """One quantity over all steps.

    Attributes:
        values: Elements of each step, (steps, n); numbers, booleans or words.
        there: Whether a step holds the quantity, (steps,).
        shape: Sizes of the quantity's own axes; their product is n.
    """

    values: npt.NDArray[Any]
    there: npt.NDArray[np.bool_]
    shape: tuple[int, ...] = ()

    @classmethod
    def of_scalars(cls, values: npt.NDArray[Any], there: npt.NDArray[np.bool_]) -> Column:
        """One number a step: values of shape (steps,)."""
        return cls(values[:, None], there)


class Columns(Protocol):
    """Where a condition finds what it names."""

    def __len__(self) -> int:
        """Number of steps."""

    def of_run(self, name: str) -> Column:
        """``step`` or ``loss``."""

    def of_parameter(self, name: str, field: str) -> Column:
        """One of ``FIELDS`` of a parameter."""


class HistoryLike(Protocol):
    """The part of a parameter's history that is read."""

    @property
    def parameter(self) -> Parameter:
        """The parameter."""

    @property
    def values(self) -> npt.NDArray[Any]:
        """(steps + 1, *shape)."""

    @property
    def grads(self) -> npt.NDArray[Any]:
        """(steps, *shape)."""

    @property
    def grads_before(self) -> npt.NDArray[Any]:
        """(steps, *shape)."""

    @property
    def held(self) -> Mapping[str, npt.NDArray[np.bool_]]:
        """Which steps hold a ``value``, ``grad`` and ``grad_before``."""

    @property
    def modes(self) -> npt.NDArray[np.str_]:
        """How each step wrote ``.grad``: (steps,)."""


class TraceLike(Protocol):
    """The part of a trace that is read."""

    @property
    def losses(self) -> npt.NDArray[np.float64]:
        """(steps,)."""

    @property
    def parameters(self) -> Mapping[str, Parameter]:
        """By name."""

    def parameter(self, name: str) -> HistoryLike:
        """One parameter over the run."""


@dataclass(frozen=True, slots=True)
class TraceColumns:
    """The columns of a trace.

    Attributes:
        trace: The trace.
    """

    trace: TraceLike

    def __len__(self) -> int:
        return len(self.trace.losses)

    def of_run(self, name: str) -> Column:
        """``step`` or ``loss``."""
        values = np.arange(len(self)) if name == "step" else self.trace.losses
        return Column.of_scalars(values.astype(np.float64), np.ones(len(self), np.bool_))

    def of_parameter(self, name: str, field: str) -> Column:
        """One of ``FIELDS`` of a parameter; steps of shape (steps, n)."""
        history = self.trace.parameter(name)
        if field == "mode":
            modes = history.modes
            return Column.of_scalars(modes, modes != "")
        held = history.held
        if field == "value":
            values, there = history.values[:-1], held["value"][:-1]
        elif field == "after":
            values, there = history.values[1:], held["value"][1:]
        else:
            values = history.grads if field == "grad" else history.grads_before
            there = held[field]
        shape = history.parameter.shape
        return Column(values.reshape(len(values), math.prod(shape)), there, shape)
