"""The random generator of the CPU: where it stands, and how far it is from one state to another.

NOTE 1 [Counting draws]: the state of a Mersenne twister holds 624 numbers and how many of them
were given out; then it makes the next 624. So the way from an earlier state to a later one can be
counted by going it. A light row holds the state behind the last backward. What was drawn between
that and the step itself (a loader shuffles, an evaluation has dropout) moved the generator on: by
as many numbers as were drawn in all up to the step's own backward, less those that its tape draws.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import torch
from torch.utils._python_dispatch import _disable_current_modes

__all__ = ["drawing_from", "generator_state", "moved", "steps_between"]

_BLOCK = 624
_MOST = 1 << 17  # blocks that are gone through, half a second
# Where the state that torch gives keeps what: the position in the block, and its numbers.
_LEFT, _NUMBERS = slice(8, 12), slice(24, 24 + 8 * _BLOCK)


def generator_state() -> bytes:
    """The state of the default generator; a mode that is on must not see us look."""
    with _disable_current_modes():
        return torch.default_generator.get_state().numpy().tobytes()


@contextlib.contextmanager
def drawing_from(random: bytes | None) -> Iterator[None]:
    """Draw random numbers as the recorded step did; the program's own go on behind it."""
    before = torch.default_generator.get_state()
    try:
        if random is not None:
            torch.default_generator.set_state(_state(random))
        yield
    finally:
        torch.default_generator.set_state(before)


def steps_between(earlier: bytes, later: bytes) -> int | None:
    """How many numbers are drawn from one state to another; None where it is not reached."""
    generator = torch.Generator()
    generator.set_state(_state(earlier))
    drawn, now = 0, earlier
    for _ in range(_MOST):
        if now[_NUMBERS] == later[_NUMBERS]:
            between = drawn + _left(now) - _left(later)
            return between if between >= 0 else None
        count = _left(now)  # up to the first number of the next block
        _draw(generator, count)
        drawn += count
        now = generator.get_state().numpy().tobytes()
    return None


def moved(state: bytes, count: int) -> bytes:
    """The state behind some numbers."""
    generator = torch.Generator()
    generator.set_state(_state(state))
    _draw(generator, count)
    return generator.get_state().numpy().tobytes()


def _draw(generator: torch.Generator, count: int) -> None:
    torch.empty(count, dtype=torch.int32).random_(generator=generator)


def _left(state: bytes) -> int:
    return int.from_bytes(state[_LEFT], "little")


def _state(state: bytes) -> torch.Tensor:
    return torch.frombuffer(bytearray(state), dtype=torch.uint8)
