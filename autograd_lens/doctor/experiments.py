"""Experiments: a rule's guess is tried, by executing recorded steps with one thing changed.

A rule asks, and goes on without an answer where there is none: the trace cannot be executed, or
the time for experiments is over. What was tried stands in the finding: "shown by executing ...".
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import TypeVar

from autograd_lens.doctor.finding import number
from autograd_lens.errors import LensError
from autograd_lens.trace.outcomes import Disturbance, Laboratory, Slope, WhatIf
from autograd_lens.trace.records import Step

__all__ = ["SECONDS", "Experiments"]

SECONDS = 10.0
"""All experiments of one examination together."""

_T = TypeVar("_T")

_SLOW = 1.0  # seconds for one step of a descent
_MOST_STEPS = 20
_ALWAYS = 2  # rates that are tried, whatever comes of the first


class Experiments:
    """The experiments of one examination.

    Args:
        laboratory: What can be tried; None where nothing can.
        seconds: How long all of them may take.
        on_way: Called with what is tried, and with ``""`` behind it.
    """

    def __init__(
        self,
        laboratory: Laboratory | None,
        seconds: float = SECONDS,
        on_way: Callable[[str], None] | None = None,
    ) -> None:
        self._laboratory = laboratory
        self._left = seconds
        self._opening = 0.0  # seconds that the last opened step took
        self._on_way = on_way or _silent

    @property
    def possible(self) -> bool:
        """Whether steps can be executed again, and there is time."""
        return self._laboratory is not None and self._left > 0

    def _tried(self, what: str, one: Callable[[Laboratory], _T]) -> _T | None:
        """What an experiment gives; None where there is no way, or no time."""
        if self._laboratory is None or not self.possible:
            return None
        start = time.perf_counter()
        self._on_way(what)
        try:
            return one(self._laboratory)
        except LensError:
            return None
        finally:
            self._left -= time.perf_counter() - start
            self._on_way("")

    def opened(self, step: int, one: Callable[[int], Step | None]) -> Step | None:
        """A step that is opened by replay, in the time of the experiments.

        Nothing stops a replay on its way: it is begun where the one before took less than is left.
        """
        if not self.possible or self._left <= self._opening:
            return None
        left = self._left
        opened = self._tried(f"opening step {step}", lambda _: one(step))
        self._opening = left - self._left
        return opened

    def spread(self, disturbance: Disturbance) -> tuple[int, ...] | None:
        """The rows of a result that change when one row of a tensor is overwritten."""
        what = f"overwriting a sample in step {disturbance.step}"
        return self._tried(what, lambda lab: lab.spread(disturbance, self._left))

    def slopes(self, step: int) -> tuple[Slope, ...]:
        """The gradients of a step's custom Functions against those of their forwards."""
        what = f"deriving step {step}"
        return self._tried(what, lambda lab: lab.slopes(step, self._left)) or ()

    def smaller_rates(self, first: int, steps: int, rate: float, proposed: float) -> str:
        """What comes of half a rate and of a tenth; ``""`` where that is not known.

        Where the loss grows with both, the rate that is proposed is tried as well.
        """
        told, falls, count = list[str](), False, 0
        for number_of_try, smaller in enumerate((rate / 2, rate / 10, proposed)):
            if falls and number_of_try == _ALWAYS:
                break
            what = self._descend(first, steps, smaller)
            if what is None:
                return ""
            losses = what.changed.losses
            falls, count = bool(losses[-1] < losses[0]), len(losses)
            went = "falls" if falls else "grows"
            told.append(
                f"with lr {number(smaller)} the loss {went} from {number(losses[0])} to "
                f"{number(losses[-1])}"
            )
        return f"Shown by executing steps {first} to {first + count - 1} again: {', '.join(told)}."

    def _descend(self, first: int, steps: int, rate: float) -> WhatIf | None:
        """A descent of as many steps as there is time for; ends where the loss is no number."""
        changes = {"lr": rate}
        done, took = self._one_step(first, changes)
        if _SLOW < took < self._left:  # that may have been torch's import, which comes once
            done, took = self._one_step(first, changes)
        each = took if took > _SLOW else took / 5  # of a short one, most is for the beginning
        more = min(steps, _MOST_STEPS, int(self._left / 3 / max(each, 1e-9)))
        if done is None or more < 2:  # one loss tells no way
            return None
        return self._tried(f"lr {number(rate)}", lambda lab: lab.descend(first, more, changes))

    def _one_step(self, first: int, changes: Mapping[str, float]) -> tuple[WhatIf | None, float]:
        """A descent of one step, and the seconds that it took."""
        start, what = time.perf_counter(), f"lr {number(changes['lr'])}"
        done = self._tried(what, lambda lab: lab.descend(first, 1, changes))
        return done, time.perf_counter() - start


def _silent(_what: str) -> None:
    """Say nothing."""
