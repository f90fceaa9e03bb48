"""The learning rates of a run beside the largest one that the curvature of its loss bears."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from autograd_lens.analysis.lesson.ending import learning_rate
from autograd_lens.trace.kept import Curvature, Curvatures, stored_curvatures
from autograd_lens.trace.records import Parameter, Step

__all__ = ["Rates", "RatesSource", "find_rates"]


class RatesSource(Protocol):
    """The part of a trace that is read."""

    @property
    def parameters(self) -> Mapping[str, Parameter]:
        """All parameters by name."""

    @property
    def steps(self) -> Sequence[Step]:
        """All steps."""

    @property
    def full_steps(self) -> tuple[int, ...]:
        """Steps in full detail."""

    def extra(self, key: str) -> bytes | None:
        """The bytes kept under a name, or None."""


@dataclass(frozen=True, slots=True)
class Rates:
    """Learning rates in use, and what is known of the largest stable one.

    Attributes:
        used: The learning rates of all optimizers and groups, rising; empty where unknown.
        optimizers: The classes that use them, for example ``("SGD",)``; empty where no
            optimizer was seen.
        curvature: The curvature at the last step where it is known, or None.
        missing: Why it is not known; ``""`` where it is, or where nobody measured it.
    """

    used: tuple[float, ...]
    optimizers: tuple[str, ...]
    curvature: Curvature | None
    missing: str = ""

    @property
    def is_plain(self) -> bool:
        """Whether the limit of plain gradient descent holds for what is used."""
        return set(self.optimizers) <= {"SGD"}


def find_rates(trace: RatesSource, curvatures: Curvatures | None = None) -> Rates:
    """The learning rates of a run, and what is kept of its curvature.

    Args:
        trace: The run.
        curvatures: Its curvature, where it was measured just now.

    Raises:
        NotATraceError: What the trace keeps is damaged.
    """
    found = stored_curvatures(trace) if curvatures is None else curvatures
    last = found.points[-1] if found and found.points else None
    missing = found.missing if found else ""
    described = json.loads(trace.extra("optimizers") or b"[]")
    holding = [one for one in described if one.get("holds", True) and _used(one)]
    used = {rate for one in holding for rate in _used(one)} or set(_written(trace))
    classes = dict.fromkeys(_name(one) for one in holding)
    return Rates(tuple(sorted(used)), tuple(classes), last, missing)


def _used(optimizer: Mapping[str, Any]) -> list[float]:
    """The learning rate of each group."""
    parts = optimizer.get("groups") or [optimizer]
    return [float(one["attributes"]["lr"]) for one in parts if "lr" in one["attributes"]]


def _name(optimizer: Mapping[str, Any]) -> str:
    momentum = optimizer["attributes"].get("momentum")
    return str(optimizer["class"]) + (" with momentum" if momentum else "")


def _written(trace: RatesSource) -> Iterator[float]:
    """The constant of an update that a program writes out itself."""
    if trace.full_steps:
        rate = learning_rate(trace.steps[trace.full_steps[-1]], list(trace.parameters))
        if rate is not None:
            yield rate
