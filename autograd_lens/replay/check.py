"""What a replay gave, compared bit for bit with what the light rows hold."""

from __future__ import annotations

import math
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch

from autograd_lens.replay.execute import Leaves, Watcher
from autograd_lens.replay.values import matches, to_value
from autograd_lens.trace.step import LightStep
from autograd_lens.trace.values import Entry, Value

__all__ = ["Check", "Difference", "compare"]


@dataclass(frozen=True, slots=True)
class Difference:
    """One tensor that a replay made otherwise than it was recorded.

    Attributes:
        name: What it is: ``"loss"``, ``"w1.grad"``, ``"w1"``, or a kernel's result.
        by: Largest absolute difference of an element; NaN where that is not known.
        where: The element that differs most, ``()`` in a scalar; None where not known.
    """

    name: str
    by: float
    where: tuple[int, ...] | None

    def __str__(self) -> str:
        """For example ``"w1.grad by 1.2e-07 at [0, 0]"``."""
        if math.isnan(self.by):
            return self.name
        place = f" at {list(self.where)}" if self.where else ""
        return f"{self.name} by {self.by:.3g}{place}"


@dataclass
class Check(Watcher):
    """Watches one execution and collects what differs; see ``execute.Watcher``.

    Attributes:
        light: The rows to compare with.
        outputs: Differences of losses, and of parameters and ``.grad`` up to the last backward.
        updates: Differences of the parameters behind the step.
        unknown: Parameters whose value behind the step nobody recorded.
    """

    light: LightStep
    outputs: list[Difference] = field(default_factory=list)
    updates: list[Difference] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)

    def before(self, backward: int, leaves: Leaves) -> None:
        """Compare what a run of the engine finds."""
        row = self.light.rows[backward]
        self._leaves(self.outputs, leaves, row.values, "")
        grads = {name: leaf.grad for name, leaf in leaves.items()}
        self._leaves(self.outputs, grads, row.grads_before, ".grad before")

    def after(self, backward: int, roots: Sequence[torch.Tensor], leaves: Leaves) -> None:
        """Compare what an engine run leaves."""
        row, graph = self.light.rows[backward], self.light.graphs[backward]
        if graph.loss is not None and row.loss is not None:
            self._one(self.outputs, "loss", row.loss, roots[graph.loss])
        grads = {name: leaf.grad for name, leaf in leaves.items()}
        self._leaves(self.outputs, grads, row.grads_after, ".grad")

    def end(self, leaves: Leaves, updated: Container[str]) -> None:
        """Compare the parameters behind the step.

        Args:
            leaves: The parameters by name.
            updated: Those that are updated behind the last backward. What changes another one,
                that no backward reached either, stands in front of the next step.
        """
        light = self.light
        if light.behind is None:
            self.unknown.extend(leaves)
            return
        values = light.rows[0].values if light.rows else ()
        there = {one.name for one, v in zip(light.known, values, strict=False) if v is not None}
        reached = {light.known[index].name for graph in light.graphs for index in graph.reached}
        own = {
            name: leaf
            for name, leaf in leaves.items()
            if name in there and (name in reached or name in updated)  # not made meanwhile
        }
        self._leaves(self.updates, own, light.behind.values, "")

    def _leaves(
        self,
        found: list[Difference],
        tensors: Mapping[str, torch.Tensor | None],
        entries: Sequence[Entry],
        what: str,
    ) -> None:
        for index, parameter in enumerate(self.light.known):
            if parameter.name in tensors and index < len(entries):
                entry, tensor = entries[index], tensors[parameter.name]
                if entry is None and not what:
                    self.unknown.append(parameter.name)
                    continue
                self._one(found, f"{parameter.name}{what}", entry, tensor)

    @staticmethod
    def _one(found: list[Difference], name: str, entry: Entry, tensor: torch.Tensor | None) -> None:
        if not matches(entry, tensor):
            found.append(compare(name, entry, tensor))


def compare(name: str, entry: Entry, tensor: torch.Tensor | None) -> Difference:
    """How much a tensor differs from its recorded bytes."""
    if tensor is None or not isinstance(entry, bytes):
        return Difference(name, math.nan, None)
    live = to_value(tensor)
    if len(entry) != len(live.data or b""):
        return Difference(name, math.nan, None)
    recorded = Value(live.dtype, live.shape, entry)
    with np.errstate(invalid="ignore"):
        wide = np.complex128 if tensor.is_complex() else np.float64
        apart = np.abs(recorded.array.astype(wide) - live.array.astype(wide))
    place = np.unravel_index(int(np.argmax(np.nan_to_num(apart, nan=np.inf))), apart.shape)
    where = tuple(map(int, place))
    return Difference(name, float(apart[where]), where)
