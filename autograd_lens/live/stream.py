"""The stream of events while a step is recorded in full.

NOTE 1 [Structure and values apart]: the steps of a loop run the same kernels again and again.
So every event goes to two places: what is the same each time (operator, pattern of
arguments, source position, node) to ``keys``, what differs (bytes, numbers) to ``slots``,
and the tensors' identities to ``uses``. A step whose keys are known costs no more than its
slots; only the first step of each structure is written out as a template.

NOTE 2 [Identity without keeping alive]: a tensor is known by ``id()``, which is only safe
while it lives. Each entry therefore holds a weak reference, and an entry whose reference
points elsewhere is replaced. Nothing here keeps a tensor, a node or a frame alive.

NOTE 3 [Memory that is looked at again]: most tensors are read several times. The first time
makes a view of their memory that later reads copy from, as long as the tensor is contiguous
and has the same address and size. What is in the memory is read every time: ``.data``, NumPy
and other threads change it without a word. Only two kinds of large tensors are read once as long
as torch's count of their changes stays, and no kernel has written to their memory under another
name: one from outside, as the whole data set is of which every step takes a few rows, between two
backwards, as long as some of its bytes stay, too; and one that a kernel has made since the last
backward.

NOTE 4 [Lean]: what a kernel computed follows from what it read. While the stream is lean, it
therefore reads only what comes from outside: tensors that no kernel has made since the last
backward, and numbers. Parameters and ``.grad`` are known from the light rows beside it, and
large optimizer state is what the update of the step before made of it.
"""

from __future__ import annotations

import contextlib
import ctypes
import weakref
from collections import Counter
from collections.abc import Hashable
from typing import Any, NamedTuple

import torch
import xxhash
from torch.nn import Parameter
from torch.nn.parameter import UninitializedBuffer, UninitializedParameter

from autograd_lens.live.reading import (
    SMALL,
    RawValue,
    bytes_at,
    content_digest,
    is_opaque,
    read,
)
from autograd_lens.trace.records import Role
from autograd_lens.trace.values import Summary

__all__ = ["NUMBER", "TENSOR", "Mark", "Opaque", "Spec", "Stream", "TensorEntry", "Write"]

# dtype, shape and device as torch has them, the device None on the CPU: made for every tensor.
Spec = tuple[torch.dtype, torch.Size, torch.device | None]


# Turn of the stream, torch's count of changes, address, and our count of writes to that memory.
Moment = tuple[int, int, int, int]


class Mark(NamedTuple):
    """Where the values of one event begin, and what is known of its moment.

    Attributes:
        slot: Position of its first slot.
        use: Position of its first use.
        sequence: The sequence number that the next node gets, in a kernel's event; the one that
            others are relative to, where a backward begins.
        turn: Position in the bytecode of the training loop, -1 where it is not known.
    """

    slot: int
    use: int
    sequence: int = 0
    turn: int = -1


class Write(NamedTuple):
    """A kernel outside of backward wrote a parameter or a ``.grad``.

    Attributes:
        event: Position of the kernel's event.
        kind: ``"p"`` for the parameter, ``"g"`` for its ``.grad``.
        parameter: Index of the parameter.
        argument: Position of the argument that was written.
        item: Position in that argument where it is a list, else -1.
    """

    event: int
    kind: str
    parameter: int
    argument: int
    item: int


