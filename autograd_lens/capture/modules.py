"""Which module is running, as a path from its root."""

from __future__ import annotations

import weakref
from typing import Any

from torch import nn
from torch.nn.modules.module import (
    register_module_forward_hook,
    register_module_forward_pre_hook,
)

from autograd_lens.capture.tape_mode import TapeMode

__all__ = ["ModulePaths"]


class ModulePaths:
    """Keeps ``TapeMode.module`` up to date while a step is recorded in full.

    A submodule's path is the one its parameters carry (``layers.0``); the outermost module
    has no path of its own and is called by its class.
    """

    def __init__(self, mode: TapeMode) -> None:
        self._mode = mode
        self._paths: weakref.WeakKeyDictionary[nn.Module, str] = weakref.WeakKeyDictionary()
        self._stack: list[str] = []
        self._handles: list[Any] = []

    def install(self) -> None:
        """Follow every module's forward from now on."""
        self._handles = [
            register_module_forward_pre_hook(self._enter),
            register_module_forward_hook(self._leave, always_call=True),
        ]

    def remove(self) -> None:
        """Stop following."""
        for handle in self._handles:
            handle.remove()
        self._handles = []
        self._stack.clear()
        self._mode.module = ""

    def _enter(self, module: nn.Module, _inputs: Any) -> None:
        path = self._paths.get(module)
        if path is None:
            path = self._learn(module)
        self._stack.append(self._mode.module)
        self._mode.module = path

    def _leave(self, _module: nn.Module, _inputs: Any, _output: Any) -> None:
        if self._stack:
            self._mode.module = self._stack.pop()

    def _learn(self, module: nn.Module) -> str:
        for path, part in module.named_modules():
            self._paths.setdefault(part, path or type(module).__name__)
        return self._paths[module]
