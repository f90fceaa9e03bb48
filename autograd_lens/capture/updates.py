"""Updates of known optimizers that run unseen, as their kernels are known.

NOTE 1 [Seen twice, then known]: Adam's update of thirty parameters takes three hundred kernels, and
takes the same ones in every step. A lean step holds of them what they read from outside: numbers,
which follow from those of the optimizer (kept beside light rows), and small state. So once an
update ran the same kernels on the same tensors twice, a lean step lets it run without the mode and
puts in what the mode would have written. Its numbers are left out; replay has the optimizer make
them again, and the next parameters prove it.

NOTE 2 [When it is the same]: an optimizer of ``torch.optim`` decides by its options, by which of
its parameters have a ``.grad``, and by which numbers are zero. Where one of these changed, where
the program hooks into the update or gives it a closure, where it put a gradient of its own making
in place, or where a tensor is gone that the update read, the mode sees it again.
"""

from __future__ import annotations

import copy
import operator
import weakref
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass, field
from types import FrameType
from typing import Any

import torch
from torch.optim import optimizer as torch_optimizers
from torch.optim.optimizer import Optimizer

from autograd_lens.live.frames import Site, UserFrames
from autograd_lens.live.mode import KernelKey, TapeMode, switch_off, switch_on
from autograd_lens.live.reading import SMALL
from autograd_lens.live.stream import Mark, Stream, TensorEntry, Write

__all__ = ["KnownUpdates"]

_ENOUGH = 2  # times that an update was seen before it is known
_MOST = 64  # updates that are known
_Tensor = torch.Tensor


@dataclass(frozen=True, slots=True)
class _Block:
    """The events of one update.

    Attributes:
        keys: Their keys.
        marks: Positions of slots and uses of each, counted from the first.
        slots: How many slots they take.
        uses: The tensors they use.
        grads: Position in ``uses`` and in the optimizer's parameters, of each ``.grad``.
        lasting: The tensors among ``uses`` that outlive the update.
        state: Slot and position in ``uses`` where small state is read first.
        constants: Slot and value of what the optimizer makes of a number each time.
        writes: Parameters and ``.grad`` that are written, events counted from the first.
    """

    keys: tuple[Any, ...]
    marks: tuple[tuple[int, int], ...]
    slots: int
    uses: Sequence[TensorEntry]
    grads: tuple[tuple[int, int], ...]
    lasting: Sequence[TensorEntry]
    state: tuple[tuple[int, int], ...]
    constants: tuple[tuple[int, bytes], ...]
    writes: tuple[Write, ...]

    def is_like(self, other: _Block) -> bool:
        """Whether both ran the same kernels on the same parameters and state."""
        return self._told == other._told and all(map(operator.is_, self.lasting, other.lasting))

    @property
    def _told(self) -> tuple[object, ...]:
        specs = [one.spec for one in self.uses]
        places = self.marks, self.slots, self.grads, self.state, self.writes
        return self.keys, specs, len(self.lasting), self.constants, *places


@dataclass(slots=True)
class _Known:
    """An update, and how often it was seen like this in a row."""

    optimizer: weakref.ref[Optimizer]
    outline: Hashable
    block: _Block
    times: int = 1


@dataclass(slots=True)
class _Running:
    """The update that runs now.

    Attributes:
        optimizer: Whose it is.
        call: Its number within the step.
        outline: What decides which kernels it runs.
        event: The first event of it.
        unseen: The block that is put in when it has ended; None where the mode sees it.
        site: Where it was called.
        turn: Position of that in the training loop.
        values: Small state that it finds, by slot of the block.
    """

    optimizer: Optimizer
    call: int
    outline: Hashable
    event: int
    unseen: _Block | None = None
    site: Site = None
    turn: int = -1
    values: dict[int, object] = field(default_factory=dict)


