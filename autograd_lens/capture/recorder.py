"""Watches a running program and writes what it does to a trace.

NOTE 1 [One entry point]: ``Tensor.backward``, ``torch.autograd.backward`` and
``torch.autograd.grad`` all call ``torch.autograd._engine_run_backward``, looked up at the call.
Replacing that one name sees every backward of every program, however it was spelled or
imported. Calls from other threads, from forked children and from inside a backward (as
activation checkpointing makes) pass through untouched.

NOTE 2 [The program comes first]: whatever fails in here is caught, reported once, and ends the
recording of that step or of the run; the program's own call is made in any case, once.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import CodeType, FrameType
from typing import Any

import torch

from autograd_lens.capture.autograd_graph import leaf_outline, root_nodes
from autograd_lens.capture.frames import UserFrames
from autograd_lens.capture.full_recorder import FullRecorder
from autograd_lens.capture.light_rows import GraphBook, grads_after, snapshot
from autograd_lens.capture.optimizers import OptimizerHooks
from autograd_lens.capture.parameters import ParameterRegistry
from autograd_lens.capture.reading import read_scalar
from autograd_lens.capture.schedule import Schedule
from autograd_lens.capture.steps import StepCounter
from autograd_lens.trace.records import Event
from autograd_lens.trace.writer import TraceWriter

__all__ = ["Limits", "Recorder"]


@dataclass(frozen=True, slots=True)
class Limits:
    """How much is kept of large values.

    Attributes:
        light: Bytes of one parameter or ``.grad`` that a light step keeps whole.
        value: Bytes of one value that a full step keeps whole.
        step: Bytes of all values of a full step; beyond it only small ones are kept whole.
    """

    light: int = 65536
    value: int = 1 << 20
    step: int = 1 << 28


@dataclass(slots=True)
class _Pending:
    """What is known of a backward before the engine runs."""

    outputs: Sequence[Any]
    site: tuple[CodeType, int] | None
    types: tuple[type, ...]
    reached: tuple[int, ...]
    roots: tuple[torch.Tensor, ...]
    flags: tuple[str, bool, bool]
    graph: int
    loss: bytes | None
    values: list[Any]
    grads: list[Any]


class Recorder:
    """Records one run.

    Attributes:
        steps: Counts the steps.
        registry: The parameters.
    """

    def __init__(self, writer: TraceWriter, full: Schedule, limits: Limits) -> None:
        self.frames = UserFrames()
        self.steps = StepCounter()
        self.registry = ParameterRegistry(self.frames, writer.parameter)
        self._writer = writer
        self._limits = limits
        self._book = GraphBook(writer.graph)
        self._full = FullRecorder(
            writer, full, self.frames, self.registry, (limits.value, limits.step), self.fail
        )
        self._optimizers = OptimizerHooks(self.steps, self._full)
        self._thread = threading.get_ident()
        self._process = os.getpid()
        self._inside = False
        self._failures = 0
        self._original: Callable[..., Any] | None = None

    # -- switching on and off -------------------------------------------------------------

    def start(self) -> None:
        """Begin to watch."""
        self._original = torch.autograd._engine_run_backward  # noqa: SLF001  see NOTE 1
        torch.autograd._engine_run_backward = self._run_backward  # noqa: SLF001  see NOTE 1
        self._optimizers.install()
        self._full.start()

    def stop(self) -> None:
        """Stop watching, put everything back, and write the last state."""
        if self._original is not None:
            torch.autograd._engine_run_backward = self._original  # noqa: SLF001  see NOTE 1
            self._original = None
        self._optimizers.remove()
        if os.getpid() != self._process:
            return
        try:
            self._full.stop(self.steps.index)
            values, grads = snapshot(self.registry.references, self._limits.light)
            self._writer.rows.append((self.steps.index + 1, -1, None, values, grads, []))
        except Exception as error:  # noqa: BLE001  see NOTE 2
            self.fail(error)

    def mark_step(self, index: int) -> None:
        """The program says that a step begins."""
        self._full.mark(self.steps.index, index)
        self.steps.mark(index)

    def optimizer_begins(self, phase: str) -> None:
        """A watched optimizer begins to update or to clear."""
        self._optimizers.begins(phase)

    def optimizer_ended(self, phase: str) -> None:
        """It has ended."""
        self._optimizers.ended(phase)

    def fail(self, error: Exception) -> None:
        """Report a failure of the recording itself, once for each kind."""
        self._failures += 1
        if self._failures == 1:
            message = f"{type(error).__name__}: {error}"
            sys.stderr.write(
                "autograd-lens: recording met something it does not know "
                f"({message}); the program goes on, and what could not be recorded is missing "
                "from the trace.\n"
            )
            self._writer.event(Event("incomplete", self.steps.index, message))

    # -- every backward -------------------------------------------------------------------

    def _run_backward(self, outputs: Sequence[Any], *args: Any, **kwargs: Any) -> Any:
        original = self._original or torch.autograd.graph._engine_run_backward  # noqa: SLF001
        if (
            self._inside
            or threading.get_ident() != self._thread
            or os.getpid() != self._process
        ):
            return original(outputs, *args, **kwargs)
        pending = None
        try:
            pending = self._before(outputs, args, kwargs, sys._getframe(1))  # noqa: SLF001
        except Exception as error:  # noqa: BLE001  see NOTE 2
            self.fail(error)
        self._inside = True
        try:
            result = original(outputs, *args, **kwargs)
        except BaseException as error:
            self._inside = False
            self._after(pending, f"{type(error).__name__}: {error}")
            raise
        self._inside = False
        self._after(pending, "")
        return result

    def _before(
        self, outputs: Sequence[Any], args: Any, kwargs: Any, frame: FrameType
    ) -> _Pending:
        caller = self.frames.innermost(frame)
        site = (caller.f_code, caller.f_lasti) if caller is not None else None
        nodes = root_nodes(outputs)
        types, leaves = leaf_outline(nodes)
        reached = self._reached(leaves, frame)
        values, grads = snapshot(self.registry.references, self._limits.light)
        previous = self.steps.index
        opens = self.steps.backward_begins(site, values, grads)
        flags = _flags(args, kwargs)
        roots = tuple([output for output in outputs if isinstance(output, torch.Tensor)])
        graph = self._book.id_of(site, types, reached, roots, flags)
        loss = next((found for r in roots if (found := read_scalar(r)) is not None), None)
        self._full.before_backward(
            previous if opens else None, self.steps.index, nodes, outputs, site,
            (*flags, self._book.fingerprints[graph]), frame,
        )
        return _Pending(
            outputs, site, types, reached, roots, flags, graph, loss, values, grads
        )

    def _reached(self, leaves: list[torch.Tensor], frame: FrameType) -> tuple[int, ...]:
        index_of = self.registry.index_of
        reached = [index_of(leaf) for leaf in leaves]
        if None in reached:
            self.registry.discover(leaves, frame, max(self.steps.index, 0))
            reached = [index_of(leaf) for leaf in leaves]
        return tuple(sorted([index for index in reached if index is not None]))

    def _after(self, pending: _Pending | None, error: str) -> None:
        if pending is None:
            return
        try:
            grads = grads_after(self.registry.references, self._limits.light)
            graph = pending.graph
            if error:
                graph = self._book.id_of(
                    pending.site, pending.types, pending.reached, pending.roots,
                    pending.flags, error,
                )
            self._writer.rows.append(
                (self.steps.index, graph, pending.loss, pending.values, pending.grads, grads)
            )
            self.steps.backward_ended(pending.values, grads)
            self._full.after_backward(self.steps.index, self.steps.marked, error)
        except Exception as failure:  # noqa: BLE001  see NOTE 2
            self.fail(failure)


def _flags(args: tuple[Any, ...], kwargs: Any) -> tuple[str, bool, bool]:
    """(kind, retain_graph, create_graph) from the arguments of the engine's entry point."""
    accumulate = kwargs.get("accumulate_grad", args[5] if len(args) > 5 else True)  # noqa: PLR2004
    kind = "backward" if accumulate else "grad"
    return kind, bool(args[1]), bool(args[2])
