"""Which module is running, as a path from its root.

NOTE 1 [Giving way to torch.compile]: a global hook on modules makes ``torch.compile`` warn, and
may make it fail, as it would have to compile the hook too. So the hooks are left out as soon
as the program has compiled anything; its kernels are then recorded without module paths.
"""

from __future__ import annotations

import functools
import sys
import weakref
from typing import Any

import torch
from torch import nn
from torch.nn.modules.module import (
    register_module_forward_hook,
    register_module_forward_pre_hook,
)

from autograd_lens.live.mode import OUTSIDE, TapeMode

__all__ = ["ModulePaths", "program_compiles"]


def program_compiles() -> bool:
    """Whether the program has called ``torch.compile``."""
    dynamo = sys.modules.get("torch._dynamo.eval_frame")
    # torch's own optimizers leave a None here.
    return dynamo is not None and any(b is not None for b in dynamo.cached_backends.values())


class ModulePaths:
    """Keeps ``TapeMode.module`` up to date while a step is recorded in full.

    A submodule's path is the one its parameters carry (``layers.0``); the outermost module
    has no path of its own and is called by its class.
    """

    def __init__(self, mode: TapeMode) -> None:
        self._mode = mode
        self._paths: weakref.WeakKeyDictionary[nn.Module, str] = weakref.WeakKeyDictionary()
        self._stack: list[tuple[str, bool | None]] = []
        self._handles: list[Any] = []
        self._compile: Any = None

    def install(self) -> None:
        """Follow every module's forward from now on, unless the program compiles (NOTE 1)."""
        if program_compiles():
            return
        self._compile = torch.compile
        torch.compile = self._giving_way(torch.compile)
        self._handles = [
            register_module_forward_pre_hook(self._enter),
            register_module_forward_hook(self._leave, always_call=True),
        ]

    def remove(self) -> None:
        """Stop following."""
        for handle in self._handles:
            handle.remove()
        self._handles = []
        if self._compile is not None:
            torch.compile = self._compile
            self._compile = None
        self._stack.clear()
        self._mode.module = OUTSIDE

    def _giving_way(self, compile_: Any) -> Any:
        @functools.wraps(compile_)
        def compile_without_hooks(*args: Any, **kwargs: Any) -> Any:
            self.remove()
            return compile_(*args, **kwargs)

        return compile_without_hooks

    def _enter(self, module: nn.Module, _inputs: Any) -> None:
        path = self._paths.get(module)
        if path is None:
            path = self._learn(module)
        self._stack.append(self._mode.module)
        self._mode.module = (path, module.training)

    def _leave(self, _module: nn.Module, _inputs: Any, _output: Any) -> None:
        if self._stack:
            self._mode.module = self._stack.pop()

    def _learn(self, module: nn.Module) -> str:
        for path, part in module.named_modules():
            self._paths.setdefault(part, path or type(module).__name__)
        return self._paths[module]