class _Marker:
    """Stands in a pattern for an argument that differs from step to step."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return self.name


TENSOR = _Marker("TENSOR")
NUMBER = _Marker("NUMBER")

_PLAIN_TYPES = frozenset({torch.Tensor, Parameter})
_COUNTS = frozenset({int, bool})
_CONSTANT_TYPES = frozenset({int, bool, type(None), str, torch.dtype, torch.device})
_STRIDED = torch.strided
_UNINITIALISED = (UninitializedBuffer, UninitializedParameter)
_COMPLEX = frozenset({torch.complex32, torch.complex64, torch.complex128})
_IN_ROWS = frozenset({"parameter", "gradient"})
_FOLLOWING = _IN_ROWS | {"state"}
_OUTSIDE = 8  # times the limit of others may a value have that nothing makes again
_SAMPLED = 256  # bytes of a large value that are looked at each time
_REMEMBER = 65536  # bytes; larger values are compared by the writer's digest instead


class TensorEntry:
    """One tensor of the stream.

    Attributes:
        reference: The tensor, weakly.
        spec: (dtype, shape, device).
        last: The bytes last read, so that an unchanged value is one object.
        layout: How it holds its elements, ``""`` for strided; the name of its class where that
            class answers for it.
        strides: Its strides, in elements.
        plain: Whether its memory can be read directly while it stays contiguous on the CPU.
        home: Where its memory was when it was last read directly, and ``size`` its bytes.
        moment: When a large value was read last that is not read every time.
        digest: That of a large value from outside as it was read last; ``b""`` of any other.
        sample: Some bytes of it then: NumPy may fill it anew, which torch does not count.
        memory: That memory; only looked at while the tensor says that it still is its own.
        address: Where its memory was when it was first met outside of backward, else 0.
        made: The turn of the stream in which a kernel made it, -1 where none did.
        unset: The turn in which a kernel made it without filling it, else -1.
        alias: The tensor that a node has saved and that this one gives back, where it is one.
        name: What the program calls it, once known.
        role: What it is, once known.
        retains: Whether the program asked for its gradient.
    """

    __slots__ = (
        "address",
        "alias",
        "digest",
        "home",
        "last",
        "layout",
        "made",
        "memory",
        "moment",
        "name",
        "plain",
        "reference",
        "retains",
        "role",
        "sample",
        "size",
        "spec",
        "strides",
        "unset",
    )

    memory: ctypes.Array[ctypes.c_char]

    def __init__(self, tensor: torch.Tensor) -> None:
        self.reference = weakref.ref(tensor)
        self.last: RawValue = None
        self.home = self.size = -1
        self.address = 0
        self.moment: Moment | None = None
        self.sample = b""
        self.digest = b""
        self.made = self.unset = -1
        self.alias: TensorEntry | None = None
        self.retains = False
        self.name = ""
        self.role: Role = "intermediate"
        dtype = tensor.dtype
        self.plain = (
            tensor.__class__ in _PLAIN_TYPES
            and tensor.is_cpu
            and tensor.layout is _STRIDED
            and dtype not in _COMPLEX
            and not tensor.is_nested
        )
        self.layout = ""
        if self.plain:
            self.spec: Spec = (dtype, tensor.shape, None)
            self.strides = tensor.stride()
        else:
            self.layout = _layout(tensor)
            self.spec = (dtype, _shape(tensor), None if tensor.is_cpu else tensor.device)
            self.strides = _strides(tensor)


def _layout(tensor: torch.Tensor) -> str:
    if is_opaque(tensor):
        return "nested" if type(tensor) in _PLAIN_TYPES else type(tensor).__name__
    return "" if tensor.layout is _STRIDED else str(tensor.layout).removeprefix("torch.")


def _shape(tensor: torch.Tensor) -> torch.Size:
    """Its sizes; 0 for one that is no number, as that of a nested tensor's ragged dimension."""
    try:
        sizes: Any = tensor.shape
        return torch.Size([size if isinstance(size, int) else 0 for size in sizes])
    except RuntimeError:  # a parameter of a lazy module, before its first forward
        return torch.Size((0,))


def _strides(tensor: torch.Tensor) -> tuple[int, ...]:
    try:
        strides = tensor.stride() if tensor.layout is _STRIDED else ()
        return strides if all(one.__class__ is int for one in strides) else ()
    except (RuntimeError, ValueError):  # a parameter of a lazy module, before its first forward
        return ()


