"""Knowing when an optimizer of torch.optim, or one that is watched, makes an update."""

from __future__ import annotations

import sys
import weakref
from collections.abc import Iterator
from types import FrameType
from typing import Any

import torch
from torch.optim import optimizer as torch_optimizers
from torch.optim.optimizer import Optimizer

from autograd_lens.capture.full_recorder import FullRecorder
from autograd_lens.capture.optimizer_calls import OptimizerCalls
from autograd_lens.capture.optimizer_numbers import OptimizerNumbers
from autograd_lens.capture.steps import StepCounter

__all__ = ["OptimizerHooks"]

_KEY: Any = "autograd_lens"
_LOOKED_FOR = 64  # optimizers that are described as soon as they make an update


class OptimizerHooks:
    """Follows every ``torch.optim`` optimizer of the program through torch's global hooks.

    Args:
        steps: Counts the steps.
        full: The full level.
        calls: Notes in which order optimizers update and clear.
        numbers: Notes the numbers that they compute with.
    """

    def __init__(
        self,
        steps: StepCounter,
        full: FullRecorder,
        calls: OptimizerCalls,
        numbers: OptimizerNumbers,
    ) -> None:
        self._steps = steps
        self._order = calls
        self.numbers = numbers
        self._full = full
        # Those that made updates, with how many groups of parameters they had.
        self._seen: weakref.WeakKeyDictionary[Optimizer, int] = weakref.WeakKeyDictionary()
        self._frames: list[int] = []  # of the updates that run, one within another
        self._new = 0
        self._held: set[int] = set()  # ``id`` of all that optimizers have updated
        full.state_names = self._state_names
        full.notes.stepped = lambda: list(self._seen)

    def install(self) -> None:
        """Follow from now on."""
        # Under a key of our own: torch's numbers for hooks are the program's.
        torch_optimizers._global_optimizer_pre_hooks[_KEY] = self._begins
        torch_optimizers._global_optimizer_post_hooks[_KEY] = self._ended

    def remove(self) -> None:
        """Stop following."""
        torch_optimizers._global_optimizer_pre_hooks.pop(_KEY, None)
        torch_optimizers._global_optimizer_post_hooks.pop(_KEY, None)

    def begins(
        self, phase: str, optimizer: Optimizer | None = None, frame: FrameType | None = None
    ) -> None:
        """An optimizer begins to update or to clear.

        Args:
            phase: Which of both.
            optimizer: The optimizer, where it is one of torch's.
            frame: Where it was called, where it was given nothing.
        """
        if phase == "update":
            self._steps.optimizer_begins()
            self._order.step(() if optimizer is None else _parameters(optimizer))
        else:
            self._order.zero_grad()
        # A mode of the program must not see us look.
        with torch._C.DisableTorchFunction():
            self._full.enter_context(phase, optimizer if frame is not None else None, frame)

    def ended(self, phase: str, *, complete: bool = True) -> None:
        """It has ended, or was left by an exception."""
        if phase == "update":
            self._steps.optimizer_ended()
        with torch._C.DisableTorchFunction():
            self._full.leave_context(complete=complete)

    def check(self, frame: FrameType | None) -> None:
        """Notice that an update was left by an exception: then no hook said that it ended."""
        if not self._frames:
            return
        there = set()
        while frame is not None:
            there.add(id(frame))
            frame = frame.f_back
        while self._frames and self._frames[-1] not in there:
            self._frames.pop()
            self.ended("update", complete=False)

    def _begins(self, optimizer: Optimizer, args: Any, kwargs: Any) -> None:
        frame = sys._getframe(1)
        self._frames.append(id(frame))
        size = len(optimizer.param_groups)  # one may be added: then it holds more than was noted
        new = self._seen.get(optimizer) != size
        self._new += new
        self._seen[optimizer] = size
        self.numbers.step(optimizer)
        closed = len(args) == 1 and not kwargs  # no closure
        with torch._C.DisableTorchFunction():  # a mode of the program must not see us look
            self._full.update_begins(_parameters(optimizer), frame)
            if new and self._new <= _LOOKED_FOR:
                held = {*map(id, _parameters(optimizer))}
                replaces, self._held = not self._held.isdisjoint(held), self._held | held
                self._full.describe(self._steps.index, frame, replaces=replaces)
        self.begins("update", optimizer, frame if closed else None)

    def _ended(self, optimizer: Optimizer, _args: object, _kwargs: object) -> None:
        if self._frames:  # else the recording began within it
            self._frames.pop()
        self.numbers.ended(optimizer)
        self.ended("update")

    def _state_names(self) -> Iterator[tuple[torch.Tensor, torch.Tensor, str]]:
        """(parameter, state tensor, name of the state) of all optimizers that made updates."""
        for optimizer in list(self._seen):
            for parameter, state in optimizer.state.items():
                if isinstance(parameter, torch.Tensor):
                    for name, value in state.items():
                        if isinstance(value, torch.Tensor):
                            yield parameter, value, str(name)


def _parameters(optimizer: Optimizer) -> Iterator[torch.Tensor]:
    for group in optimizer.param_groups:
        yield from group["params"]
