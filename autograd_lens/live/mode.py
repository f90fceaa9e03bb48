"""The dispatch mode that every kernel of a fully recorded step passes through.

NOTE 1 [Written for speed]: a no-op mode makes the linear regression three times as slow, so
what is done here for each of its 32 kernels decides what a full recording costs. Hence one
long function with local names, and lookups by ``id``: hashing an ``OpOverload`` runs Python.

NOTE 2 [Not a with statement]: a step recorded in full begins and ends inside calls of the
program, so the mode cannot be the body of a ``with``. The program may have entered modes of
its own in the meantime; popping whatever is on top would take theirs. So the mode is only
pushed where the stack is empty, and taken out of wherever it stands.

NOTE 3 [A turn that is a call]: where the loop's body is a function, every turn is a new call at
the same place in the loop's frame. It is told by the frame that is called: another one, or one
whose place another call has got since, as its position jumps back; or by what the loop's frame
ran in between, as an evaluation behind it.
"""

from __future__ import annotations

import contextlib
import sys
import weakref
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any, NamedTuple

import torch
from torch.nn import Parameter
from torch.utils._python_dispatch import TorchDispatchMode, _pop_mode, _push_mode

from autograd_lens.live import doors, shy
from autograd_lens.live.frames import (
    MODULE_CALL,
    OUTSIDE,
    ModulePaths,
    Site,
    UserFrames,
    leave_out_frames,
)
from autograd_lens.live.reading import bytes_at, is_opaque
from autograd_lens.live.stream import NUMBER, TENSOR, Mark, Stream, TensorEntry, Write
from autograd_lens.live.unused import LONG, drop_unused

__all__ = [
    "IN_BACKWARD",
    "IN_HOOK",
    "KernelKey",
    "Operator",
    "TapeMode",
    "Target",
    "switch_off",
    "switch_on",
]

IN_BACKWARD = "in backward"
IN_HOOK = "in a hook that backward ran"

_sequence_number = doors.sequence_number
_current_node = doors.current_node
_len_torch_dispatch_stack = doors.dispatch_modes
_get_dispatch_stack_at = doors.dispatch_mode_at
_get_frame = sys._getframe
_grad_mode = torch.is_grad_enabled
_new: Any = tuple.__new__  # a third of the time that calling the class takes
_ENGINE = torch.autograd.graph._engine_run_backward.__code__
_FUNCTION: Any = torch.autograd.function.BackwardCFunction.apply  # runs a custom backward
_NO_HOOKS = frozenset({_FUNCTION.__code__, shy.CODE})  # that the engine itself calls
_DISPATCH = TorchDispatchMode.__torch_dispatch__.__name__
_WRAPPERS = ("_dynamo/eval_frame.py", "torch/_compile.py")  # that torch puts around modes
_Tensor = torch.Tensor
_DEFAULT = torch.default_generator
_NO_RESULT = (tuple,)
_CUTS = ("aten.slice.", "aten.select.")
UNSET = ("aten.empty", "aten.new_empty", "aten._empty")
"""Operators whose result has no value until something is written there."""

ADOPTS = "aten.set_.source_Tensor"
"""What stands on a tape where a parameter was given another tensor's memory."""

_SWEEP = 4096  # events
_PLAIN_CONSTANTS = frozenset({int, bool, type(None)})


class Operator:
    """One operator, looked at once.

    Attributes:
        op: The ``OpOverload``.
        run: What computes it.
        mutated: Position and name of each argument it writes to.
        views: Whether its result shares the memory of an argument.
        computes: False for the marks that ``torch.profiler`` leaves, and for higher-order
            operators, whose kernels come one by one.
        cuts: Whether its numbers say which part of a tensor it gives.
        adopts: Whether it gives a tensor memory that came from another process.
        draws: Whether it may draw random numbers.
        fills: Whether it fills its first argument with random numbers, whatever was there.
        unset: Whether its result is memory that others fill, NumPy for one.
    """

    __slots__ = (
        "adopts",
        "computes",
        "cuts",
        "draws",
        "fills",
        "mutated",
        "op",
        "run",
        "unset",
        "views",
    )

    def __init__(self, op: Any) -> None:
        self.op = op
        self.mutated: tuple[tuple[int, str], ...] = ()
        if not isinstance(op, torch._ops.OpOverload):  # a higher-order one: it runs others
            self.run, self.adopts, self.computes, self.views = op, False, False, False
            self.draws = self.fills = self.cuts = False
            return
        self.run = op._op
        self.adopts = str(op).startswith("aten.set_.source_Storage")
        self.unset = str(op).startswith(UNSET)
        self.cuts = str(op).startswith(_CUTS)
        self.draws = torch.Tag.nondeterministic_seeded in op.tags
        self.computes = op.namespace != "profiler" and not self.adopts
        self.views = any(
            result.alias_info is not None and not result.alias_info.is_write
            for result in op._schema.returns
        )
        self.mutated = tuple(
            (position, argument.name)
            for position, argument in enumerate(op._schema.arguments)
            if argument.alias_info is not None and argument.alias_info.is_write
        )
        self.fills = self.draws and [place for place, _ in self.mutated] == [0]