def _sample(address: int, size: int) -> bytes:
    """Some bytes out of a stretch of memory, at equal distances."""
    whole = memoryview((ctypes.c_char * size).from_address(address)).cast("B")
    return bytes(whole[:: max(1, size // _SAMPLED)])


def _is_one_number(tensor: torch.Tensor, limit: int) -> bool:
    """Whether one number is expanded, as in the gradient of every mean and sum."""
    return (
        not any(tensor.stride())
        and 0 < tensor.nbytes <= limit
        and tensor.is_cpu
        and not tensor.is_neg()
        and tensor.data_ptr() != 0  # as zeros without memory have
    )


class Stream:
    """Collects events until steps are cut from it.

    Args:
        value_limit: Bytes of one value that are kept whole.
        step_limit: Bytes of large values that one step keeps whole.
        outside_limit: The same of a value that nothing makes again; by default more.
        shared: Whether a step's large values are looked for among those before.

    Attributes:
        keys: What is the same each time, one hashable per event.
        marks: Where the values of each event begin.
        slots: Values in the order they were met.
        uses: Tensors in the order they were met.
        entries: Entry by ``id`` of the tensor.
        by_address: Entry by address, for tensors that a node may have saved.
        saved: The tensors that nodes have saved, by address, while the engine runs; None
            while it does not.
        writes: Kernels outside of backward that wrote a parameter or a ``.grad``.
        lean: Whether only what comes from outside is read (NOTE 4).
        state_follows: Whether large optimizer state is what an earlier step has left.
        step_limit: Bytes of large values that one step keeps whole.
    """

    def __init__(
        self,
        value_limit: int,
        step_limit: int,
        *,
        shared: bool = False,
        outside_limit: int | None = None,
    ) -> None:
        self.keys: list[Hashable] = []
        self.marks: list[Mark] = []
        self.slots: list[object] = []
        self.uses: list[TensorEntry] = []
        self.writes: list[Write] = []
        self.entries: dict[int, TensorEntry] = {}
        self.by_address: dict[int, TensorEntry] = {}
        self.saved: dict[int, TensorEntry] | None = None
        self.lean = False
        self.state_follows = True
        self.step_limit = step_limit
        self._turn = 0  # how many backwards have ended
        self._value_limit = value_limit
        self._outside_limit = outside_limit or _OUTSIDE * value_limit
        self._step_bytes = 0
        # Large values of this step by digest, so that each content is there once.
        self._large: dict[bytes, bytes] | None = {} if shared else None
        self._summaries: dict[str, Summary] = {}  # of this step: many tensors share one content
        self._writes = Counter[int]()  # of kernels of this turn, by address of the memory
        self._sweep_at = 256
        self._kinds: dict[int, type[ctypes.Array[ctypes.c_char]]] = {}

    # -- values -----------------------------------------------------------------------

    def use(self, tensor: torch.Tensor) -> Hashable:
        """Note that a tensor is read or written now, with its value; returns its pattern."""
        entry = self.entries.get(id(tensor))
        if entry is None or entry.reference() is not tensor:
            entry = self.register(tensor)
        self.uses.append(entry)
        if self.lean and (entry.made == self._turn or self._is_carried(entry, tensor)):
            self.slots.append(None)
            return TENSOR
        if entry.plain and tensor.is_contiguous():
            home, size = tensor.data_ptr(), tensor.nbytes
            if home != entry.home or size != entry.size:  # NOTE 3
                if tensor.shape != entry.spec[1] or tensor.dtype != entry.spec[0]:
                    entry = self.uses[-1] = self._become(tensor, entry)
                if size > SMALL or not home or not tensor.is_cpu:
                    self.slots.append(self._read_large(tensor, entry))
                    return TENSOR
                self._settle(entry, home, size)
            value: RawValue = entry.memory.raw
            if value == entry.last:
                value = entry.last
            else:
                entry.last = value
            self.slots.append(value)
        else:
            self.slots.append(self._read_large(tensor, entry))
        return TENSOR

    def _become(self, tensor: torch.Tensor, entry: TensorEntry) -> TensorEntry:
        """The entry of a tensor that was given other sizes or another dtype in place."""
        made = entry.made
        entry = self.register(tensor)
        entry.made = made
        return entry

    def _is_carried(self, entry: TensorEntry, tensor: torch.Tensor) -> bool:
        if entry.role == "state" and tensor.numel() * tensor.element_size() > SMALL:
            return self.state_follows
        return entry.role in _IN_ROWS and tensor.dtype is entry.spec[0]

    def make(self, result: object) -> Hashable:
        """Note what a kernel returned; returns its pattern."""
        if isinstance(result, torch.Tensor):
            entry = self.entries.get(id(result))
            if entry is None or entry.reference() is not result:
                self.register(result).made = self._turn
            else:
                entry.moment = None  # torch counts the change only when the kernel has ended
            return self.use(result)
        if isinstance(result, (list, tuple)):
            return (result.__class__, *[self.make(item) for item in result])
        if result.__class__ in _COUNTS:  # where a batch begins, drawn and read as a number
            self.slots.append(result)
            return NUMBER
        return self.pattern(result)

    def leave_unset(self, result: object) -> Hashable:
        """Note memory that a kernel returned without filling it; returns its pattern."""
        if not isinstance(result, torch.Tensor):
            return self.pattern(result)
        entry = self.entry_of(result)
        entry.made = self._turn  # what is there now comes from nowhere
        pattern = self.use(result)
        entry.made, entry.unset, entry.moment = -1, self._turn, None
        return pattern

    def fill(self, tensor: object) -> None:
        """Memory that was just left unset is filled by a kernel: nobody else has filled it."""
        entry = self.entries.get(id(tensor))
        if entry is not None and entry.unset == self._turn:
            entry.made = self._turn

    def _settle(self, entry: TensorEntry, home: int, size: int) -> None:
        kind = self._kinds.get(size)
        if kind is None:
            kind = self._kinds[size] = ctypes.c_char * size
        entry.home, entry.size, entry.memory = home, size, kind.from_address(home)

    def register(self, tensor: torch.Tensor) -> TensorEntry:
        """Give a tensor an entry."""
        entry = TensorEntry(tensor)
        if not entry.plain and isinstance(tensor, _UNINITIALISED):
            return entry  # its shape is not known before the module's first forward
        self.entries[id(tensor)] = entry
        if not entry.plain:
            return entry
        if self.saved is None:
            entry.address = tensor.data_ptr()
            self.by_address[entry.address] = entry
        else:
            there = self.saved.get(tensor.data_ptr())
            if there is not None and there.spec == entry.spec:
                entry.alias = there
        return entry

    def entry_of(self, tensor: torch.Tensor) -> TensorEntry:
        """The entry of a tensor, made where it has none."""
        entry = self.entries.get(id(tensor))
        if entry is None or entry.reference() is not tensor:
            entry = self.register(tensor)
        return entry

    def meet(self, tensor: torch.Tensor) -> None:
        """Note that a tensor plays a part now, without its value."""
        self.uses.append(self.entry_of(tensor))

    def use_alias(self, entry: TensorEntry, alias: torch.Tensor) -> None:
        """Note a use of a tensor, with the value that another one of its memory has."""
        self.uses.append(entry)
        # A sparse tensor has no memory of its own, and no address to ask for.
        known = entry.plain and entry.home == alias.data_ptr() and entry.size == alias.nbytes
        if self.lean:
            self.slots.append(None)
            return
        if not known or not alias.is_contiguous():
            stands = self._as_read(entry, alias)
            same = stands is not None and alias.stride() == entry.strides
            self.slots.append(stands if same else self._read_large(alias, None))
            return
        value: RawValue = entry.memory.raw
        self.slots.append(entry.last if value == entry.last else value)

    def _read_outside(self, tensor: torch.Tensor, entry: TensorEntry) -> RawValue:
        """A large value that no kernel makes again, read once between two backwards (NOTE 3)."""
        moment = self._moment(tensor)
        there = tensor.is_contiguous() and tensor.data_ptr()
        sample = _sample(there, tensor.nbytes) if there else b""
        if entry.moment != moment or entry.sample != sample:
            # Where it is as it was, it stays one object: then it is stored and counted once.
            digest = content_digest(tensor) if there else b""
            if not digest or digest != entry.digest:
                value = read(tensor, self._outside_limit, known=self._summaries)
                entry.last = entry.last if value == entry.last else value
                entry.digest = digest
            entry.moment, entry.sample = moment, sample
        return entry.last

    def _moment(self, tensor: torch.Tensor) -> Moment:
        memory = tensor.untyped_storage().data_ptr()
        return self._turn, tensor._version, tensor.data_ptr(), self._writes[memory]

    def _as_read(self, entry: TensorEntry | None, tensor: torch.Tensor) -> Summary | None:
        """What was read last of a large tensor that a kernel made, where it stands (NOTE 3)."""
        if entry is None or entry.made != self._turn or entry.moment is None:
            return None
        last = entry.last
        return last if isinstance(last, Summary) and entry.moment == self._moment(tensor) else None

    def wrote(self, argument: object) -> None:
        """A kernel wrote to an argument: what shares its memory has to be read again."""
        for one in argument if isinstance(argument, (list, tuple)) else (argument,):
            if one.__class__ in _PLAIN_TYPES and one.layout is _STRIDED:
                self._writes[one.untyped_storage().data_ptr()] += 1

    def _read_large(self, tensor: torch.Tensor, entry: TensorEntry | None) -> RawValue:
        if (stands := self._as_read(entry, tensor)) is not None:
            return stands
        outside = entry is not None and self._is_outside(entry)
        if outside and entry is not None and entry.plain and tensor.nbytes > _REMEMBER:
            with contextlib.suppress(RuntimeError):  # made in inference mode: it has no version
                return self._read_outside(tensor, entry)
        size = tensor.numel() * tensor.element_size()  # a sparse one has no nbytes
        room = outside or self._step_bytes + size <= self.step_limit
        limit = self._value_limit if room else SMALL
        if entry is not None and entry.plain and _is_one_number(tensor, limit):
            value: RawValue = bytes_at(tensor.data_ptr(), tensor.element_size()) * tensor.numel()
        else:
            value = read(tensor, limit, known=self._summaries)
        if type(value) is Summary:
            self._remember(tensor, entry, value)
        if isinstance(value, bytes):
            if self._large is not None and len(value) > _REMEMBER:
                digest = xxhash.xxh3_128_digest(value)
                if digest in self._large:
                    return self._large[digest]
                self._large[digest] = value
            self._step_bytes += 0 if outside else len(value)
            if entry is not None and len(value) <= _REMEMBER:
                if value == entry.last:
                    return entry.last
                entry.last = value
        return value

    def _remember(self, tensor: torch.Tensor, entry: TensorEntry | None, value: Summary) -> None:
        if entry is not None and entry.plain and entry.made == self._turn:
            with contextlib.suppress(RuntimeError):  # made in inference mode: it has no version
                entry.last, entry.moment, entry.digest = value, self._moment(tensor), b""

    def _is_outside(self, entry: TensorEntry) -> bool:
        """Whether a value comes from outside: no kernel makes it again."""
        return self.saved is None and entry.made != self._turn and entry.role not in _FOLLOWING

    # -- arguments that are no plain tensor ---------------------------------------------

    def pattern(self, argument: Any) -> Hashable:
        """The pattern of one argument or result; tensors and numbers go to the slots."""
        kind = argument.__class__
        if kind in _PLAIN_TYPES or isinstance(argument, torch.Tensor):
            return self.use(argument)
        if kind is float or kind is complex:
            self.slots.append(argument)
            return NUMBER
        if kind in _CONSTANT_TYPES:
            return argument  # type: ignore[no-any-return]
        if kind is tuple and _CONSTANT_TYPES.issuperset(map(type, argument)):
            return (tuple, *argument)  # sizes and strides, for the most part
        if kind is list or kind is tuple or isinstance(argument, (list, tuple)):
            return (kind, *[self.pattern(item) for item in argument])
        return Opaque.of(argument)

    # -- steps --------------------------------------------------------------------------

    def undo(self, first_slot: int, first_use: int) -> None:
        """Take back the slots and uses of an event that did not happen: its kernel raised."""
        del self.slots[first_slot:]
        del self.uses[first_use:]

    def turn(self) -> None:
        """A backward has ended: what was made so far comes from outside to what follows."""
        self._turn += 1
        self._writes.clear()

    def drop_before(self, event: int) -> None:
        """Forget all events before a position; those behind it move to the front."""
        if event <= 0:
            return
        if event >= len(self.keys):
            for part in (self.keys, self.marks, self.slots, self.uses, self.writes):
                part.clear()
        else:
            slot, use = self.marks[event][:2]
            del self.keys[:event], self.slots[:slot], self.uses[:use]
            self.marks = [
                Mark(at - slot, uses - use, sequence, turn)
                for at, uses, sequence, turn in self.marks[event:]
            ]
            self.writes = [
                write._replace(event=write.event - event)
                for write in self.writes
                if write.event >= event
            ]
        self._step_bytes = 0
        self._summaries.clear()
        if self._large:
            self._large.clear()
        if len(self.entries) > self._sweep_at:
            self._sweep()

    def _sweep(self) -> None:
        alive = {key: e for key, e in self.entries.items() if e.reference() is not None}
        self.entries = alive
        self.by_address = {k: e for k, e in self.by_address.items() if e.reference() is not None}
        self._sweep_at = 256 + 2 * len(alive)


class Opaque(str):
    """The written form of an argument that is neither tensor nor plain constant."""

    __slots__ = ()

    @classmethod
    def of(cls, argument: object) -> Opaque:
        """Name the argument: its torch name where it has one, else its type."""
        if isinstance(argument, (torch.layout, torch.memory_format)):
            return cls(f"{type(argument).__name__}:{str(argument).removeprefix('torch.')}")
        if isinstance(argument, torch.Generator):
            return cls(f"generator:{argument.device}")
        if isinstance(argument, torch.ScriptObject) and "ProcessGroup" in str(argument._type()):
            return cls(f"group:{_ranks(argument)}")
        return cls(f"opaque:{type(argument).__module__}.{type(argument).__qualname__}")


def _ranks(group: torch.ScriptObject) -> str:
    """The processes of a group of torch.distributed, by their numbers."""
    from torch import distributed  # noqa: PLC0415  only programs that have it loaded come here

    members = distributed.get_process_group_ranks(distributed.ProcessGroup.unbox(group))
    return f"ranks {', '.join(map(str, members))}"