class KnownUpdates:
    """Lets updates run unseen whose kernels are known.

    Args:
        mode: The mode that sees them.
        stream: Where it writes.
        frames: Tells the program's frames from others.
    """

    def __init__(self, mode: TapeMode, stream: Stream, frames: UserFrames) -> None:
        self._mode = mode
        self._stream = stream
        self._frames = frames
        self._known: dict[tuple[int, int], _Known] = {}
        self._running: _Running | None = None

    def begins(self, optimizer: Optimizer, call: int, frame: FrameType) -> None:
        """An update of an optimizer begins that tells its numbers.

        Args:
            optimizer: The optimizer.
            call: Its number within the step.
            frame: Where it was called.
        """
        stream, mode = self._stream, self._mode
        self._running = None
        if not (stream.lean and stream.state_follows and mode.armed) or mode.in_backward:
            return
        outline = _outline(optimizer, stream)
        if outline is None:
            return
        running = self._running = _Running(optimizer, call, outline, len(stream.keys))
        known = self._known.get((id(optimizer), call))
        if known is not None and known.times >= _ENOUGH and self._fits(known, running, frame):
            switch_off(mode)
            running.unseen = known.block

    def ended(self, *, complete: bool = True) -> bool:
        """It has ended; tells whether the stream still holds all that ran.

        Args:
            complete: Whether it came to its end.
        """
        running, self._running = self._running, None
        if running is None:
            return True
        if running.unseen is not None:
            switch_on(self._mode, below=True)
            if complete:
                self._put_in(running, running.unseen)
        elif complete:
            self._learn(running)
        return complete or running.unseen is None

    # -- learning ---------------------------------------------------------------------------

    def _learn(self, running: _Running) -> None:
        key = id(running.optimizer), running.call
        block = self._seen(running)
        known = self._known.pop(key, None)
        if block is None:
            return
        now = _Known(weakref.ref(running.optimizer), running.outline, block)
        same = known is not None and known.optimizer() is running.optimizer
        if known is not None and same and known.outline == now.outline:
            now.times += known.times if block.is_like(known.block) else 0
        if len(self._known) >= _MOST:
            alive = {k: one for k, one in self._known.items() if one.optimizer() is not None}
            self._known = alive if len(alive) < _MOST else {}
        self._known[key] = now

    def _seen(self, running: _Running) -> _Block | None:
        """The block that was just seen; None where it cannot be put in unseen."""
        stream, first = self._stream, running.event
        keys: Any = stream.keys[first:]
        if not keys or not all(type(key) is KernelKey and _is_plain(key) for key in keys):
            return None
        marks = stream.marks[first:]
        slot, use = marks[0].slot, marks[0].use
        slots, uses = stream.slots[slot:], stream.uses[use:]
        of_uses = [place for place, value in enumerate(slots) if _is_value(value)]
        if len(of_uses) != len(uses):
            return None
        places = {
            stream.entry_of(one.grad): place
            for place, one in enumerate(_parameters(running.optimizer))
            if one.grad is not None
        }
        grads = tuple([(n, places[one]) for n, one in enumerate(uses) if one in places])
        lasting = [
            one for one in dict.fromkeys(uses) if one not in places and one.reference() is not None
        ]
        met, small, state, constants = {*places}, {*lasting}, [], []
        for number, (place, one) in enumerate(zip(of_uses, uses, strict=True)):
            value = slots[place]
            if one not in met and isinstance(value, bytes) and len(value) <= SMALL:
                if one in small:
                    state.append((place, number))
                else:
                    constants.append((place, value))
            met.add(one)
        stay = {*lasting, *places}
        ghosts = {one: _ghost(one) for one in uses if one not in stay}
        writes = [one for one in stream.writes if one.event >= first]
        return _Block(
            keys=tuple(keys),
            marks=tuple([(mark.slot - slot, mark.use - use) for mark in marks]),
            slots=len(slots),
            uses=[ghosts.get(one, one) for one in uses],
            grads=grads,
            lasting=lasting,
            state=tuple(state),
            constants=tuple(constants),
            writes=tuple([one._replace(event=one.event - first) for one in writes]),
        )

    # -- putting in -------------------------------------------------------------------------

    def _fits(self, known: _Known, running: _Running, frame: FrameType) -> bool:
        """Whether this update is the known one (NOTE 2); reads the small state that it finds."""
        stream, block = self._stream, known.block
        place = self._frames.innermost(frame)
        if place is None or known.optimizer() is not running.optimizer:
            return False
        site, key = (id(place.f_code), place.f_lasti), block.keys[0]
        nodes = torch._C._autograd._get_sequence_nr() - self._mode.base_sequence
        if (known.outline, key.site, key.where) != (running.outline, site, nodes):
            return False
        found = [(entry, entry.reference()) for entry in block.lasting]
        if any(tensor is None for _, tensor in found) or key.context != self._mode.context:
            return False
        turn, anew = self._mode.arrive(place)
        if anew:
            return False
        running.turn = turn
        for slot, use in block.state:
            tensor = block.uses[use].reference()
            if tensor is None:
                return False
            stream.use(tensor)
            running.values[slot] = stream.slots.pop()
            stream.uses.pop()
        return True

    def _put_in(self, running: _Running, block: _Block) -> None:
        """Write what the mode would have written."""
        stream = self._stream
        event, slot, use = len(stream.keys), len(stream.slots), len(stream.uses)
        sequence = torch._C._autograd._get_sequence_nr()
        uses = [*block.uses]
        parameters = list(_parameters(running.optimizer))
        for number, place in block.grads:
            grad = parameters[place].grad
            if grad is not None:
                uses[number] = stream.entry_of(grad)
        slots: list[object] = [None] * block.slots
        for place, value in (*running.values.items(), *block.constants):
            slots[place] = value
        stream.keys += block.keys
        stream.marks += [
            Mark(slot + at, use + first, sequence, running.turn) for at, first in block.marks
        ]
        stream.slots += slots
        stream.uses += uses
        stream.writes += [one._replace(event=one.event + event) for one in block.writes]


