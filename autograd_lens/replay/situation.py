"""What a step finds when it begins, and who follows its execution."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch

__all__ = ["Leaves", "Situation", "Watcher", "as_recorded", "first_line"]

Leaves = Mapping[str, torch.Tensor]


class Watcher(Protocol):
    """What follows an execution from engine run to engine run."""

    def before(self, backward: int, leaves: Leaves) -> None:
        """An engine run is about to begin."""

    def after(self, backward: int, roots: Sequence[torch.Tensor], leaves: Leaves) -> None:
        """It has ended."""


@dataclass(frozen=True, slots=True)
class Situation:
    """What a step finds when it begins.

    Attributes:
        parameters: Value of each parameter by name; the execution works on these.
        grads: Their ``.grad``, None or left out where there is none.
        cleared: For each engine run, the parameters whose ``.grad`` is None before it.
        outside: All else that is read from outside, by id.
        numbers: The slots, for the numbers in them.
        random: State of the random generator, None where no random number is drawn.
        dropped: Kernels that are not executed.
        seeds: How many seeds a data loader drew before anything else.
        shuffled: Id of an order of the data that was drawn before anything else, if one was.
        redraw: Whether random kernels draw again; else they give what was recorded.
        all_grad: Whether kernels of which no node is known run under autograd, too.
    """

    parameters: Mapping[str, torch.Tensor]
    grads: Mapping[str, torch.Tensor | None]
    cleared: Sequence[frozenset[str]]
    outside: Mapping[int, torch.Tensor]
    numbers: Sequence[Any]
    random: bytes | None
    dropped: frozenset[int] = field(default=frozenset())
    seeds: int = 0
    shuffled: int | None = None
    redraw: bool = True
    all_grad: bool = False


@contextlib.contextmanager
def as_recorded(random: bytes | None) -> Iterator[None]:
    """Draw random numbers as the recorded step did; the program's own go on behind it."""
    before = torch.default_generator.get_state()
    try:
        if random is not None:
            state = torch.frombuffer(bytearray(random), dtype=torch.uint8)
            torch.default_generator.set_state(state)
        yield
    finally:
        torch.default_generator.set_state(before)


def first_line(error: Exception) -> str:
    """The first line of what an error says; torch's go on with where it was built."""
    return str(error).partition("\n")[0]
