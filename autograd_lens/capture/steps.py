"""Where one step of a training loop ends and the next begins.

NOTE 1 [Steps nobody marked]: an unmodified program says nothing about steps. What is seen is
its calls of backward. A backward opens a new step where the line that calls it has already
run in this step, or stands before the last one that did, *and* something was updated or
cleared in between. So two losses on two lines belong to one step (as a GAN's do), and so do
several backwards on one line before an update (gradient accumulation).

NOTE 2 [The boundary between two backwards]: after the last backward of a step come its update
and zeroing, then the next step's forward. A loop turns where the position in the bytecode of
the frame that holds the loop jumps back, or where that frame is left, so the boundary is the
first such place after the last write to a parameter; where there is none, it is behind the
last write. Zeroing at the top of the loop therefore opens the next step, at the bottom it
closes this one.
"""

from __future__ import annotations

from collections.abc import Container, Sequence
from dataclasses import dataclass, field
from types import FrameType

from autograd_lens.live.frames import Site
from autograd_lens.live.reading import RawValue
from autograd_lens.live.stream import Stream, Write

__all__ = ["LoopFrame", "StepCounter", "find_boundary"]


@dataclass(slots=True)
class StepCounter:
    """Counts steps by the rule of NOTE 1, or as the program marks them.

    Attributes:
        index: The current step, -1 before the first.
        marked: Whether the program marks its steps itself.
    """

    index: int = -1
    marked: bool = False
    _sites: set[Site] = field(default_factory=set)
    _values: tuple[RawValue, ...] = ()
    _grads: tuple[RawValue, ...] = ()
    _last_site: Site = None
    _changed: bool = False
    _optimizer_called: bool = False
    _inside_optimizer: bool = False
    _backwards_inside: int = 0

    def mark(self, index: int) -> None:
        """The program says that a step begins."""
        self.marked = True
        self._open(index)

    def withdraw(self) -> None:
        """The step that was marked last does not come, where it has not called backward yet."""
        if self.marked and not self._sites:
            self.index -= 1

    def optimizer_begins(self) -> None:
        """A known optimizer begins an update; a closure may call backward many times in it."""
        self._inside_optimizer = True
        self._backwards_inside = 0

    def optimizer_ended(self) -> None:
        """It made an update, even if no value changed."""
        self._inside_optimizer = False
        self._optimizer_called = True

    def backward_begins(
        self, site: Site, values: tuple[RawValue, ...], grads: tuple[RawValue, ...]
    ) -> bool:
        """Tell whether this backward opens a new step, and count it.

        Args:
            site: The line that calls backward.
            values: All parameters now.
            grads: All ``.grad`` now.
        """
        self._backwards_inside += self._inside_optimizer
        first = self.index < 0 and not self.marked
        self._note_changes(values, grads)
        turns = site in self._sites or self._is_behind(site)
        inside = self.marked or self._backwards_inside > 1
        opens = first or (turns and self._changed and not inside)
        if opens:
            self._open(self.index + 1)
        self._sites.add(site)
        self._last_site = site
        return opens

    def _note_changes(self, values: tuple[RawValue, ...], grads: tuple[RawValue, ...]) -> None:
        self._changed = self._changed or (
            self._optimizer_called
            or (values != self._values and values[: len(self._values)] != self._values)
            or (grads != self._grads and grads[: len(self._grads)] != self._grads)
        )

    def turned(
        self,
        places: Sequence[tuple[int, int]],
        values: tuple[RawValue, ...],
        grads: tuple[RawValue, ...],
    ) -> bool:
        """Tell whether the program had begun another step when an exception ended it.

        Args:
            places: ``id`` of the code object and ``f_lasti`` of each frame of the traceback.
            values: All parameters now.
            grads: All ``.grad`` now.
        """
        self._note_changes(values, grads)
        if self.marked or self._inside_optimizer or not self._changed:
            return False
        last = self._last_site
        inside = [lasti for code, lasti in places if last is not None and code == last[0]]
        return last is None or not inside or inside[-1] < last[1]

    def _is_behind(self, site: Site) -> bool:
        """Whether the loop turned: the line stands before the last one in the same function."""
        last = self._last_site
        return site is not None and last is not None and site[0] == last[0] and site[1] < last[1]

    def backward_ended(self, values: tuple[RawValue, ...], grads: tuple[RawValue, ...]) -> None:
        """Remember the state that the next backward is compared with."""
        self._values = values
        self._grads = grads
        self._optimizer_called = False

    def _open(self, index: int) -> None:
        self.index = index
        self._changed = False
        self._sites.clear()


class LoopFrame:
    """Finds the frame that holds the training loop.

    It is the innermost frame of the program that was on the stack at two consecutive backwards,
    and at every kernel between them; frames inside it are made anew in every turn. Only ``id``
    and code are kept.
    """

    def __init__(self) -> None:
        self._chain: list[tuple[int, int]] = []
        self._loop: tuple[int, int] | None = None

    def see(self, frames: list[FrameType], *, left: bool) -> tuple[int, int] | None:
        """Take note of the stack at a backward.

        Args:
            frames: The program's frames, innermost first.
            left: Whether kernels were called outside of the frame that was last returned.

        Returns:
            ``id`` of the loop's frame and of its code; on the first backward, a guess: the
            innermost frame. None where there is no frame.
        """
        chain = [(id(frame), id(frame.f_code)) for frame in frames]
        if left and self._loop in self._chain:  # it has ended, whoever has its place now
            self._chain = self._chain[self._chain.index(self._loop) + 1 :]
        common = [link for link in chain if link in self._chain]
        self._chain = chain
        self._loop = next(iter(common or chain), None)
        return self._loop


def find_boundary(stream: Stream, after: int, turn: int, reached: Container[int]) -> int:
    """The position of the first event of the next step.

    Args:
        stream: The events.
        after: First event after the last backward of the step.
        turn: Position of that backward's call in the loop's frame, -1 where that is not known.
        reached: The parameters that the step's backwards reached: only their update belongs to
            it wherever it stands. A copy of them, averaged in the next turn, is of that turn.
    """
    writes = [write for write in stream.writes if write.event >= after]
    start = _behind([w for w in writes if w.kind == "p" and w.parameter in reached], after)
    previous = turn if start == after else stream.marks[start - 1].turn
    for event in range(start, len(stream.keys)):
        now = stream.marks[event].turn
        # The loop has turned, or the frame that called backward was left. A loop behind the
        # update, over the parameters of an average, jumps back, too, but not as far.
        if now < previous and (now < turn or turn < 0):
            return event
        previous = now
    return _behind(writes, start)


def _behind(writes: list[Write], default: int) -> int:
    return writes[-1].event + 1 if writes else default