_ADOPTS = Operator(torch.ops.aten.set_.source_Tensor)


class KernelKey(NamedTuple):
    """What of a kernel is the same in each step.

    Attributes:
        operator: What was called.
        positional: Pattern of each argument given by position.
        keywords: Name and pattern of each argument given by name, None where there are none.
        results: Pattern of what it returned.
        site: The line of the program that asked for it.
        where: In backward, the node that ran it, -1 where that is not known; else how many nodes
            were made since the last backward.
        context: ``IN_BACKWARD``, ``IN_HOOK``, the call of a known optimizer as (phase, number),
            or None.
        module: Path of the innermost module that is running, and whether it is in training mode.
        grad_mode: Whether gradients were switched on.
    """

    operator: Operator
    positional: tuple[Any, ...]
    keywords: tuple[tuple[str, Any], ...] | None
    results: Any
    site: Site
    where: int
    context: Any
    module: tuple[str, bool | None]
    grad_mode: bool


class Target(NamedTuple):
    """A parameter or a ``.grad`` that a kernel may write to.

    Attributes:
        kind: ``"p"`` for the parameter, ``"g"`` for its ``.grad``.
        number: Index of the parameter.
        parameter: The parameter, weakly.
    """

    kind: str
    number: int
    parameter: weakref.ref[torch.Tensor]

    def is_at(self, address: int) -> bool:
        """Whether it still is there.

        Clearing with ``set_to_none`` frees its memory, and the next forward's tensors get it.
        """
        tensor = self.parameter()
        if tensor is not None and self.kind == "g":
            tensor = tensor.grad
        return tensor is not None and tensor.data_ptr() == address


class Draws:
    """States of random generators around the kernels that draw from them.

    A state of the CPU's generator is 5,056 bytes, so it is kept only where something else drew
    since the last kernel that was seen to draw.

    Attributes:
        found: The state that the last kernel found.
    """

    def __init__(self) -> None:
        self.found: bytes | None = None
        self._left: dict[int, tuple[bool, bytes]] = {}

    def before(self, args: tuple[Any, ...], kwargs: Any) -> bytes | None:
        """The state that a kernel finds; None where it is the one that the last one left.

        Where that one ran with another grad mode, the state is kept all the same: it may have
        been the last one of an evaluation, behind which a step begins.
        """
        generator = _generator(args, kwargs)
        state, known = _state(generator), self._left.get(id(generator))
        self.found = state
        return None if state is None or known == (_grad_mode(), state) else state

    def after(self, args: tuple[Any, ...], kwargs: Any) -> None:
        """Remember the state that a kernel left."""
        generator = _generator(args, kwargs)
        state = _state(generator)
        if state is not None:
            self._left[id(generator)] = _grad_mode(), state

    def forget(self) -> None:
        """The next kernel that draws begins another step, whose tape has to stand alone."""
        self._left.clear()


def _generator(args: tuple[Any, ...], kwargs: Any) -> torch.Generator:
    given = (*args, *(kwargs or {}).values())
    return next((one for one in given if isinstance(one, torch.Generator)), _DEFAULT)


def _state(generator: torch.Generator) -> bytes | None:
    """The state of a generator of the CPU."""
    if generator.device.type != "cpu":
        return None
    state = generator.get_state()
    return bytes_at(state.data_ptr(), state.nbytes)


