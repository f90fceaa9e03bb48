"""Records the chosen steps in full: switches the dispatch mode, cuts the stream into steps."""

from __future__ import annotations

import linecache
from collections import deque
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from types import FrameType
from typing import Any, NamedTuple

import numpy as np
import torch
from msgspec import structs
from torch.optim.optimizer import Optimizer

from autograd_lens.capture.chase import Chase, Graphs
from autograd_lens.capture.inputs import InputObserver, generator_state
from autograd_lens.capture.keyframes import Keyframes
from autograd_lens.capture.needs import Known, Needs, read_from_outside
from autograd_lens.capture.optimizer_notes import OptimizerNotes
from autograd_lens.capture.pace import Pace
from autograd_lens.capture.parameters import ParameterRegistry, name_entries
from autograd_lens.capture.profiles import is_profiled
from autograd_lens.capture.schedule import NEVER, Schedule
from autograd_lens.capture.sink import Sink
from autograd_lens.capture.steps import LoopFrame, find_boundary
from autograd_lens.capture.torchviz_dot import GraphDots
from autograd_lens.capture.updates import KnownUpdates
from autograd_lens.live.backward import BackwardCall, BackwardTape, Flags
from autograd_lens.live.derivatives import DerivativeTable
from autograd_lens.live.frames import Site, UserFrames, frame_names, traceback_entries
from autograd_lens.live.graph_walk import SavedFields, saved_at
from autograd_lens.live.guard import Guard
from autograd_lens.live.mode import TapeMode, Target, switch_off, switch_on
from autograd_lens.live.reading import SMALL, is_opaque
from autograd_lens.live.shy import ShyOperators
from autograd_lens.live.stream import Stream, TensorEntry
from autograd_lens.live.template import Segment, Surroundings, build_template
from autograd_lens.trace.budget import Level
from autograd_lens.trace.tape import TapeTensor, Template
from autograd_lens.trace.values import summarize

__all__ = ["FullRecorder"]

_RECENT = 8  # values
_ANCHORS = 64


StateName = tuple[torch.Tensor, torch.Tensor, str]


@dataclass(frozen=True, slots=True)
class Services:
    """What the parts of one recording share.

    Attributes:
        writer: Where everything goes.
        frames: Tells the program's frames from others.
        registry: The parameters.
        inputs: What observes the inputs of light steps.
        keyframes: Keeps large parameters whole at some of the steps.
        on_failure: Reports a failure of the recording.
    """

    writer: Sink
    frames: UserFrames
    registry: ParameterRegistry
    inputs: InputObserver
    keyframes: Keyframes
    on_failure: Callable[[Exception], None]


class _Written(NamedTuple):
    """A template that the trace holds, its number there, and which slots lean steps keep.

    Of those in ``state`` the values follow from earlier steps; those in ``anew`` are kept where
    they are not what the slot before has.
    """

    number: int
    template: Template
    keeps: frozenset[int]
    state: frozenset[int]
    anew: Mapping[int, int]


class _Aside(NamedTuple):
    """A step that was recorded and is not written, as long as nobody asks for it."""

    step: int
    written: _Written
    slots: list[Any]
    lean: bool


