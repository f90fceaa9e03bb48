"""The numbers that optimizers of torch.optim compute with, where they change during a run.

A scheduler changes the learning rate from step to step. Each light row says which numbers were
new since the row before, so that every update can be made again.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Hashable, Mapping
from typing import Any

import torch
from torch.optim.optimizer import Optimizer

from autograd_lens.trace.kept import Numbers
from autograd_lens.trace.stored import to_bytes

__all__ = ["OptimizerNumbers", "numbers_of"]

_NUMBERS = frozenset({bool, float, int, tuple})


class OptimizerNumbers:
    """Notes the numbers of each update that are not those of the optimizer's last one.

    Args:
        index_of: The index of a parameter.

    Attributes:
        tell: Whether they tell all that the updates computed with: every optimizer so far was
            one of ``torch.optim`` with all of its state in tensors, and there was one.
        others: Whether there was another one.
    """

    def __init__(self, index_of: Callable[[torch.Tensor], int | None]) -> None:
        self.tell = False
        self.others = False
        self._index_of = index_of
        self._last: weakref.WeakKeyDictionary[Optimizer, Hashable] = weakref.WeakKeyDictionary()
        self._changed: list[tuple[int | None, list[Numbers]]] = []
        # How many tensors each had a state of when its update began; one may run within another's.
        self._known: weakref.WeakKeyDictionary[Optimizer, int] = weakref.WeakKeyDictionary()
        self._fresh: list[int] = []

    def step(self, optimizer: Optimizer) -> None:
        """An optimizer begins its update."""
        self._known[optimizer] = len(optimizer.state)
        self.others = self.others or _computes_otherwise(optimizer)
        self.tell = not self.others
        groups = optimizer.param_groups
        now = tuple([v for group in groups for v in group.values() if type(v) in _NUMBERS])
        if self._last.get(optimizer) != now:
            self._last[optimizer] = now
            self._changed.append(self._entry(groups))

    def ended(self, optimizer: Optimizer) -> None:
        """It has made its update; what it had no state of before stands last."""
        known = self._known.get(optimizer, 0)
        if len(optimizer.state) > known:
            new = (self._index_of(one) for one in list(optimizer.state)[known:])
            self._fresh += [index for index in new if index is not None]

    def take_fresh(self) -> list[int] | None:
        """The parameters whose state updates since the last call have begun, by their indexes."""
        fresh, self._fresh = self._fresh, []
        return fresh or None

    def again(self) -> None:
        """Tell all of them at their next update, whatever was told before."""
        self._last.clear()

    def _entry(self, groups: list[dict[str, Any]]) -> tuple[int | None, list[Numbers]]:
        first = next((tensor for group in groups for tensor in group["params"]), None)
        index = self._index_of(first) if isinstance(first, torch.Tensor) else None
        return index, [numbers_of(group) for group in groups]

    def take(self) -> bytes | None:
        """What changed since the last call, None where nothing did.

        Returns:
            JSON of ``[[index of its first parameter or null, [numbers of each group]], ...]``.
        """
        changed, self._changed = self._changed, []
        return to_bytes(changed) if changed else None


def numbers_of(attributes: Mapping[str, Any]) -> Numbers:
    """The numbers among attributes; those of a tuple are called ``betas[0]``, ``betas[1]``."""
    found: Numbers = {}
    for name, value in attributes.items():
        parts = enumerate(value) if isinstance(value, tuple) else [(None, value)]
        for position, part in parts:
            if isinstance(part, (int, float)) and not isinstance(part, bool):
                found[name if position is None else f"{name}[{position}]"] = part
    return found


def _computes_otherwise(optimizer: Optimizer) -> bool:
    """Whether it is the program's own, or its state holds numbers that are no tensors.

    SparseAdam counts its steps in Python, LBFGS keeps its whole line search there.
    """
    if type(optimizer).__module__.partition(".")[0] != "torch":
        return True
    state: dict[str, object] = next(iter(optimizer.state.values()), {})
    return any(type(value) in _NUMBERS for value in state.values())