class _Raised(NamedTuple):
    """A kernel that raised.

    Attributes:
        error: ``id`` of what it raised.
        key: Its key, as in the stream.
        sequence: The sequence number before it.
        slots: What it read.
        uses: The tensors of these.
    """

    error: int
    key: KernelKey
    sequence: int
    slots: list[Any]
    uses: list[TensorEntry]


class TapeMode(TorchDispatchMode):
    """Writes every kernel to the stream, and lets it run as it would have.

    Attributes:
        armed: False until the first kernel that makes an autograd node: what a program does
            before its first forward (loading data, drawing parameters) is no part of a step.
        on_armed: Called when it is armed, before that kernel runs.
        base_sequence: Sequence number that those in keys are relative to.
        in_backward: Whether the engine is running.
        node_index: Position of each node of the graph that the engine runs through.
        targets: Parameters and ``.grad`` by their address at the last backward.
        twins: Parameters by ``id`` that share their memory with others.
        context: (phase, number of the call) while a known optimizer updates or clears.
        loop: ``id`` of the frame whose loop is the training loop, and of its code; None while
            it is unknown. Both, as the next call of another function may get the frame's place.
        left: Whether a kernel was called outside of that frame since it was set.
        turns_at: Where the last backward was called in that frame: what runs before it again
            belongs to the next step. -1 where it has been seen, or is not known.
        backward_at: The same, also where it has been seen.
    """

    def __init__(
        self, stream: Stream, frames: UserFrames, on_failure: Callable[[Exception], None]
    ) -> None:
        super().__init__()
        self.armed = False
        self.on_armed: Callable[[], None] = _nothing
        self.base_sequence = _sequence_number()
        self.in_backward = False
        self.node_index: dict[Any, int] = {}
        self.targets: dict[int, Target] = {}
        self.twins: dict[int, Target] = {}
        self.context: tuple[str, int] | None = None
        self.loop: tuple[int, int] | None = None
        self.left = False
        self._modules = ModulePaths()
        self._raised: _Raised | None = None
        self._tail, self._sweep_at = 0, _SWEEP
        self._silent = False
        self._engine_frame: FrameType | None = None
        self._backward_frame: FrameType | None = None
        self._stream = stream
        self._known_frames = frames.known
        self._frames = frames
        self._on_failure = on_failure
        self._operators: dict[int, Operator] = {}
        self._draws = Draws()
        self._position = -1  # of the last kernel in the loop's frame
        self._within: tuple[int, int] | None = None  # ``id`` and position of what that frame called
        self._turned = False  # whether the loop has turned since a kernel drew
        self.turns_at = self.backward_at = -1

    # Without it, torch refuses to run a higher-order operator under this mode.
    supports_higher_order_operators = True

    @contextlib.contextmanager
    def silence(self) -> Iterator[None]:
        """Leave out the kernels of this block: they are the recorder's own."""
        armed, self.armed, self._silent = self.armed, False, True
        try:
            yield
        finally:
            self.armed, self._silent = armed, False

    def rebase(self) -> None:
        """Count sequence numbers from here, so that they are the same in every step."""
        self._draws.forget()
        self.base_sequence = _sequence_number()

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        # True would wrap each call in torch._dynamo.disable, nearly a microsecond a kernel.
        return False

    @classmethod
    def ignore_compile_internals(cls) -> bool:
        """Stay out of torch.compile's tracing: compiled regions run as they would have."""
        return True

    def __torch_dispatch__(  # noqa: C901, PLR0912, PLR0915  one function, see NOTE 1
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        """Run one kernel, and write down what it read and what it made."""
        sequence = _sequence_number()
        operator = self._operators.get(id(func))
        if operator is None:
            operator = self._operators[id(func)] = Operator(func)
        recorded = operator.computes
        if not self.armed or not recorded:
            if operator.adopts:  # a batch of a data loader's worker: it comes from outside
                self._stream.entries.pop(id(args[0]), None)
            recorded = recorded and not self._silent and sequence > self.base_sequence
            if recorded:
                self.armed = True
                self.on_armed()
        stream = self._stream
        slots, use = stream.slots, stream.use
        first_slot, first_use = len(slots), len(stream.uses)
        if recorded:
            try:
                if operator.fills:
                    stream.fill(args[0])
                pattern: list[Any] = []
                for argument in args:
                    kind = argument.__class__
                    if kind is _Tensor or kind is Parameter:
                        pattern.append(use(argument))
                    elif kind in _PLAIN_CONSTANTS:
                        # Where a batch begins, in many a loop.
                        if kind is int and (operator.cuts or stream.lean):
                            slots.append(argument)
                            argument = NUMBER  # noqa: PLW2901  its pattern takes its place
                        pattern.append(argument)
                    elif kind is float:
                        slots.append(argument)
                        pattern.append(NUMBER)
                    else:
                        pattern.append(stream.pattern(argument))
                keywords = (
                    tuple([(k, stream.pattern(v)) for k, v in kwargs.items()]) if kwargs else None
                )
                if operator.draws:
                    drawn_at = len(slots)
                    slots.append(self._draws.before(args, kwargs))
            except Exception as error:  # noqa: BLE001  what fails here must not fail the program
                self._on_failure(error)
                stream.undo(first_slot, first_use)
                recorded = False
        try:
            result = operator.run(*args, **kwargs) if kwargs else operator.run(*args)
        except BaseException as error:
            if recorded:
                read = (operator, tuple(pattern), keywords, _NO_RESULT)
                where = sequence - self.base_sequence
                key = KernelKey(*read, None, where, self.context, OUTSIDE, _grad_mode())
                self._put_aside(error, key, Mark(first_slot, first_use, sequence))
            leave_out_frames(error, __file__)
            raise
        if not recorded:
            return result
        try:
            if operator.draws:
                self._draws.after(args, kwargs)
            void = operator.mutated and not isinstance(result, _Tensor) and not result
            if void or (operator.mutated and not stream.lean):
                written = [_argument(m, args, kwargs) for m in operator.mutated]
                if not stream.lean:
                    stream.wrote(written)
            if void:
                results: Any = stream.make(written)
            else:
                results = stream.leave_unset(result) if operator.unset else stream.make(result)
            context: Any = IN_BACKWARD
            position, anew = -1, False
            module = OUTSIDE
            frame: FrameType | None = _get_frame(1)
            if self.in_backward:
                where = self.node_index.get(_current_node(), -1)
                if frame is self._engine_frame:
                    frame = self._backward_frame
                else:
                    module, hooked = self._inside_backward(frame)
                    context = IN_HOOK if hooked else IN_BACKWARD
                    frame = self._caller(frame)
            else:
                known = self._known_frames
                call = None
                while frame is not None:
                    code = frame.f_code
                    if code is MODULE_CALL and call is None:
                        call = frame
                    found = known.get(id(code))
                    if found or (found is None and self._frames.is_user(code)):
                        break
                    frame = frame.f_back
                where = sequence - self.base_sequence
                context = self.context
                position, anew, call = self._place(frame, call)
                if call is not None:
                    module = self._modules.path_of(call)
                if stream.lean and position < self.turns_at + anew:  # or the loop was left
                    self.turns_at = -1
                    stream.turn()  # what the last step made comes from outside from here on
                    if not operator.mutated:
                        state = slots[drawn_at] if operator.draws else None
                        stream.undo(first_slot, first_use)
                        pattern, keywords = self._read(args, kwargs)
                        if operator.draws:
                            drawn_at = len(slots)
                            slots.append(state)
                        results = stream.make(result)
                if operator.draws and self._turned:
                    slots[drawn_at], self._turned = self._draws.found, False
                if operator.mutated:
                    self._note_writes(operator, args, kwargs)
            site = (id(frame.f_code), frame.f_lasti) if frame is not None else None
            stream.keys.append(
                _new(
                    KernelKey,
                    (
                        operator,
                        tuple(pattern),
                        keywords,
                        results,
                        site,
                        where,
                        context,
                        module,
                        _grad_mode(),
                    ),
                )
            )
            turn = -1 if anew else position  # NOTE 3
            stream.marks.append(_new(Mark, (first_slot, first_use, sequence, turn)))
            if len(stream.keys) >= self._sweep_at and not self.in_backward:
                self.sweep()
        except Exception as error:  # noqa: BLE001  whatever fails here must not fail the program
            self._on_failure(error)
        return result

    def _place(
        self, frame: FrameType | None, call: FrameType | None
    ) -> tuple[int, bool, FrameType | None]:
        """Note where in the training loop the program is.

        Args:
            frame: Its innermost frame.
            call: The innermost call of a module, where it is further inside.

        Returns:
            The position in the loop's bytecode, -1 where it is not known; whether this is another
            turn at the same position (NOTE 3); and the innermost call of a module.
        """
        outer, loop, inside, within, position = frame, self.loop, False, None, -1
        while outer is not None and not inside:
            inside = loop is not None and (id(outer), id(outer.f_code)) == loop
            if inside:
                position = outer.f_lasti
            else:
                within = outer
                if call is None and outer.f_code is MODULE_CALL:
                    call = outer
            outer = outer.f_back
            if loop is None and call is not None:
                break
        self.left = self.left or not inside
        last, self._within = self._within, within and (id(within), within.f_lasti)
        anew = False
        if position == self.backward_at and position >= 0:
            anew = position < self._position
            if within is not None and last and position == self._position:
                anew = last[0] != id(within) or within.f_lasti < last[1]
        if position < self._position or anew:
            self._turned = True  # a step may begin here: its tape has to stand alone
        self._position = position
        return position, anew, call

    def arrive(self, frame: FrameType) -> tuple[int, bool]:
        """Note where the program is, before kernels that are not seen.

        Returns:
            The position in the loop's bytecode, and whether a new turn has begun there.
        """
        position, anew, _ = self._place(frame, None)
        return position, anew or 0 <= position < self.turns_at

    def adopt(self, parameter: torch.Tensor, source: torch.Tensor, frame: FrameType) -> None:
        """Write down that a parameter was given a tensor's memory: ``p.data = ...`` is no kernel.

        Args:
            parameter: The parameter, which has it by now.
            source: A tensor of that memory, of the same shape.
            frame: Where the program is.
        """
        if not self.armed or self.in_backward:
            return
        stream, sequence = self._stream, _sequence_number()
        mark = len(stream.slots), len(stream.uses), sequence
        entry = stream.entry_of(parameter)
        stream.uses.append(entry)
        stream.slots.append(None if stream.lean else entry.last)  # as it was before
        pattern = (TENSOR, stream.use(source))
        results = stream.make(parameter)
        self._note_writes(_ADOPTS, (parameter, source), None)
        user, where = self._frames.innermost(frame), sequence - self.base_sequence
        site = (id(user.f_code), user.f_lasti) if user is not None else None
        position, anew = self.arrive(frame)
        stream.keys.append(
            KernelKey(_ADOPTS, pattern, None, results, site, where, None, OUTSIDE, grad_mode=False)
        )
        stream.marks.append(Mark(*mark, -1 if anew else position))

    def _read(self, args: tuple[Any, ...], kwargs: Any) -> tuple[list[Any], Any]:
        """What a kernel of a lean step was given: its arguments, and those by name."""
        stream, pattern = self._stream, []
        for argument in args:
            if argument.__class__ is int:
                stream.slots.append(argument)
            pattern.append(NUMBER if argument.__class__ is int else stream.pattern(argument))
        named = tuple([(k, stream.pattern(v)) for k, v in kwargs.items()]) if kwargs else None
        return pattern, named

    def _put_aside(self, error: BaseException, key: KernelKey, mark: Mark) -> None:
        """Take back what a kernel read that raised: the program may catch that and go on."""
        stream = self._stream
        frame = _get_frame(2)
        call: FrameType | None = frame
        while call is not None and call.f_code is not MODULE_CALL:
            call = call.f_back
        found = self._frames.innermost(frame)
        site = (id(found.f_code), found.f_lasti) if found is not None else None
        module = self._modules.path_of(call) if call is not None else OUTSIDE
        slots, uses = stream.slots[mark.slot :], stream.uses[mark.use :]
        key = key._replace(site=site, module=module)
        self._raised = _Raised(id(error), key, mark.sequence, slots, uses)
        stream.undo(mark.slot, mark.use)

    def take_back_raised(self, error: BaseException) -> None:
        """Put the kernel that ended the program behind all others, without results."""
        raised, self._raised = self._raised, None
        if raised is None or raised.error != id(error) or self.in_backward:
            return
        stream = self._stream
        stream.keys.append(raised.key)
        stream.marks.append(Mark(len(stream.slots), len(stream.uses), raised.sequence))
        stream.slots += raised.slots
        stream.uses += raised.uses

    def _inside_backward(self, frame: FrameType | None) -> tuple[tuple[str, bool | None], bool]:
        """What Python runs while the engine does.

        Returns:
            The innermost module, as activation checkpointing calls it again; and whether all this
            is a hook, on a tensor or on what a node saved, rather than a node's own code.
        """
        outermost, call = None, None
        while frame is not None and frame.f_code is not _ENGINE:
            if call is None and frame.f_code is MODULE_CALL:
                call = frame
            if not frame.f_code.co_filename.endswith(_WRAPPERS):
                outermost = frame.f_code
            frame = frame.f_back
        module = OUTSIDE if call is None else self._modules.path_of(call)
        if outermost is None or outermost.co_name == _DISPATCH:
            return module, False  # a mode of the program, which hands on the engine's own kernels
        return module, outermost not in _NO_HOOKS

    def _caller(self, frame: FrameType | None) -> FrameType | None:
        """The program's frame that a kernel of the engine comes from, kept for the next ones."""
        found = self._frames.innermost(frame)
        if frame is not None and frame.f_code is _ENGINE and self._engine_frame is None:
            self._engine_frame, self._backward_frame = frame, found
        return found

    def begin_tail(self, event: int) -> None:
        """From this event on stands what runs between two backwards."""
        self._tail, self._sweep_at = event, event + _SWEEP

    def sweep(self) -> None:
        """Leave out what an evaluation ran since the last backward (see ``unused``)."""
        stream = self._stream
        if len(stream.keys) - self._tail > LONG and _own(stream, self._tail) > LONG:
            drop_unused(stream, self._tail)
        self._sweep_at = len(stream.keys) + max(_SWEEP, len(stream.keys) - self._tail)

    def end_backward(self) -> None:
        """The engine has run."""
        self.in_backward = False
        self.node_index = {}
        self._engine_frame = self._backward_frame = None

    def _note_writes(self, operator: Operator, args: tuple[Any, ...], kwargs: Any) -> None:
        event = len(self._stream.keys)
        for where in operator.mutated:
            argument = _argument(where, args, kwargs)
            several = isinstance(argument, (list, tuple))
            for item, tensor in enumerate(argument if several else (argument,)):
                if isinstance(tensor, _Tensor) and not is_opaque(tensor):
                    target = self.twins.get(id(tensor)) or self._target(tensor.data_ptr())
                    if target is None:
                        target = self._target(tensor.untyped_storage().data_ptr())
                    if target is not None:
                        write = Write(
                            event, target.kind, target.number, where[0], item if several else -1
                        )
                        self._stream.writes.append(write)

    def _target(self, address: int) -> Target | None:
        target = self.targets.get(address)
        return target if target is not None and target.is_at(address) else None


def switch_on(mode: TorchDispatchMode, *, below: bool = False) -> bool:
    """Enter the mode where no other mode is active; tell whether it was entered.

    Args:
        mode: The mode.
        below: Whether to enter it below all others, if there are any.
    """
    if _len_torch_dispatch_stack() and not below:
        return False
    others = [_pop_mode() for _ in range(_len_torch_dispatch_stack())]
    if all(other is not mode for other in others):
        mode.__enter__()
    for other in reversed(others):
        _push_mode(other)
    torch._C._len_torch_dispatch_stack = _modes_of_the_program
    return True


def switch_off(mode: TorchDispatchMode) -> None:
    """Leave the mode, and leave the program's own modes as they are."""
    above: list[TorchDispatchMode] = []
    while _len_torch_dispatch_stack():
        top = _pop_mode()
        if top is mode:
            _push_mode(mode)
            mode.__exit__(None, None, None)
            torch._C._len_torch_dispatch_stack = _len_torch_dispatch_stack
            break
        above.append(top)
    for other in reversed(above):
        _push_mode(other)


def _modes_of_the_program() -> int:
    """What torch tells a program that asks how many modes are active: ours is none of them."""
    active = range(_len_torch_dispatch_stack())
    return sum(not isinstance(_get_dispatch_stack_at(place), TapeMode) for place in active)


def _nothing() -> None:
    return None


def _own(stream: Stream, first: int) -> int:
    """How many kernels from an event on belong to no known optimizer: those of one all stay."""
    keys: Any = stream.keys[first:]
    return sum([key.context is None for key in keys])


def _argument(where: tuple[int, str], args: tuple[Any, ...], kwargs: Any) -> Any:
    position, name = where
    return args[position] if position < len(args) else (kwargs or {}).get(name)