class FullRecorder:
    """The full level of one recording.

    NOTE 1 [Put aside]: where any step may turn out to be the one that is wanted, each is recorded,
    at least lean. Those that nothing else asks for stay in memory, and the last few of them are
    written when the recording stops. Where full steps were found alike, light rows do, as long as
    they keep what steps were handed: the step that is wanted is executed again.

    NOTE 2 [Data for many steps]: light steps are executed with what the full ones of their graph
    read from outside, be it made anew in each of them or held over all. Where it is held for a
    while (a rollout that is trained on eighty times), full steps are alike until it is let go of.
    So whatever a full step read that the program held is watched, and when it is gone, the next
    step of that graph is recorded in full.

    Args:
        services: What the parts of the recording share.
        schedule: The steps to record in full.
        value_limit: Bytes of one value that is kept whole.
        step_limit: Bytes of all large values of a step.
        aside: How many steps are put aside, 0 for none (NOTE 1).

    Attributes:
        state_names: Yields (parameter, state tensor, name) of the known optimizers.
        notes: What is known of them.
        inputs: What observes the inputs of light steps.
        described: Tells whether the numbers of all updates are kept beside light rows.
        foreign: Tells whether an optimizer is the program's own.
        mode: The dispatch mode.
        on: Whether it is on.
        anchors: Steps recorded in full from which others may be executed, the newest ones.
    """

    def __init__(
        self,
        services: Services,
        schedule: Schedule,
        value_limit: int,
        step_limit: int,
        *,
        aside: int = 0,
    ) -> None:
        self.inputs = services.inputs
        self.state_names: Callable[[], Iterator[StateName]] = lambda: iter(())
        self.described: Callable[[], bool] = lambda: False
        self.foreign: Callable[[], bool] = lambda: False
        self.inputs.on_item, self.inputs.on_loading = self._was_handed, (self.pause, self.resume)
        self._writer = services.writer
        self._pace, self._schedule = Pace(schedule), schedule
        self._frames = services.frames
        self._registry = services.registry
        self._guard = Guard(services.on_failure)
        self._keyframes = services.keyframes
        self._budget = services.writer.budget
        self._step_limit = step_limit
        outside = self._budget.size if aside else None  # a batch that is wanted is kept whole
        share = min(step_limit, self._budget.share)
        self._stream = Stream(value_limit, share, outside_limit=outside)
        self.mode = TapeMode(self._stream, services.frames, services.on_failure)
        self._updates = KnownUpdates(self.mode, self._stream, services.frames)
        self._saved, self._shy = SavedFields(), ShyOperators()
        self._derivatives = DerivativeTable()
        self._loop = LoopFrame()
        self._tape: BackwardTape | None = None
        self.on = False
        self._next_switch = schedule.next(0) - 1  # the step behind whose backward it is put on
        self._lean = False  # whether the current step is recorded lean
        self._passing = False  # whether the engine runs unseen
        # The random generator's state behind the backward before the last one, and behind that.
        self._states: tuple[bytes | None, bytes | None] = (None, None)
        self._marked = False  # whether the program marks its steps itself
        self._whole = False  # whether the stream holds the current step from its start
        self._hooked = False  # whether the current step is being recorded in full
        self._chase = Chase()
        self._reached: set[int] = set()  # parameters of the graphs of this step
        # The first event after the last backward, and the position of its call in the loop's frame;
        # calls of known optimizers since the step began to be recorded, and those around the last.
        self._after, self._turn = 0, -1
        self._calls, self._contexts = 0, list[tuple[str, int] | None]()
        self._addresses: dict[int, int] = {}  # of each parameter at the last backward
        self.anchors: deque[int] = deque(maxlen=_ANCHORS)
        self._templates: dict[Hashable, _Written] = {}
        self._newest: dict[int, int] = {}  # the last step of each template
        self._last_template: tuple[Hashable, _Written] | None = None
        self._needs = Needs()
        # What the step was handed, and what it was since the last backward.
        self._handed, self._met = list[TensorEntry | None](), list[TensorEntry | None]()
        self.notes = OptimizerNotes(services.registry, services.writer.extra)
        self._afforded: deque[bytes] = deque(maxlen=_RECENT)  # large values that were kept
        self._aside: deque[_Aside] | None = deque(maxlen=aside) if aside else None
        self._wanted = False  # whether what is written now is kept whatever has been kept before
        self._due = not aside  # whether the current step is written as soon as it has ended
        self.inputs.keeping = not aside
        self._dots, self._step_dots = GraphDots(services.registry, services.on_failure), list[str]()

    # -- on and off -----------------------------------------------------------------------

    def start(self) -> None:
        """Switch on before the first step, where that one is to be recorded."""
        if self._next(0) == 0 or self._wants_tape(0):
            self._switch(on=True)
            self._whole = self.on

    def _switch(self, *, on: bool) -> None:
        if on and not self.on:
            self.on = not is_profiled() and switch_on(self.mode)
            if self.on:
                self._shy.install()
                self.mode.rebase()
                self.inputs.begin()
        elif not on and self.on:
            switch_off(self.mode)
            self._shy.remove()
            if not self._needs.inputs:
                self.inputs.end()
            self.on = self._whole = False
            self._states = (None, None)
            self._stream.lean = False
            self._stream.drop_before(len(self._stream.keys))
            self._loop.forget()

    def _next(self, step: int) -> int:
        """The first step from ``step`` on that is recorded in full, while there is room for it."""
        if self._budget.level >= Level.ROWS:
            return NEVER
        if self._schedule.opens and self._needs.opaque:
            return step
        return self._pace.next(step)

    def _next_tape(self, step: int) -> int:
        """The same, or the next keyframe, which is recorded at least lean."""
        return min(self._next(step), self._keyframes.next(step))

    def leave(self) -> None:
        """Record nothing more of the current step but what light rows hold."""
        if self.on:
            self._pace.postpone()
        self._switch(on=False)

    def pause(self) -> None:
        """Let kernels pass by for a while; the step goes on behind them."""
        if self.on:
            switch_off(self.mode)
            self._shy.remove()

    def resume(self) -> None:
        """See kernels again, where they were seen before."""
        if self.on:
            switch_on(self.mode, below=True)
            self._shy.install()

    def stop(self, last_step: int, failed_step: int, error: BaseException | None) -> None:
        """Write the last step, and what there is of one that an exception ended; switch off."""
        try:
            if self._tape is not None:
                self._tape.end("")
            if self.on and self._whole:
                chain: list[FrameType] = []
                if error is not None:
                    self.mode.take_back_raised(error)
                    entries = [entry.tb_frame for entry in traceback_entries(error)]
                    chain = [f for f in reversed(entries) if self._frames.is_user(f.f_code)]
                self._write_last(last_step, failed_step, chain)
        finally:
            self._write_aside()
            self._switch(on=False)

    def keep(self, step: int, fingerprint: str, frame: FrameType) -> bool:
        """Write the current step as it is behind its backward, and those before it (NOTE 1).

        Args:
            step: The step.
            fingerprint: The graph of its backward.
            frame: Where the program is.

        Returns:
            Whether its tape, and its large parameters, were kept.
        """
        taped = self.on and self._whole and self._hooked
        light = not self._sets_aside and self._chase.knows(fingerprint)
        self._wanted = True
        if taped:
            self._due = True
            self._write(step, len(self._stream.keys), list(self._frames.chain(frame)))
            self._start_step(len(self._stream.keys))
        kept = self._keyframes.keep(step, [one for _, one in self._registry.alive()])
        kept = kept and (taped or light) and self._wanted
        self._wanted = False
        self._write_aside()
        return kept

    def _write_last(self, last_step: int, failed_step: int, chain: list[FrameType]) -> None:
        end = len(self._stream.keys)
        if self._hooked:
            # Where no kernel wrote a parameter, an update may still have replaced one.
            written = any(write.event >= self._after for write in self._stream.writes)
            ends = end
            if written and failed_step != last_step:
                ends = find_boundary(self._stream, self._after, self._turn, self._reached)
            self._write(last_step, ends, chain)
            self._start_step(ends)
        if failed_step > last_step and self._stream.keys:
            self._lean = False  # what there is of it is all that can be had
            self._due = True
            self._write(failed_step, len(self._stream.keys), chain)

    def mark(self, current: int, upcoming: int) -> None:
        """The program says that a step begins: all before it belongs to the current one."""
        if self.on and self._whole and self._hooked:
            self._write(current, len(self._stream.keys), [])
        wanted = self._next_tape(upcoming) == upcoming or self._chase.goes_on
        self._switch(on=wanted or self._wants_tape(upcoming))
        self._stream.lean = self._may_be_lean(upcoming)
        if self.on:
            if self._next(upcoming) == upcoming:
                self._pace.begins(upcoming)
            self._start_step(len(self._stream.keys))
            self.mode.armed = True
            self.mode.rebase()

    def chase(self, fingerprint: str, site: Site, step: int) -> None:
        """A graph was seen at light level: record it in full when it appears again."""
        if self._chase.knows(fingerprint) and not self._begins_anew(fingerprint, step):
            self._chase.meets(site)
            return
        if self._next(step) == NEVER:
            return
        if self._schedule.opens:  # from here on none is missed
            self._needs.opaque = True
            self._next_switch = step
        elif self._chase.begins(fingerprint, site):
            self._next_switch = min(self._next_switch, step)

    def is_due(self, step: int) -> bool:
        """Whether ``after_backward`` has something to do behind a backward of a step."""
        return self.on or self._chase.alarmed or step >= self._next_switch

    def _begins_anew(self, fingerprint: str, step: int) -> bool:
        """Record each graph once more behind a light step of one that only the first step holds.

        What stands before the first forward is on no tape, so that this step may not open, and
        what it left for the next ones of other graphs is not known either.
        """
        first = self._needs.stands_first(fingerprint) and not self._needs.tape_of(step)
        return first and self._chase.begins_anew((fingerprint,))

    def saved_by(self, outputs: Sequence[object], fingerprint: str) -> list[torch.Tensor]:
        """What light rows keep of what nodes of a graph have saved.

        Args:
            outputs: What backward is called on.
            fingerprint: The graph.
        """
        places = self._needs.saved_in(fingerprint)
        found = (saved_at(outputs, place) for place in places)
        return [tensor for tensor in found if tensor is not None]

    def records_all(self) -> None:
        """No step can be executed again: all that are to open are recorded in full."""
        self._needs.opaque = True

    def enter_context(
        self, phase: str, optimizer: Optimizer | None = None, frame: FrameType | None = None
    ) -> None:
        """A known optimizer begins to update or to clear, perhaps in the closure of an update.

        Its calls are counted in each step anew, so that steps of one structure are alike.

        Args:
            phase: Which of both.
            optimizer: The optimizer, where its numbers are kept beside light rows.
            frame: Where it was called.
        """
        self._calls += 1
        self._contexts.append(self.mode.context)
        self.mode.context = (phase, self._calls)
        if self.on and optimizer is not None and frame is not None and self.described():
            with self._guard:
                self._updates.begins(optimizer, self._calls, frame)

    def leave_context(self, *, complete: bool = True) -> None:
        """It has ended, or was left by an exception."""
        held = False  # and so it stays where this fails
        with self._guard:
            held = not self.on or self._updates.ended(complete=complete)
        self._whole = self._whole and held
        self.mode.context = self._contexts.pop() if self._contexts else None

    # -- every backward -------------------------------------------------------------------

    def before_backward(
        self, finished: int | None, step: int, call: BackwardCall, reached: Iterable[int]
    ) -> None:
        """Cut the step that ended, and hook the graph where the new one is recorded in full.

        Args:
            finished: The step that this backward's forward ended, -1 before the first, or
                None where the step goes on.
            step: The step this backward belongs to.
            call: The call.
            reached: Indexes of the parameters that its graph ends in.
        """
        if not self.on:
            return
        chain = list(self._frames.chain(call.frame))
        self.mode.sweep()
        if finished is not None and finished >= 0:
            ends = find_boundary(self._stream, self._after, self._turn, self._reached)
            if self._whole and self._hooked:
                self._write(finished, ends, chain)
            self._start_step(ends)
        self._reached.update(reached)
        self._locate(chain)
        fingerprint = call.flags.fingerprint
        lean = self._is_lean(step)
        begun = self._hooked and self._lean  # what is lean in part is lean
        if lean and not (begun or self._may_be_lean(step) or self._stream.lean):
            lean = not self._needs.misses(fingerprint)
        aside = self._sets_aside and lean and not self._needs_tape(step)
        if aside:
            self.chase(fingerprint, call.site, step)
        new = not self._chase.knows(fingerprint)
        due = self._next(step) == step or self._needs_tape(step) or (new and not lean)
        self._due = self._due or due or (lean and self._keyframes.next(step) == step)
        wanted = self._hooked or lean or due or self._sets_aside
        self._whole = self._whole and wanted  # what is hooked later is a part of the step
        if self._whole and call.watched and wanted:
            self._chase.records(call.site, None if lean else fingerprint)
            self._begin(step, call, chain, lean=lean)
        self._lean = lean
        self._stream.state_follows = self._keyframes.next(step) != step
        if not self._marked:  # what follows is this step's update, and the next one's forward
            self._stream.lean = lean and self._may_be_lean(step + 1)

    def met(self, step: int, parameters: Sequence[int]) -> None:
        """Parameters of these indexes were met: what is too large for light steps is kept."""
        if self._next(step) != NEVER:
            new = {*parameters}
            found = [parameter for index, parameter in self._registry.alive() if index in new]
            self._keyframes.begin(step, found)

    def _locate(self, chain: list[FrameType]) -> None:
        """Note where the loop is at a backward."""
        self.mode.loop = loop = self._loop.see(chain, left=self.mode.left)
        self.mode.left = False
        self._turn = next((f.f_lasti for f in chain if loop and id(f) == loop[0]), -1)
        self.mode.turns_at = self.mode.backward_at = self._turn

    def _begin(self, step: int, call: BackwardCall, chain: list[FrameType], *, lean: bool) -> None:
        """Record this backward, and the large parameters that it finds where that is due."""
        self._hooked = True
        inside = call.functions or self._needs.backwards
        if lean and not inside and _is_plain(call.flags):
            self._pass(call)
        else:
            self._hook(step, call, chain)
        if not lean or self._keyframes.next(step) == step:
            parameters = [parameter for _, parameter in self._registry.alive()]
            self._keyframes.take(step, parameters, self._finds())

    def _is_lean(self, step: int) -> bool:
        """Whether a step is recorded without the values that follow from others."""
        if self._next(step) == step:
            return False
        if self._needs_tape(step):
            return True
        due = self._keyframes.next(step) == step or self._sets_aside
        return due and not self._chase.goes_on

    def _may_be_lean(self, step: int) -> bool:
        """Whether it is known before a step begins that it is recorded lean."""
        return self._is_lean(step) and not (
            self._schedule.by_default and self._needs.waits_in(step)
        )

    def _needs_tape(self, step: int) -> bool:
        """Whether a light row cannot hold a step, and there is room for its tape."""
        return self._budget.level < Level.ROWS and self._needs.tape_of(step)

    def _wants_tape(self, step: int) -> bool:
        """Whether a step has to be recorded, at least lean."""
        return self._sets_aside or self._needs_tape(step)

    @property
    def _sets_aside(self) -> bool:
        """Whether steps are recorded that nothing asks for, as they may be wanted (NOTE 1)."""
        light = self._needs.settled and self.described() and not self.inputs.refused
        return self._aside is not None and not light

    def after_backward(
        self, step: int, error: str, frame: FrameType, reached: Iterable[int], *, marked: bool
    ) -> None:
        """Unhook, and switch to what the rest of this step and the next one need.

        Called only where it ``is_due``.

        Args:
            step: The step.
            error: What the engine raised, else ``""``.
            frame: The innermost frame, torch's included.
            reached: Indexes of the parameters that its graph ends in.
            marked: Whether the program marks its steps itself.
        """
        self._handed += self._met
        self._met = []
        if self.on:
            with self.mode.silence():
                self._states = (self._states[1], generator_state())
        self._stream.turn()
        if self._passing:
            self.on, self._passing = switch_on(self.mode, below=True), False
        if self._tape is not None:
            self._tape.end(error)
            self._tape = None
            self._name_grads()
        self._marked = marked
        self._after = len(self._stream.keys)
        if marked:
            self.mode.begin_tail(self._after)
            return
        self._chase.turns(room=self._next(step + 1) != NEVER)
        if self._next(step + 1) == step + 1:
            self._pace.begins(step + 1)
            if is_profiled():
                self._pace.postpone()
        near = self._next(step) <= step + 1 or self._keyframes.next(step + 1) == step + 1
        goes_on = self._hooked and self._lean  # its update belongs to it
        goes_on = goes_on or self._chase.goes_on
        was_on, wanted = self.on, near or goes_on or self._wants_tape(step + 1)
        self._switch(on=wanted)
        if self.on and not was_on:  # the update that follows is this step's
            self._reached = set(reached)
            self._locate(list(self._frames.chain(frame)))
        # A mode or the profiler of the program that is in the way may be gone in the next step.
        self._next_switch = self._next_tape(step + 1) - 1 if self.on or not wanted else step + 1
        self._chase.alarmed = False
        self.mode.rebase()
        self.mode.begin_tail(self._after)

    def _start_step(self, event: int) -> None:
        self._reached.clear()
        self._stream.drop_before(event)
        self._stream.step_limit = min(self._step_limit, self._budget.share)
        self._after = 0
        self.mode.begin_tail(0)
        self._whole = True
        self._hooked = False
        self._due = self._aside is None
        self._step_dots = []
        self._handed = []
        self._calls = 0

    def _was_handed(self, tensor: torch.Tensor) -> None:
        """A tensor was handed on, perhaps once more."""
        entry = self._stream.entry_of(tensor) if self.on else None
        if entry is not None and entry in self._met:
            self._met.remove(entry)
        self._met.append(entry)

    def _pass(self, call: BackwardCall) -> None:
        """Let the engine run unseen: what it computes follows from what it is given."""
        self._tape = self._new_tape()
        self._tape.begin_lean(call)
        self._step_dots.append("")
        switch_off(self.mode)
        self._passing = True

    def _new_tape(self) -> BackwardTape:
        leaf = self._registry.leaf
        return BackwardTape(self._stream, self.mode, self._saved, leaf, self._guard.report)

    def _hook(self, step: int, call: BackwardCall, chain: list[FrameType]) -> None:
        self._tape = self._new_tape()
        walk = self._tape.begin(call)
        for variable in walk.variables.values():
            if name := self._registry.input_name(variable):
                self._stream.entry_of(variable).name = name
        dot, new = self._dots.draw(call.outputs, walk)
        if new:
            self._name(chain)
        self._note_optimizers(step, chain, anew=new)
        self._step_dots.append(dot)

    def describe(self, step: int, frame: FrameType, *, replaces: bool) -> None:
        """An optimizer that was not known makes its first update in a step.

        Args:
            step: The step.
            frame: Where the program is.
            replaces: Whether another one has updated its parameters before: then the tapes that
                there are show that one's updates, and this step's how a state is made.
        """
        if replaces or not (self.on and self._hooked):
            self._chase.restarts()
        with self._guard:
            self._note_optimizers(max(step, 0), list(self._frames.chain(frame)), anew=True)

    def _note_optimizers(self, step: int, chain: list[FrameType], *, anew: bool) -> None:
        self.notes.look(step, lambda: [frame_names(frame) for frame in chain], anew=anew)

    def _finds(self) -> Iterator[torch.Tensor]:
        """What the step found when it began and that outlasts it, parameters apart."""
        yield from (state for _, state, _ in self.state_names())
        yield from self.notes.tensors()
        for module in list(self._registry.roots):
            yield from module.buffers()

    # -- names ------------------------------------------------------------------------------

    def _name_grads(self) -> None:
        """Name each ``.grad`` while it is sure to be there, and note where writes would go."""
        targets = self.mode.targets
        targets.clear()
        self.mode.twins.clear()
        for index, parameter in self._registry.alive():
            if not _has_memory(parameter):
                continue
            reference = self._registry.references[index]
            self._addresses[index] = parameter.data_ptr()
            target = Target("p", index, reference)
            twin = targets.get(parameter.data_ptr())
            if twin is not None and twin.kind == "p":
                self.mode.twins[id(twin.parameter())] = twin
                self.mode.twins[id(parameter)] = target
            targets[parameter.data_ptr()] = target
            grad = parameter.grad
            if grad is not None and _has_memory(grad):
                targets[grad.data_ptr()] = Target("g", index, reference)
            self._name_grad(index, grad)

    def _name_grad(self, index: int, grad: torch.Tensor | None) -> None:
        if grad is not None and (grad.layout is torch.sparse_coo or _has_memory(grad)):
            entry = self._stream.entry_of(grad)
            if entry.role != "gradient":
                entry.role = "gradient"
                entry.name = f"{self._registry.records[index].name}.grad"

    def update_begins(self, parameters: Iterable[torch.Tensor], frame: FrameType) -> None:
        """An optimizer reads ``.grad`` now: the program may have put others there.

        So may it have given parameters other memory, as one does that goes back to where it was.
        """
        if not (self.on and self._hooked):
            return
        with self._guard:
            for parameter in parameters:
                index = self._registry.index_of(parameter)
                if index is not None:
                    self._name_grad(index, parameter.grad)
                    self._follow(index, parameter, frame)

    def _follow(self, index: int, parameter: torch.Tensor, frame: FrameType) -> None:
        """Note where a parameter has been moved since the last backward."""
        if not _has_memory(parameter):
            return
        address = parameter.data_ptr()
        if self._addresses.get(index, address) == address:
            return
        self._addresses[index] = address
        self.mode.targets[address] = Target("p", index, self._registry.references[index])
        there = self._stream.by_address.get(address)
        source = there.reference() if there is not None else None
        if source is None or source is parameter or source.shape != parameter.shape:
            with self.mode.silence():
                source = parameter.detach()
        self.mode.adopt(parameter, source, frame)

    def _name(self, chain: Iterable[FrameType]) -> None:
        name_entries(
            self._stream.entries.values(),
            self._registry,
            [frame_names(frame) for frame in chain],
            self.state_names(),
        )

    # -- writing ----------------------------------------------------------------------------

    def _write(self, step: int, ends: int, chain: list[FrameType]) -> None:
        segment = Segment.cut(self._stream, 0, ends, self._handed)
        key = (self._lean, segment.key)
        if self._last_template is not None and key == self._last_template[0]:
            written = self._last_template[1]  # comparing costs half of hashing
        else:
            known = self._templates.get(key)
            if known is None:
                self._name(chain)
                known = self._templates[key] = self._build(segment, ends)
            written = known
        self._last_template = key, written
        self._newest[written.number] = step
        done = _Aside(step, written, segment.slots, self._lean)
        if not self._due and self._aside is not None:
            self._aside.append(done)
            return
        self._put(done)
        if not self._lean:
            self._pace.ended(step)
            saved = self._needs.see(
                step,
                written.template,
                segment.slots,
                Known(
                    described=self.described(),
                    foreign=self.foreign(),
                    state=self._states[0],
                    made=_made(segment),
                ),
            )
            if saved:
                self._hand(segment, written, saved)
            self._hold(written.template, segment)
            self._next_switch = min(self._next_switch, self._next_tape(step + 1) - 1)
            self.inputs.keeping = self._aside is None or self._needs.inputs

    def _hand(self, segment: Segment, written: _Written, saved: tuple[int, ...]) -> None:
        """Light steps keep from here on what nodes save: a step of this structure is handed it."""
        segment = replace(segment, handed=(*segment.handed, *saved))
        template = structs.replace(written.template, handed=segment.handed)
        self._writer.template(template, written.number)
        self._templates[False, segment.key] = written._replace(template=template)

    def _hold(self, template: Template, segment: Segment) -> None:
        """Watch what a full step read from outside (NOTE 2)."""
        pairs = zip(segment.tensors, template.tensors, strict=True)
        read = (one.reference() for n, (one, of) in enumerate(pairs) if _is_held(n, of, template))
        self._chase.watches(_graphs(template), () if self._needs.tapes else read)

    def _put(self, done: _Aside) -> None:
        step, written, slots, lean = done
        if not lean and self._keyframes.starts(step):
            self.anchors.append(step)
        if lean:
            same = {n for n, before in written.anew.items() if slots[n] == slots[before]}
            kept: list[Any] = [None] * len(slots)
            for place in written.keeps - same:
                kept[place] = self._afford(slots[place], follows=place in written.state)
            slots = kept
        self._writer.full(step, written.number, slots, lean=lean)

    def forget(self, before: int, most: int) -> tuple[frozenset[int], tuple[int, ...]]:
        """Let go of keyframes and structures that no step from one on has.

        Args:
            before: That step.
            most: How many full steps may stay for newer ones of their structure.

        Returns:
            The older full steps that stay, and the numbers of the templates that go.
        """
        self._keyframes.forget(before)
        old = {k: w for k, w in self._templates.items() if self._newest[w.number] < before}
        full = [(k, w) for k, w in old.items() if not w.template.lean]
        full.sort(key=lambda one: -self._newest[one[1].number])
        stay = {key: self._newest[written.number] for key, written in full[:most]}
        gone = {key: written for key, written in old.items() if key not in stay}
        for key, written in gone.items():
            del self._templates[key], self._newest[written.number]
            if not written.template.lean:
                graphs = _graphs(written.template)
                self._chase.forgets(graphs)
                self._needs.forget(graphs)
        if self._last_template is not None and self._last_template[0] in gone:
            self._last_template = None
        return frozenset(stay.values()), tuple([written.number for written in gone.values()])

    def _write_aside(self) -> None:
        """Write the steps that were put aside, the oldest first."""
        while self._aside:
            self._put(self._aside.popleft())

    def _afford(self, value: Any, *, follows: bool) -> Any:
        """A large value that a lean step read, its summary where it follows or is too much."""
        if not isinstance(value, bytes) or len(value) <= SMALL:
            return value
        if any(value is one for one in self._afforded):
            return value
        if follows or not self._has_room(len(value)):
            return summarize(np.frombuffer(value, np.uint8), "uint8", brief=True)
        self._afforded.append(value)
        return value

    def _has_room(self, size: int) -> bool:
        if not self._wanted:
            return self.inputs.affords(size)
        self._wanted = self._budget.take(size, Level.NOTHING)
        return self._wanted

    def _build(self, segment: Segment, ends: int) -> _Written:
        template = build_template(
            segment,
            Surroundings(
                parameter=lambda index: self._registry.records[index].name,
                source_of=self._frames.source_of,
                derivatives=self._derivatives,
                writes=[write for write in self._stream.writes if write.event < ends],
                replaced=self._replaced(),
                lean=self._lean,
            ),
        )
        for row in template.sources:
            self.store_source(row[0])
        number = self._writer.template(template)
        for position, dot in enumerate(self._step_dots):
            if dot:
                self._writer.dot(number, position, dot)
        if not self._lean:
            return _Written(number, template, frozenset(), frozenset(), {})
        return _Written(number, template, *read_from_outside(template))

    def _replaced(self) -> list[tuple[int, int]]:
        """Parameters with other memory than at the last backward, and its address.

        ``p.data = ...`` and ``w = w - lr * w.grad`` update by putting a new tensor in place of
        the old one; no kernel writes to a parameter.
        """
        now = [(i, p.data_ptr()) for i, p in self._registry.alive() if _has_memory(p)]
        return [(index, address) for index, address in now if self._addresses.get(index) != address]

    def store_source(self, file: str) -> None:
        """Keep the text of a source file."""
        text = source_text(file)
        if text is not None:
            self._writer.source(file, text)


def _made(segment: Segment) -> frozenset[int]:
    return frozenset(n for n, one in enumerate(segment.tensors) if one.made >= 0)


def _is_held(number: int, tensor: TapeTensor, template: Template) -> bool:
    """Whether a tensor comes from outside, and is none that a module or a loader was handed."""
    return tensor.role == "input" and number not in template.handed


def _graphs(template: Template) -> Graphs:
    return tuple([backward.fingerprint for backward in template.backwards])


def _is_plain(flags: Flags) -> bool:
    """Whether nothing but ``.grad`` comes of a backward."""
    return flags.kind == "backward" and not flags.create_graph


def _has_memory(tensor: torch.Tensor) -> bool:
    if is_opaque(tensor):
        return False
    return tensor.layout is torch.strided and not tensor.is_meta and tensor.nbytes > 0


def source_text(file: str) -> str | None:
    """The text of a source file, also where it only lives in ``linecache`` (notebooks)."""
    lines = linecache.getlines(file)
    return "".join(lines) if lines else None
