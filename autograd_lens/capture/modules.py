"""What modules of the program are called with, and when the program runs compiled code.

NOTE 1 [No hook on a module]: a hook in a module is saved with it, copied with it and sent to
other processes with it, and Dynamo compiles it; a global one takes an id and is seen in torch's
lists. Every call of a module asks torch once whether it is being traced. That question is a
leaf of the call: whoever answers it is on no stack while the program's code runs. So it is
answered here, as torch would, and the frame that asks has the module and what it was called with.

NOTE 2 [Compiled code runs as bare]: where Dynamo meets a dispatch mode or a hook, it compiles
them too, compiles something else, or gives up. ``torch.compile``'s wrapper sets Dynamo's state
first and puts it back last, through two functions of its module. These are followed: in
between, everything of ours is taken away, and what was recorded of the region is the nodes that
it leaves in the autograd graph.
"""

from __future__ import annotations

import contextlib
import functools
import sys
import threading
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import torch
import torch._guards
from torch import nn

from autograd_lens.live.doors import ASKED_BY_MODULES
from autograd_lens.live.frames import MODULE_CALL, locals_of

__all__ = ["CompiledRegions", "ModuleCalls"]

_get_frame = sys._getframe


class ModuleCalls:
    """Tells of the calls of some modules (NOTE 1).

    Args:
        called: Called with the positional and the named arguments of each call.
    """

    def __init__(self, called: Callable[[Any, Any], None]) -> None:
        self._called = called
        self._followed: dict[int, weakref.ref[nn.Module]] = {}
        self._original: Any = None
        self._ours: Any = None

    def follow(self, module: nn.Module) -> None:
        """Tell of the calls of this module."""
        self._followed[id(module)] = weakref.ref(module)

    def install(self) -> None:
        """Begin to tell."""
        original = getattr(torch._C, ASKED_BY_MODULES)
        followed, called = self._followed, self._called

        @functools.wraps(original)
        def tracing_state() -> Any:
            frame = _get_frame(1)
            if frame.f_code is MODULE_CALL:
                module, arguments, named = locals_of(frame, "self", "args", "kwargs")
                known = followed.get(id(module))
                if known is not None and known() is module:
                    called(arguments, named)
            return original()

        self._original, self._ours = original, tracing_state
        setattr(torch._C, ASKED_BY_MODULES, tracing_state)

    def remove(self) -> None:
        """Stop telling."""
        if self._ours is not None:
            _put_back(torch._C, ASKED_BY_MODULES, self._ours, self._original)
        self._original = self._ours = None


class CompiledRegions:
    """Calls ``enter`` before compiled code of the program runs, and ``leave`` behind it (NOTE 2).

    Attributes:
        inside: Whether compiled code is running.
    """

    def __init__(self, enter: Callable[[], None], leave: Callable[[], None]) -> None:
        self.inside = False
        self._enter = enter
        self._leave = leave
        self._thread = threading.get_ident()
        self._frame = 0  # id of the wrapper's frame that the region belongs to
        self._undo: list[Callable[[], None]] = []
        self._followed = False

    def install(self) -> None:
        """Follow from the program's first use of Dynamo on."""
        compile_ = torch.compile

        @functools.wraps(compile_)
        def follow_and_compile(*args: Any, **kwargs: Any) -> Any:
            compiled = compile_(*args, **kwargs)
            self.look()
            return compiled

        torch.compile = follow_and_compile
        self._undo.append(
            functools.partial(_put_back, torch, "compile", follow_and_compile, compile_)
        )
        self.look()

    def look(self) -> None:
        """Follow Dynamo, where the program has imported it by now."""
        dynamo = sys.modules.get("torch._dynamo.eval_frame")
        if self._followed or getattr(dynamo, "_maybe_set_eval_frame", None) is None:
            return
        self._followed = True
        rules = sys.modules.get("torch._dynamo.trace_rules")
        if rules is not None:
            with contextlib.suppress(Exception):  # another version: then it compiles what it meets
                rules.add("autograd_lens")
        first, last = dynamo.set_eval_frame, dynamo._maybe_set_eval_frame  # type: ignore[union-attr]

        def set_eval_frame(callback: object) -> object:
            frame = _get_frame(1)
            wraps = frame.f_code.co_name == "compile_wrapper"
            if wraps and not self.inside and threading.get_ident() == self._thread:
                self._frame, self.inside = id(frame), True
                self._enter()
            return first(callback)

        def maybe_set_eval_frame(callback: object) -> object:
            result = last(callback)
            if callback is None and self._frame == id(_get_frame(1)):
                self._frame, self.inside = 0, False
                self._leave()
            return result

        for name, ours, original in (
            ("set_eval_frame", set_eval_frame, first),
            ("_maybe_set_eval_frame", maybe_set_eval_frame, last),
        ):
            setattr(dynamo, name, ours)
            self._undo.append(functools.partial(_put_back, dynamo, name, ours, original))

    @contextlib.contextmanager
    def asleep(self) -> Iterator[None]:
        """Keep Dynamo from compiling what is called here, and modes of torch from seeing it."""
        set_eval_frame = torch._C._dynamo.eval_frame.set_eval_frame
        before = set_eval_frame(None)
        try:
            with torch._C.DisableTorchFunction():
                yield
        finally:
            set_eval_frame(before)

    def compiles_backward(self) -> bool:
        """Whether the engine hands its graph to Dynamo instead of running it."""
        if not self._followed:
            return False
        compiled = sys.modules.get("torch._dynamo.compiled_autograd")
        return bool(getattr(compiled, "compiled_autograd_enabled", False))

    def tracing(self) -> bool:
        """Whether code is being compiled rather than run."""
        return torch._guards.TracingContext.try_get() is not None

    def remove(self) -> None:
        """Stop following."""
        while self._undo:
            self._undo.pop()()
        self._followed = False


def _put_back(owner: object, name: str, ours: object, original: object) -> None:
    """Undo a replacement, unless somebody has replaced it since."""
    if getattr(owner, name) is ours:
        setattr(owner, name, original)
