"""Switching a dispatch mode on and off in the middle of a program.

NOTE 1 [Not a with statement]: a step recorded in full begins and ends inside calls of the
program, so the mode cannot be the body of a ``with``. The program may have entered modes of
its own in the meantime; popping whatever is on top would take theirs. So the mode is only
pushed where the stack is empty, and taken out of wherever it stands.
"""

from __future__ import annotations

from torch._C import _len_torch_dispatch_stack
from torch.utils._python_dispatch import TorchDispatchMode, _pop_mode, _push_mode

__all__ = ["switch_off", "switch_on"]


def switch_on(mode: TorchDispatchMode) -> bool:
    """Enter the mode where no other mode is active; tell whether it was entered."""
    if _len_torch_dispatch_stack():
        return False
    mode.__enter__()
    return True


def switch_off(mode: TorchDispatchMode) -> None:
    """Leave the mode, and leave the program's own modes as they are."""
    above: list[TorchDispatchMode] = []
    while _len_torch_dispatch_stack():
        top = _pop_mode()
        if top is mode:
            _push_mode(mode)
            mode.__exit__(None, None, None)
            break
        above.append(top)
    for other in reversed(above):
        _push_mode(other)