def _is_plain(key: KernelKey) -> bool:
    """Whether a kernel is the optimizer's own and draws nothing."""
    return key.context is not None and not key.operator.draws and not key.operator.unset


def _ghost(entry: TensorEntry) -> TensorEntry:
    """What stands for a tensor that the update makes: its memory is another's by now."""
    ghost = copy.copy(entry)
    ghost.address = 0
    return ghost


def _is_value(slot: object) -> bool:
    """Whether a slot belongs to a tensor: numbers stand in others."""
    return not isinstance(slot, int | float | complex)


def _parameters(optimizer: Optimizer) -> Iterator[torch.Tensor]:
    for group in optimizer.param_groups:
        yield from group["params"]


def _outline(optimizer: Optimizer, stream: Stream) -> Hashable:
    """What decides which kernels an update runs (NOTE 2); None where that is not known."""
    ours = 1  # hooks: the one that tells of this very update
    if (
        optimizer._optimizer_step_pre_hooks
        or optimizer._optimizer_step_post_hooks
        or len(torch_optimizers._global_optimizer_pre_hooks) > ours
        or len(torch_optimizers._global_optimizer_post_hooks) > ours
    ):
        return None
    found: list[Hashable] = []
    for group in optimizer.param_groups:
        for name, value in group.items():
            if name == "params":
                continue
            if isinstance(value, tuple):
                found.append((name, *[number != 0 for number in value]))
            elif value is None or isinstance(value, bool | str):
                found.append((name, value))
            elif isinstance(value, int | float):
                found.append((name, value != 0))
            else:
                return None
        for parameter in group["params"]:
            grad = parameter.grad
            if grad is not None and not _is_gradient(grad, stream):
                return None
            spec = None if grad is None else (grad.dtype, grad.shape, grad.stride())
            found.append((id(parameter), spec))
    return tuple(found)


def _is_gradient(grad: torch.Tensor, stream: Stream) -> bool:
    """Whether it is what backward left, and not what the program put in its place."""
    if type(grad) is not _Tensor or grad.layout is not torch.strided:
        return False
    entry = stream.entries.get(id(grad))
    return entry is not None and entry.reference() is grad and entry.role == "gradient"
