"""``run.watch``: following objects that the program hands over."""

from __future__ import annotations

import functools
from collections.abc import Callable
from types import FrameType
from typing import Any

from torch import nn
from torch.optim import Optimizer

from autograd_lens.capture.recorder import Recorder
from autograd_lens.errors import RecordingError
from autograd_lens.live.frames import frame_names

__all__ = ["Watch", "WatchedLoss"]

_MISSING = object()


class Watch:
    """The watched objects of one recording, and how to put them back."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._undo: list[Callable[[], None]] = []
        self._models: dict[str, nn.Module] = {}

    def add(self, item: object, frame: FrameType) -> object:
        """Follow one object; returns what the program should use in its place.

        Raises:
            RecordingError: It is neither model, loss function nor optimizer.
        """
        if isinstance(item, nn.Module) and next(item.parameters(), None) is not None:
            self._add_model(item, frame)
            return item
        if isinstance(item, Optimizer):
            return item  # torch's own hooks already follow every one of them
        if callable(getattr(item, "step", None)):
            self._add_optimizer(item)
            return item
        if callable(item):
            return item if isinstance(item, nn.Module) else WatchedLoss(item)
        msg = f"watch() cannot follow {item!r}."
        raise RecordingError(
            msg, hint="Give it modules, loss functions, and optimizers with a step method."
        )

    def restore(self) -> None:
        """Put everything back as it was."""
        while self._undo:
            self._undo.pop()()

    def _add_model(self, model: nn.Module, frame: FrameType) -> None:
        alias = next((n for n, v in frame_names(frame).items() if v is model), "")
        prefix = ""
        if self._models and model not in self._models.values():
            prefix = alias or type(model).__name__
        self._models[alias or f"model{len(self._models)}"] = model
        self._recorder.registry.add_module(model, prefix, alias, 0)

    def _add_optimizer(self, optimizer: object) -> None:
        """Replace ``step`` and ``zero_grad`` on this one object, not on its class."""
        recorder = self._recorder
        for name, phase in (("step", "update"), ("zero_grad", "zero_grad")):
            method = getattr(optimizer, name, None)
            if callable(method):
                self._replace(optimizer, name, _announced(recorder, method, phase))

    def _replace(self, owner: object, name: str, replacement: object) -> None:
        before = vars(owner).get(name, _MISSING)
        try:
            setattr(owner, name, replacement)
        except AttributeError:
            return  # slots: the update is still seen by what it writes

        def undo() -> None:
            if before is _MISSING:
                delattr(owner, name)
            else:
                setattr(owner, name, before)

        self._undo.append(undo)


def _announced(
    recorder: Recorder, method: Callable[..., object], phase: str
) -> Callable[..., object]:
    @functools.wraps(method)
    def announced(*args: Any, **kwargs: Any) -> Any:
        recorder.optimizer_begins(phase)
        try:
            return method(*args, **kwargs)
        finally:
            recorder.optimizer_ended(phase)

    return announced


class WatchedLoss:
    """A loss function in a wrapper that behaves as it does."""

    def __init__(self, function: Callable[..., object]) -> None:
        functools.update_wrapper(self, function)
        self._function = function

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the loss function."""
        return self._function(*args, **kwargs)

    def __getattr__(self, name: str) -> object:
        return getattr(self.__wrapped__, name)

    def __repr__(self) -> str:
        return repr(self._function)
