"""Where one step of a training loop ends and the next begins.

NOTE 1 [Steps nobody marked]: an unmodified program says nothing about steps. What is seen is
its calls of backward. A backward opens a new step where the line that calls it has already
run in this step, or stands before the last one that did, or in a loop of its own,
*and* something was updated or cleared in between. So two losses on two lines belong to one step
(as a GAN's do), and so do several backwards on one line before an update (gradient accumulation,
the rows of a hessian); two loops one behind the other share none. Where gradients were cleared
alone, a loss that was made before the last backward has no forward of its own, and opens none: as
where each task's gradient is asked for by itself, to be put together.

NOTE 2 [The boundary between two backwards]: after the last backward of a step come its update
and zeroing, then the next step's forward. A loop turns where the position in the bytecode of
the frame that holds the loop jumps back, or where that frame is left, so the boundary is the
first such place after the last write to a parameter; where there is none, it is behind the
last write. Zeroing at the top of the loop therefore opens the next step, at the bottom it
closes this one.
"""

from __future__ import annotations

import dis
from collections.abc import Callable, Container, Iterator, Sequence
from dataclasses import dataclass, field
from types import CodeType, FrameType
from typing import Any

from autograd_lens.live.frames import Site
from autograd_lens.live.mode import KernelKey
from autograd_lens.live.reading import RawValue
from autograd_lens.live.stream import TENSOR, Stream, Write
from autograd_lens.trace.values import alike

__all__ = ["LoopFrame", "StepCounter", "find_boundary"]

# The program's frames on the stack, outermost first: the code of each and its f_lasti.
Stack = Sequence[tuple[CodeType, int]]


@dataclass(slots=True)
class StepCounter:
    """Counts steps by the rule of NOTE 1, or as the program marks them.

    Attributes:
        chain: Gives the program's frames at or above one, innermost first.
        index: The current step, -1 before the first.
        marked: Whether the program marks its steps itself.
    """

    chain: Callable[[FrameType | None], Iterator[FrameType]]
    index: int = -1
    marked: bool = False
    _sites: dict[Site, int] = field(default_factory=dict)  # and the changes before each ran
    _stacks: dict[Site, Stack] = field(default_factory=dict)  # where each was first called
    _began: Stack = ()
    _values: tuple[RawValue, ...] = ()
    _grads: tuple[RawValue, ...] = ()
    _last_site: Site = None
    _changes: int = 0
    _opened: int = 0  # changes before this step
    _optimizer_called: bool = False
    _updated: bool = False  # since the last backward
    _inside_optimizer: bool = False
    _backwards_inside: int = 0

    def start(self, frame: FrameType | None) -> None:
        """Recording begins in a frame: a loop around it is none of the program's."""
        self._began = self._stack(frame)

    def _stack(self, frame: FrameType | None) -> Stack:
        return [(one.f_code, one.f_lasti) for one in self.chain(frame)][::-1]

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
        self,
        site: Site,
        frame: FrameType | None,
        values: tuple[RawValue, ...],
        grads: tuple[RawValue, ...],
        is_old: Callable[[], bool] = lambda: False,
    ) -> bool:
        """Tell whether this backward opens a new step, and count it.

        Args:
            site: The line that calls backward.
            frame: The frame that is there.
            values: All parameters now.
            grads: All ``.grad`` now.
            is_old: Tells whether the loss was made before the last backward.
        """
        self._backwards_inside += self._inside_optimizer
        first = self.index < 0 and not self.marked
        self._note_changes(values, grads)
        if site not in self._stacks:
            self._stacks[site] = self._stack(frame)
        inside = self.marked or self._backwards_inside > 1
        opens = first or (not inside and self._turns(site) and (self._updated or not is_old()))
        if opens:
            self._open(self.index + 1)
        self._sites[site] = self._changes
        self._last_site = site
        return opens

    def _turns(self, site: Site) -> bool:
        """Whether the loop turned, or another one began, and something was changed."""
        if site in self._sites:
            return self._sites[site] < self._changes
        if not self._changed:
            return False
        stacks = self._stacks
        return self._is_behind(site) or _parted(stacks[self._last_site], stacks[site], self._began)

    @property
    def _changed(self) -> bool:
        return self._changes > self._opened

    def _note_changes(self, values: tuple[RawValue, ...], grads: tuple[RawValue, ...]) -> None:
        self._updated = self._optimizer_called or _differ(values, self._values)
        self._changes += self._updated or _differ(grads, self._grads)

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
        self._opened = self._changes
        self._sites.clear()


