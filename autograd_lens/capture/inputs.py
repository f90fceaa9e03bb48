"""What a light step's forward reads from outside: batches, labels, and the random state.

NOTE 1 [Only when it is needed]: a program that trains on the same tensors in every step needs
nothing here: the nearest full step holds them. Whether inputs change is seen by comparing
what two full steps read, and only then are the program's module calls and data loaders
observed. The random state is compared after each backward, and less often where it has not
changed for a while.

NOTE 2 [What a loader does]: a data loader may put a batch together in a worker's process, where
nothing sees how, or here. Nothing looks here either: what a step reads is the batch.
"""

from __future__ import annotations

import functools
import weakref
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.utils.data import dataloader

from autograd_lens.capture.modules import ModuleCalls
from autograd_lens.live import doors
from autograd_lens.live.guard import Guard
from autograd_lens.live.reading import RawValue, bytes_at, read
from autograd_lens.trace.budget import Budget, Level

__all__ = ["InputObserver", "RandomState", "generator_state"]

_functorch_level = doors.functorch_level

_EAGER = 64
_SELDOM = 16
_MAX_DEPTH = 4


class RandomState:
    """Notices which steps drew random numbers, and with which state they began."""

    def __init__(self) -> None:
        self._last = generator_state()
        self._unchanged = 0

    def before_step(self) -> bytes | None:
        """Call after each backward: the state at the last call, where it was used since."""
        unchanged = self._unchanged = self._unchanged + 1
        if unchanged > _EAGER and unchanged % _SELDOM:
            return None
        state = generator_state()
        if state == self._last:
            return None
        before, self._last, self._unchanged = self._last, state, 0
        return before

    @property
    def idle(self) -> bool:
        """Whether no random number was drawn for so long that it is looked at seldom."""
        return self._unchanged > _EAGER

    def reset(self) -> None:
        """Take the state as it is now for the beginning of the coming step."""
        self._last = generator_state()


def generator_state() -> bytes:
    """The state of the CPU's random generator."""
    state = torch.default_generator.get_state()
    return bytes_at(state.data_ptr(), state.nbytes)


@dataclass(eq=False, slots=True)
class _Item:
    """A tensor that was handed on, with its value where that is kept."""

    tensor: weakref.ref[torch.Tensor]
    kept: list[RawValue]


class InputObserver:
    """Collects the tensors that module calls and data loaders hand to a step.

    Args:
        budget: See the attribute.
        room: How much there is room for.
        failed: Called with what goes wrong here: the program must not meet it.

    Attributes:
        active: Whether the program is observed.
        keeping: Whether the values of what is collected are wanted, or only the tensors.
        budget: Bytes that may still be kept, as far as there is room for them.
        refused: Whether something was not kept for lack of room.
        on_item: Called with each tensor that is collected, in order, and again where it is handed
            on once more: it counts where it was handed last. A loader that fetches a batch ahead
            hands two at the start of an epoch, and the first of them to a module only then.
        on_loading: Called before a data loader makes a batch here, and when it has (NOTE 2).
    """

    def __init__(self, budget: int, room: Budget, failed: Callable[[Exception], None]) -> None:
        self.active = False
        self.keeping = True
        self.budget = budget
        self.refused = False
        self._room = room
        self._guard = Guard(failed)
        self.on_item: Callable[[torch.Tensor], None] = _nothing
        self.on_loading: tuple[Callable[[], None], Callable[[], None]] | None = None
        self._loading = 0  # loaders that make a batch now, one for another
        self._found: dict[int, _Item] = {}
        self._items: list[_Item] = []
        self._roots: weakref.WeakSet[nn.Module] = weakref.WeakSet()
        self._calls = ModuleCalls(self.collect)
        self._undo: list[Callable[[], None]] = []
        self._paused = False

    def add_roots(self, modules: Iterable[nn.Module]) -> None:
        """Observe calls of these modules, now or as soon as observing begins."""
        for module in modules:
            if module not in self._roots:
                self._roots.add(module)
                self._calls.follow(module)

    def begin(self) -> None:
        """Observe from now on."""
        if self.active:
            return
        self.active = True
        self._calls.install()
        iterator = dataloader._BaseDataLoaderIter
        original = iterator.__next__
        observer = self

        @functools.wraps(original)
        def next_batch(self: Any) -> Any:
            observer._loads(1)
            try:
                batch = original(self)
            finally:
                observer._loads(-1)
            observer.collect(batch)
            return batch

        iterator.__next__ = next_batch  # type: ignore[method-assign]
        self._undo.append(functools.partial(setattr, iterator, "__next__", original))

    def end(self) -> None:
        """Put everything back; of a step that goes on only a part was collected."""
        self.active = False
        self.take()
        self._calls.remove()
        while self._undo:
            self._undo.pop()()

    def _loads(self, change: int) -> None:
        """A loader begins to make a batch, or has ended."""
        before, self._loading = self._loading, self._loading + change
        if self.on_loading is not None and not self._paused and 0 in {before, self._loading}:
            with self._guard:
                self.on_loading[0 if change > 0 else 1]()

    def collect(self, *arguments: object) -> None:
        """Keep the tensors among some arguments, as far as the budget goes."""
        if self._paused or _functorch_level() is not None or _is_traced():
            return  # vmap and the like hand on wrappers, which have no memory to read
        # a mode of the program must not see us look
        with self._guard, torch._C.DisableTorchFunction():
            self._keep(arguments)

    def _keep(self, arguments: tuple[object, ...]) -> None:
        for tensor in _tensors(arguments, 0):
            if tensor.grad_fn is not None or isinstance(tensor, nn.Parameter):
                continue  # computed by the program; what it was computed from is what counts
            item = self._found.get(id(tensor))
            if item is not None and item.tensor() is tensor:
                self._items.remove(item)
            else:
                item = self._found[id(tensor)] = _Item(weakref.ref(tensor), self._read(tensor))
            self._items.append(item)
            self.on_item(tensor)

    def _read(self, tensor: torch.Tensor) -> list[RawValue]:
        """Its value, None where the budget is spent; nothing where values are not wanted."""
        if not self.keeping:
            return []
        size = tensor.numel() * tensor.element_size()  # a sparse one has no nbytes
        return [read(tensor, size) if self.affords(size) else None]

    def affords(self, size: int) -> bool:
        """Whether so many bytes may be kept; they count as kept then."""
        if size > self.budget or not self._room.take(size, Level.NO_BATCHES):
            self.refused = True
            return False
        self.budget -= size
        return True

    def pause(self) -> None:
        """Let the program call its modules and data loaders unobserved."""
        self._paused = True
        self._calls.remove()

    def resume(self) -> None:
        """Go on, where it was observed before."""
        self._paused = False
        if self.active:
            self._calls.install()

    def take(self) -> list[RawValue]:
        """The values collected since the last call, in order; None where the budget is spent."""
        items, self._items = self._items, []
        self._found.clear()
        return [value for item in items for value in item.kept]


def _is_traced() -> bool:
    """Whether ``torch.jit.trace`` notes what is asked of tensors: it would note our questions."""
    return torch._C._get_tracing_state() is not None


def _nothing(_tensor: torch.Tensor) -> None:
    return None


def _tensors(item: object, depth: int) -> Iterator[torch.Tensor]:
    if isinstance(item, torch.Tensor):
        yield item
    elif depth < _MAX_DEPTH:
        if isinstance(item, dict):
            item = item.values()
        elif not isinstance(item, (list, tuple)):
            return
        for part in item:
            yield from _tensors(part, depth + 1)
