"""The dispatch mode that every kernel of a fully recorded step passes through."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

import torch
from torch.nn import Parameter
from torch.utils._python_dispatch import TorchDispatchMode

from autograd_lens.capture.frames import UserFrames
from autograd_lens.capture.stream import NUMBER, TENSOR, Stream, Write

__all__ = ["TapeMode"]

_sequence_number = torch._C._autograd._get_sequence_nr  # noqa: SLF001  no public name
_current_node = torch._C._current_autograd_node  # noqa: SLF001  no public name
_Tensor = torch.Tensor
_NO_KERNEL = ((-1, ""),)  # stands for the marks that torch.profiler leaves, which compute nothing
_PLAIN_CONSTANTS = frozenset({int, bool, type(None)})


class TapeMode(TorchDispatchMode):
    """Writes every kernel to the stream, and lets it run as it would have.

    Attributes:
        armed: False until the first kernel that makes an autograd node: what a program does
            before its first forward (loading data, drawing parameters) is no part of a step.
        in_backward: Whether the engine is running.
        node_index: Position of each node of the graph that the engine runs through.
        targets: ("p" or "g", parameter index) by the address of parameters and ``.grad``.
        module: Path of the innermost module that is running.
        context: ``"update"`` or ``"zero_grad"`` while a known optimizer is doing that.
        loop_frame: ``id`` of the frame whose loop is the training loop, 0 while unknown.
    """

    def __init__(
        self, stream: Stream, frames: UserFrames, on_failure: Callable[[Exception], None]
    ) -> None:
        super().__init__()
        self.armed = False
        self.base_sequence = _sequence_number()
        self.in_backward = False
        self.node_index: dict[Any, int] = {}
        self.targets: dict[int, tuple[str, int]] = {}
        self.module = ""
        self.context: tuple[str, int] | None = None
        self.loop_frame = 0
        self._stream = stream
        self._known_frames = frames.known
        self._frames = frames
        self._on_failure = on_failure
        self._mutated: dict[Any, tuple[tuple[int, str], ...]] = {}

    def rebase(self) -> None:
        """Count sequence numbers from here, so that they are the same in every step."""
        self.base_sequence = _sequence_number()

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        # True would wrap each call in torch._dynamo.disable, nearly a microsecond a kernel.
        return False

    @classmethod
    def ignore_compile_internals(cls) -> bool:
        """Stay out of torch.compile's tracing: compiled regions run as they would have."""
        return True

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        sequence = _sequence_number()
        mutated = self._mutated.get(func)
        if mutated is None:
            mutated = self._mutated[func] = _mutated_arguments(func)
        if not self.armed or mutated is _NO_KERNEL:
            if sequence <= self.base_sequence or mutated is _NO_KERNEL:
                return func(*args, **kwargs) if kwargs else func(*args)
            self.armed = True
        stream = self._stream
        first_slot = stream.dropped[1] + len(stream.slots)
        first_use = stream.dropped[2] + len(stream.uses)
        try:
            pattern, keywords = self._inputs(args, kwargs)
        except Exception as error:  # noqa: BLE001  whatever fails here must not fail the program
            self._on_failure(error)
            return func(*args, **kwargs) if kwargs else func(*args)
        try:
            result = func(*args, **kwargs) if kwargs else func(*args)
        except BaseException:
            stream.undo(first_slot, first_use)
            raise
        try:
            if result.__class__ is _Tensor:
                stream.use(result)
                results: Any = TENSOR
            elif mutated and (result is None or result == () or result == []):
                results = stream.pattern([_argument(p, args, kwargs) for p in mutated])
            else:
                results = stream.pattern(result)
            frame, loop = self._locate(sys._getframe(1))  # noqa: SLF001  the documented way
            site = (frame.f_code, frame.f_lasti) if frame is not None else None
            where: Any
            if self.in_backward:
                where = self.node_index.get(_current_node(), -1)
            else:
                where = (sequence - self.base_sequence, self.context)
                if mutated:
                    self._note_writes(mutated, args, kwargs)
            stream.keys.append((func, pattern, keywords, results, site, where, self.module))
            stream.marks.append((first_slot, first_use, sequence, loop))
        except Exception as error:  # noqa: BLE001  whatever fails here must not fail the program
            self._on_failure(error)
        return result

    def _inputs(self, args: tuple[Any, ...], kwargs: Any) -> tuple[Any, Any]:
        stream = self._stream
        use, slots = stream.use, stream.slots
        pattern = []
        for argument in args:
            kind = argument.__class__
            if kind is _Tensor or kind is Parameter:
                use(argument)
                pattern.append(TENSOR)
            elif kind in _PLAIN_CONSTANTS:
                pattern.append(argument)
            elif kind is float:
                slots.append(argument)
                pattern.append(NUMBER)
            else:
                pattern.append(stream.pattern(argument))
        if not kwargs:
            return tuple(pattern), None
        return tuple(pattern), tuple([(k, stream.pattern(v)) for k, v in kwargs.items()])

    def _locate(self, frame: FrameType | None) -> tuple[FrameType | None, int]:
        """The program's innermost frame, and the position in the training loop's frame."""
        known = self._known_frames
        while frame is not None:
            code = frame.f_code
            if known.get(code) or (code not in known and self._frames.is_user(code)):
                break
            frame = frame.f_back
        loop, outer = self.loop_frame, frame
        if loop:
            while outer is not None and id(outer) != loop:
                outer = outer.f_back
            return frame, outer.f_lasti if outer is not None else -1
        return frame, -1

    def _note_writes(
        self, mutated: tuple[tuple[int, str], ...], args: tuple[Any, ...], kwargs: Any
    ) -> None:
        event = self._stream.position
        for where in mutated:
            argument = _argument(where, args, kwargs)
            several = isinstance(argument, (list, tuple))
            for item, tensor in enumerate(argument if several else (argument,)):
                if isinstance(tensor, _Tensor):
                    target = self.targets.get(tensor.data_ptr()) or self._target_of_view(tensor)
                    if target is not None:
                        write = Write(event, *target, where[0], item if several else -1)
                        self._stream.writes.append(write)

    def _target_of_view(self, tensor: torch.Tensor) -> tuple[str, int] | None:
        return self.targets.get(tensor.untyped_storage().data_ptr())


def _mutated_arguments(func: Any) -> tuple[tuple[int, str], ...]:
    """Position and name of each argument that an operator writes to."""
    if func.namespace == "profiler":
        return _NO_KERNEL
    arguments = func._schema.arguments  # noqa: SLF001  torch's own tools read it like this
    return tuple(
        (position, argument.name)
        for position, argument in enumerate(arguments)
        if argument.alias_info is not None and argument.alias_info.is_write
    )


def _argument(where: tuple[int, str], args: tuple[Any, ...], kwargs: Any) -> Any:
    position, name = where
    return args[position] if position < len(args) else (kwargs or {}).get(name)
