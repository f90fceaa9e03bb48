"""The arguments and values of a template: each ``ENC`` (see ``template``) with its slot."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

from autograd_lens.trace.records import Constant, Role, Source, TensorSpec, TensorUse
from autograd_lens.trace.schema import damaged
from autograd_lens.trace.typed import as_shape, as_source, at, text
from autograd_lens.trace.values import Entry, Value, as_value, differ

__all__ = ["Encodings", "Json", "without_identity"]

_ROLES = frozenset({"parameter", "gradient", "input", "state", "loss", "intermediate"})

Json = Mapping[str, Any]
Enc = Any  # what JSON gives: any of the forms that ``template`` lists
Decoded = TensorUse | Constant | Value | tuple[Any, ...] | None


class Encodings:
    """Decodes the encoded arguments of one step.

    Args:
        template: The structure.
        slots: What it refers to by position.
    """

    def __init__(self, template: Json, slots: Sequence[Entry]) -> None:
        self._slots = slots
        self._specs = [
            (text(dtype), as_shape(sizes), text(device))
            for dtype, sizes, device in template["specs"]
        ]
        self._sources = [as_source(source) for source in template["sources"]]
        self._tensors = [self._tensor(*tensor) for tensor in template["tensors"]]
        self._forms: dict[str, Callable[..., Decoded]] = {
            "t": self._tensor_use,
            "v": self._plain_value,
            "c": self._number,
            "k": _constant,
            "l": lambda parts: tuple(map(self.decode, parts)),
        }

    @property
    def tensors(self) -> int:
        """How many tensors the step has."""
        return len(self._tensors)

    def _tensor(self, spec: int, role: str, name: str) -> TensorSpec:
        dtype, shape, device = at(self._specs, spec)
        if role not in _ROLES:
            damaged(f"{role!r} is no role of a tensor")
        return TensorSpec(text(name), shape, dtype, device, cast("Role", role))

    def decode(self, enc: Enc) -> Decoded:
        """What an encoded argument stands for."""
        if enc is None:
            return None
        form, *rest = enc
        if form not in self._forms:
            damaged(f"{form!r} is no sort of argument")
        return self._forms[form](*rest)

    def _tensor_use(self, tensor: int, slot: int) -> TensorUse:
        spec = at(self._tensors, tensor)
        return TensorUse(tensor, spec, as_value(at(self._slots, slot), spec.dtype, spec.shape))

    def _plain_value(self, spec: int, slot: int) -> Value | None:
        dtype, shape, _ = at(self._specs, spec)
        return as_value(at(self._slots, slot), dtype, shape)

    def _number(self, slot: int) -> Constant:
        number = at(self._slots, slot)
        if isinstance(number, bytes) or not isinstance(number, bool | int | float | complex | None):
            damaged("a tensor stands where a number is expected")
        return Constant("scalar", number)

    def value(self, enc: Enc) -> Value | None:
        """The value of a tensor, with or without identity."""
        decoded = self.decode(enc)
        if isinstance(decoded, TensorUse):
            return decoded.value
        if decoded is None or isinstance(decoded, Value):
            return decoded
        return damaged("something else stands where a tensor's value is expected")

    def values(self, encs: Sequence[Enc]) -> tuple[Value | None, ...]:
        """The values of several tensors."""
        return tuple(map(self.value, encs))

    def use(self, enc: Enc) -> TensorUse | Constant | tuple[TensorUse | Constant, ...]:
        """An argument: what has no identity of its own gets tensor id -1."""
        if enc is None:
            return Constant("scalar", None)
        if enc[0] == "l":
            return tuple(cast("TensorUse | Constant", self.use(part)) for part in enc[1])
        if enc[0] == "v":
            dtype, shape, device = at(self._specs, enc[1])
            spec = TensorSpec("", shape, dtype, device, "intermediate")
            return TensorUse(-1, spec, self._plain_value(enc[1], enc[2]))
        return cast("TensorUse | Constant", self.decode(enc))

    def output(self, enc: Enc) -> TensorUse:
        """A kernel's result."""
        use = self.use(enc)
        return use if isinstance(use, TensorUse) else damaged("a kernel returns no tensor")

    def differs(self, enc: Enc, made: int) -> bool:
        """Whether a tensor's value differs from that in the slot ``made``."""
        now = at(self._slots, enc[-1]) if enc and enc[0] in ("t", "v") else None
        return differ(at(self._slots, made), now)

    def source(self, position: int | None) -> Source | None:
        """The line at a position of ``sources``."""
        return None if position is None else at(self._sources, position)


def _constant(kind: str, value: Enc) -> Constant:
    if kind == "complex":
        real, imaginary = value
        return Constant("scalar", complex(real, imaginary))
    if value is not None and not isinstance(value, bool | int | float | str):
        damaged("a constant is neither number nor text")
    return Constant(text(kind), value)


def without_identity(decoded: Decoded) -> Value | Constant | tuple[Any, ...] | None:
    """A saved tensor's content: values and constants only."""
    if isinstance(decoded, TensorUse):
        return decoded.value
    if isinstance(decoded, tuple):
        return tuple(map(without_identity, decoded))
    return decoded