def _differ(now: tuple[RawValue, ...], before: tuple[RawValue, ...]) -> bool:
    """Whether any of those that were there before is another, be it kept whole or not."""
    return now != before and not all(map(alike, now, before))


def _parted(before: Stack, now: Stack, began: Stack) -> bool:
    """Whether two places are in different loops.

    Each is in one that does not hold the other, or one is, and no loop around it holds both: a
    step of a GAN has several updates of the one network in a loop, and behind it one of the other.

    Args:
        before: The one place.
        now: The other.
        began: Where recording began: a loop around it is none of the program's.
    """
    around = [*began, *[(None, 0)] * len(before)]
    shared = False
    for depth, ((code, at), (other, then)) in enumerate(zip(before, now, strict=False)):
        if code is not other:  # one line has called either, as one that runs a list of scripts
            one, two = _in_loops(before[depth:]), _in_loops(now[depth:])
            return (one and two) or ((one or two) and not shared)
        start = around[depth][1] if around[depth][0] is code else -1
        loops = [one for one in _loops(code) if start not in one]
        shared = shared or any(at in one and then in one for one in loops)
        if at != then:
            apart = [one for one in loops if (at in one) != (then in one)]
            one = any(at in loop for loop in apart) or _in_loops(before[depth + 1 :])
            two = any(then in loop for loop in apart) or _in_loops(now[depth + 1 :])
            return (one and two) or ((one or two) and not shared)
    return False


def _in_loops(frames: Stack) -> bool:
    return any(at in one for code, at in frames for one in _loops(code))


def _loops(code: CodeType) -> list[range]:
    """The loops of a code object: the bytecode from where each jumps back to."""
    jumps = {*dis.hasjrel, *dis.hasjabs}
    found = (one for one in dis.get_instructions(code) if one.opcode in jumps)
    return [range(one.argval, one.offset + 1) for one in found if one.argval < one.offset]


class LoopFrame:
    """Finds the frame that holds the training loop.

    It is the innermost frame of the program that was on the stack at two consecutive backwards,
    and at every kernel between them, and that is in a loop of its code; frames inside it are made
    anew in every turn. Only ``id`` and code are kept, and another frame may come to have the same,
    as that of a function without a loop has that is called again and again.
    """

    def __init__(self) -> None:
        self._chain: list[tuple[int, int]] = []
        self._loop: tuple[int, int] | None = None
        self._codes: dict[int, tuple[CodeType, list[range]]] = {}  # hashing one is slow

    def see(self, frames: list[FrameType], *, left: bool) -> tuple[int, int] | None:
        """Take note of the stack at a backward.

        Args:
            frames: The program's frames, innermost first.
            left: Whether kernels were called outside of the frame that was last returned.

        Returns:
            ``id`` of the loop's frame and of its code; on the first backward, a guess: the
            innermost frame that is in a loop. None where there is no frame.
        """
        chain = [(id(frame), id(frame.f_code)) for frame in frames]
        if left and self._loop in self._chain:  # it has ended, whoever has its place now
            self._chain = self._chain[self._chain.index(self._loop) + 1 :]
        common = [link for link in chain if link in self._chain] or chain
        self._chain = chain
        pairs = zip(chain, frames, strict=True)
        looping = (link for link, frame in pairs if link in common and self._turns(frame))
        self._loop = next(looping, None) or next(iter(common), None)
        return self._loop

    def _turns(self, frame: FrameType) -> bool:
        """Whether a frame is in a loop."""
        code = frame.f_code
        known = self._codes.get(id(code))
        if known is None:
            known = self._codes[id(code)] = code, _loops(code)
        return any(frame.f_lasti in one for one in known[1])

    def forget(self) -> None:
        """Kernels have gone by unseen."""
        self._chain, self._loop = [], None


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
            return _rooted(stream, start, event)
        previous = now
    return _behind(writes, start)


def _rooted(stream: Stream, start: int, end: int) -> int:
    """The first event before a step whose node the step's graph goes through, else the step's.

    A temperature that was just updated may be made ready for the next turn's loss.
    """
    marks = stream.marks
    grown = [at for at in range(max(start, 1), end) if marks[at].sequence > marks[at - 1].sequence]
    used = {*stream.uses[marks[end].use :]} if grown else set()
    for event in grown:
        key: Any = stream.keys[event]
        plain = isinstance(key, KernelKey) and key.context is None and key.results is TENSOR
        if plain and stream.uses[marks[event + 1].use - 1] in used:
            return event
    return end


def _behind(writes: list[Write], default: int) -> int:
    return writes[-1].event + 1 if writes else default
