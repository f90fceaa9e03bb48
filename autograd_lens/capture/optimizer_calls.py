"""Whether optimizers updated and cleared between two backwards, and in which order.

NOTE 1 [Clearing is seen by its effect]: ``torch.optim`` announces its updates but not its
clearing, and a program may clear by hand. So a ``.grad`` that held something after the last
backward, and is None or all zeros when an update begins or when the next backward does, was
cleared in between. That costs a look at one or two gradients.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Sequence

import torch

from autograd_lens.live.reading import RawValue, read
from autograd_lens.trace.values import Summary

__all__ = ["OptimizerCalls"]

_ENOUGH = 1024  # bytes of a .grad that are looked at


class OptimizerCalls:
    """Notes the calls since the last backward.

    Args:
        index_of: The index of a parameter.

    Attributes:
        used: Whether any optimizer is known to have made an update or to have cleared.
        grads: Every ``.grad`` as the last backward left it.
    """

    def __init__(self, index_of: Callable[[torch.Tensor], int | None]) -> None:
        self.used = False
        self._index_of = index_of
        self.grads: Sequence[RawValue] = ()
        self._calls = ""

    def step(self, parameters: Iterable[torch.Tensor]) -> None:
        """An update of these parameters begins; of a handwritten one none are known."""
        self.used = True
        if not self._calls:
            # A mode of the program must not see us look, and the program's step must not fail.
            with torch._C.DisableTorchFunction(), contextlib.suppress(RuntimeError, TypeError):
                self._calls = "z" if self._were_cleared(parameters) else ""
        self._calls += "s"

    def zero_grad(self) -> None:
        """Some are cleared."""
        self.used = True
        self._calls += "z"

    def _were_cleared(self, parameters: Iterable[torch.Tensor]) -> bool:
        """Whether the first of them that had a ``.grad`` after the last backward has none now."""
        for parameter in parameters:
            index = self._index_of(parameter)
            if index is not None and index < len(self.grads) and _holds(self.grads[index]):
                now = parameter.grad
                return now is None or _is_zero(now)
        return False

    def take(self, grads: Sequence[RawValue]) -> int:
        """What was called since the last backward; every ``.grad`` now tells what was cleared.

        Returns:
            0 nothing, 1 an update, 2 a clearing, 3 an update and then a clearing, 4 a clearing
            and then an update.
        """
        calls, self._calls = self._calls, ""
        if "z" not in calls and any(map(_is_cleared, self.grads, grads)):
            calls += "z"
        if not calls:
            return 0
        first = calls[0]
        other = calls.find("z" if first == "s" else "s") > 0
        return (3 if other else 1) if first == "s" else (4 if other else 2)


def _is_zero(grad: torch.Tensor) -> bool:
    if grad.layout is not torch.strided:
        return False  # reading it would run kernels
    return not _holds(read(grad, grad.nbytes))


def _is_cleared(before: RawValue, now: RawValue) -> bool:
    return now is not before and now != before and _holds(before) and not _holds(now)


def _holds(grad: RawValue) -> bool:
    """Whether there is a ``.grad`` with anything but zeros in it."""
    if isinstance(grad, Summary):
        return grad.norm != 0
    return grad is not None and bool(grad[:_ENOUGH].strip(b"\0") or grad.strip(b"\0"))
