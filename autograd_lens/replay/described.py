"""The program's optimizers as capture described them, with the numbers of each step."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import msgspec

from autograd_lens.replay.optimizer import is_known
from autograd_lens.trace.kept import noted_numbers, stored_optimizers
from autograd_lens.trace.reader import Trace

__all__ = ["DescribedOptimizers"]

Json = Mapping[str, Any]


class DescribedOptimizers:
    """What a trace tells of the optimizers that made its updates.

    Args:
        trace: The trace.
    """

    def __init__(self, trace: Trace) -> None:
        self._trace = trace

    @cached_property
    def all(self) -> Sequence[Json]:
        """What updates something, as it was last described: schedulers do not.

        Each is ``{"name", "class", "attributes", "groups"}``; a group has the names of its
        parameters and its ``"attributes"``.
        """
        found = [msgspec.to_builtins(one) for one in stored_optimizers(self._trace)]
        return [self._named(one) for one in found if one.get("holds", True)]

    @property
    def known(self) -> bool:
        """Whether all of them are PyTorch's."""
        return bool(self.all) and all(map(is_known, self.all))

    def at(self, step: int) -> Sequence[Json]:
        """The optimizers with the numbers that they had in a step.

        Of two steps' numbers those count that were noted behind the step's last backward.
        """
        end = self._trace.rows.of_step(step).stop
        return [self._with(one, self._latest(one.get("first"), end)) for one in self.all]

    def _named(self, one: Json) -> Json:
        names = list(self._trace.parameters)
        held = [names[i] if i is not None and i < len(names) else "" for i in one.get("holds", ())]
        groups, start = [], 0
        for group in one.get("groups", ()):
            members = held[start : start + group["size"]]
            start += group["size"]
            groups.append({"names": members, "attributes": group["attributes"]})
        return {**one, "groups": groups, "first": next(iter(one.get("holds", ())), None)}

    def _latest(self, first: int | None, row: int) -> Sequence[Json]:
        """What was noted last, up to a row, of the optimizer whose first parameter this is."""
        noted = self._noted.get(first, [])
        place = bisect_right(noted, row, key=lambda one: one[0])
        return noted[place - 1][1] if place else ()

    @staticmethod
    def _with(one: Json, numbers: Sequence[Json]) -> Json:
        if not numbers or len(numbers) != len(one["groups"]):
            return one
        pairs = zip(one["groups"], numbers, strict=True)
        groups = [{**group, "attributes": now} for group, now in pairs]
        return {**one, "attributes": numbers[0], "groups": groups}

    @cached_property
    def _noted(self) -> Mapping[int | None, list[tuple[int, Sequence[Json]]]]:
        """First parameter -> (row, the numbers of each group), in order."""
        found: dict[int | None, list[tuple[int, Sequence[Json]]]] = {}
        for row, first, groups in noted_numbers(self._trace):
            found.setdefault(first, []).append((row, groups))
        return found
