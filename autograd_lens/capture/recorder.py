"""Watches a running program and writes what it does to a trace.

NOTE 1 [One entry point]: ``Tensor.backward``, ``torch.autograd.backward`` and
``torch.autograd.grad`` all call ``torch.autograd.graph._engine_run_backward``, which can log
every node: it asks for the level of its log, hooks the graph, runs the engine, and takes the
hooks out again in a ``finally``. Whoever stands in for its log and for the hooking is called
just before the engine runs and just behind it, and is on no stack while it does: tracebacks,
the lines that warnings are blamed on, and ``inspect.stack`` in a hook are those of the bare
program. Calls from other threads, from forked children and from inside a backward (as
activation checkpointing makes) pass by untouched.

NOTE 2 [The program comes first]: whatever fails in here is caught, reported once, and ends the
recording of that step or of the run; the program's own call is made in any case, once.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import FrameType
from typing import Any

import torch

from autograd_lens.capture.full_recorder import FullRecorder, Services
from autograd_lens.capture.inputs import InputObserver, RandomState
from autograd_lens.capture.keyframes import APART, Keyframes
from autograd_lens.capture.light_rows import (
    Flags,
    GraphBook,
    GraphKey,
    Outline,
    ParameterReader,
    root_specs,
)
from autograd_lens.capture.modules import CompiledRegions
from autograd_lens.capture.optimizer_calls import OptimizerCalls
from autograd_lens.capture.optimizer_numbers import OptimizerNumbers
from autograd_lens.capture.optimizers import OptimizerHooks
from autograd_lens.capture.parameters import ParameterRegistry
from autograd_lens.capture.profiles import Profiles
from autograd_lens.capture.program_warnings import TorchWarnings
from autograd_lens.capture.rolling import Rolling, between_anchors
from autograd_lens.capture.schedule import Schedule
from autograd_lens.capture.sink import Sink
from autograd_lens.capture.steps import StepCounter
from autograd_lens.capture.stopping import StepSoFar, StopOn
from autograd_lens.errors import LensError, StopConditionMet
from autograd_lens.live import doors
from autograd_lens.live.backward import BackwardCall
from autograd_lens.live.backward import Flags as BackwardFlags
from autograd_lens.live.frames import Site, UserFrames, locals_of, traceback_entries
from autograd_lens.live.graph_walk import leaf_outline, root_nodes
from autograd_lens.live.guard import Guard
from autograd_lens.live.reading import DTYPE_NAMES, SMALL, RawValue, read_scalar
from autograd_lens.trace.budget import DEFAULT_SIZE, Level
from autograd_lens.trace.records import Event
from autograd_lens.trace.values import as_value

__all__ = ["Limits", "Recorder"]

# Graph id, loss, values, grads and calls of optimizers before the engine runs: a tuple, for speed.
_Pending = tuple[int, bytes | None, tuple[Any, ...], tuple[Any, ...], int | None]

# Bytes of one parameter or ``.grad`` that rows hold whole.
_LIMITS = {
    Level.ALL: 1 << 62,
    Level.DIGESTS: SMALL,
    Level.NO_BATCHES: SMALL,
    Level.ROWS: SMALL,
    Level.NOTHING: SMALL,
}

_Tensor = torch.Tensor
_BEFORE_STOP = 1  # steps before the one that a program is stopped at: its update may be the cause
_INPUTS = 3  # position of the tensors that the engine is restricted to, behind the roots
_engine: Any = torch.autograd.graph  # the names that are replaced are none of its public ones
_no_torch_function = torch._C.DisableTorchFunction
_functorch_level = doors.functorch_level
_sequence_number = doors.sequence_number


@dataclass(frozen=True, slots=True)
class Limits:
    """How much is kept of large values.

    Attributes:
        light: Bytes of one parameter or ``.grad`` that a light step keeps whole; where all of them
            take more than four times that, only small ones.
        value: Bytes of one value that a full step keeps whole.
        step: Bytes of all values of a full step; beyond it only small ones are kept whole.
        inputs: Bytes of the inputs of light steps that are kept over the whole run.
        keyframes: Bytes of large parameters and optimizer state that are kept whole over the
            run, so that steps between can be replayed.
        size: Bytes of the whole recording; all others are kept within it.
        last: How many steps are kept, the newest ones, of the others the loss; 0 keeps all.
    """

    light: int = 65536
    value: int = 1 << 20
    step: int = 1 << 28
    inputs: int = 1 << 28
    keyframes: int = 1 << 29
    size: int = DEFAULT_SIZE
    last: int = 0


class Recorder:
    """Records one run.

    Attributes:
        steps: Counts the steps.
        registry: The parameters.
        other_thread: Whether the program called backward in a thread that is not recorded.
        by_functions: Whether it asked ``torch.func`` for gradients, which is not recorded either.
        failed_step: The step that an exception ended, as far as that is known; -1 before the first.
        stopped: What ended the program, where a step met what was to be stopped on.
    """

    def __init__(
        self, writer: Sink, full: Schedule, limits: Limits, stop: StopOn | None = None
    ) -> None:
        self._guard = Guard(self.fail)
        self.frames = UserFrames()
        self.steps = StepCounter(self.frames.chain)
        self.registry = ParameterRegistry(self.frames, writer.parameter)
        self._writer = writer
        self._rows = writer.rows
        self._budget = writer.budget
        self._level = Level.ALL
        self._graphs = GraphBook(writer.graph, self.frames.source_of)
        self._reader = ParameterReader(limits.light, self.registry.part)
        self.inputs = InputObserver(limits.inputs, writer.budget, self.fail)
        apart = between_anchors(limits.last) if limits.last else APART
        full = full.with_every(apart) if limits.last else full
        self._keyframes = keyframes = Keyframes(
            writer, limits.keyframes, limits.light, apart, always=stop is not None
        )
        services = Services(writer, self.frames, self.registry, self.inputs, keyframes, self.fail)
        aside = _BEFORE_STOP if stop is not None else 0
        self._full = FullRecorder(services, full, limits.value, limits.step, aside=aside)
        self._stop_on = stop
        self._said = ""  # why the condition could not be asked
        self.stopped: StopConditionMet | None = None
        self._random = RandomState()
        self._full.mode.on_armed = self._random.reset
        self._calls = OptimizerCalls(self.registry.index_of)
        self._numbers = OptimizerNumbers(self.registry.index_of)
        self._full.described = lambda: self._numbers.tell
        self._full.foreign = lambda: self._numbers.others
        self._rolling = (
            Rolling(writer, limits.last, full, self._full, self._numbers) if limits.last else None
        )
        self._optimizers = OptimizerHooks(self.steps, self._full, self._calls, self._numbers)
        self._warnings = TorchWarnings(self.frames, self._warned)
        self._thread = threading.get_ident()
        self._threads = 0  # with which torch computes; sums depend on it
        self._process = os.getpid()
        self._processes = 1  # that train together
        self._began = 0.0  # when the engine began to run, where there are several
        self._inside = False
        self._asleep = False  # the program asked to be left alone
        self.other_thread = self.by_functions = False
        self.failed_step = -1
        self._failures = 0
        self._died = 0
        self._followed = 0
        self._sequence = 0
        self._compiled = CompiledRegions(self._pause, self._resume)
        self._profiles = Profiles(self._full.leave)
        self._log: _Log | None = None
        self._entry: Callable[..., Any] | None = None
        self._hook_for_log: Callable[..., Any] = _engine._register_logging_hooks_on_whole_graph

    # -- switching on and off -------------------------------------------------------------

    def start(self) -> None:
        """Begin to watch."""
        self._hook_for_log = _engine._register_logging_hooks_on_whole_graph
        self._log = _Log(_engine.log)
        self._entry = self._backward_begins  # a bound method is made anew each time it is asked for
        _engine.log, _engine._register_logging_hooks_on_whole_graph = self._log, self._entry
        self.registry.start(self.frames.innermost(sys._getframe(1)))
        self.steps.start(sys._getframe(1))
        self._optimizers.install()
        self._warnings.install()
        self._compiled.install()
        self._profiles.install()
        self._full.start()

    def stop(self, error: BaseException | None = None) -> None:
        """Stop watching, put everything back, and write the last state.

        Args:
            error: What ended the program, where it did not end as it should.
        """
        if self._log is not None and _engine.log is self._log:
            _engine.log = self._log.original
        if _engine._register_logging_hooks_on_whole_graph is self._entry:
            _engine._register_logging_hooks_on_whole_graph = self._hook_for_log
        self._log = None
        self._compiled.remove()
        self._profiles.remove()
        self._optimizers.remove()
        self._warnings.remove()
        if os.getpid() != self._process:
            self.inputs.end()
            return
        if self.stopped is not None and error is not self.stopped:
            self._writer.event(
                Event("warning", self.stopped.step, f"{self.stopped} The program caught it.")
            )
        with self._guard:
            if error is not None:
                self.failed_step = self._step_of(error)
            self._full.stop(self.steps.index, self.failed_step, error)
        self.inputs.end()  # the last full step may be what began it
        if notice := self._budget.notice(max(self.steps.index, 0)):
            self._writer.event(notice)
        with self._guard:
            values, grads, gone = self._reader.last()
            calls = self._calls.take(grads) if self._calls.used else None
            extras = {
                "calls": calls,
                "numbers": self._numbers.take(),
                "fresh": self._numbers.take_fresh(),
                "gone": gone or None,
            }
            self._rows.append((self.steps.index + 1, -1, None, values, grads, [], extras))

    def _step_of(self, error: BaseException) -> int:
        """The step that an exception ended: the next one, where the loop had turned."""
        if self.steps.index < 0:
            return 0 if self._full.mode.armed else -1
        places = [(id(e.tb_frame.f_code), e.tb_lasti) for e in traceback_entries(error)]
        return self.steps.index + self.steps.turned(places, *self._reader.before())

    def _pause(self) -> None:
        """Compiled code of the program begins: nothing of ours is there while it runs."""
        self._full.pause()
        self.inputs.pause()
        self._optimizers.remove()

    def _resume(self) -> None:
        """It has ended."""
        if self._log is not None and not self._asleep:
            self._optimizers.install()
            self.inputs.resume()
            self._full.resume()

    def pause(self) -> None:
        """Leave the program alone: backward, too, passes by until ``resume``."""
        self._asleep = True
        self._pause()

    def resume(self) -> None:
        """Watch again."""
        self._asleep = False
        self._resume()

    def mark_step(self, index: int) -> None:
        """The program says that a step begins."""
        self._full.mark(self.steps.index, index)
        if not self._random.idle:
            self._random.reset()
        self.steps.mark(index)

    def optimizer_begins(self, phase: str) -> None:
        """A watched optimizer begins to update or to clear."""
        self._optimizers.begins(phase)

    def optimizer_ended(self, phase: str) -> None:
        """It has ended."""
        self._optimizers.ended(phase)

    @property
    def recorded_something(self) -> bool:
        """Whether there is a step, or a part of one."""
        return self.steps.index >= 0 or self.failed_step >= 0

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
            step = self.steps.index if self.steps.index >= 0 else None
            self._writer.event(Event("incomplete", step, message))

    def _warned(self, message: str, file: str, detail: str) -> None:
        """Note that torch warned the program of something."""
        step = self.steps.index if self.steps.index >= 0 else None
        self._writer.event(Event("warning", step, message, detail))
        self._full.store_source(file)

    # -- every backward -------------------------------------------------------------------

    def _backward_begins(self, outputs: Sequence[object]) -> Callable[[], None]:
        """Called in place of the hooking for the log (NOTE 1); returns what ends it."""
        log = self._log
        unhook = _nothing
        if log is not None and log.original.isEnabledFor(logging.DEBUG):
            unhook = self._hook_for_log(outputs)
        if (
            self._inside
            or self._asleep
            or log is None
            or threading.get_ident() != self._thread
            or os.getpid() != self._process
            or _functorch_level() is not None  # inside torch.func.grad, vmap and the like
            or (self._compiled.inside and self._compiled.tracing())
        ):
            self._pass_by()
            return unhook
        pending = None
        handled = sys.exc_info()[1]
        with self._guard, self._unseen():
            pending = self._before(outputs, *_rest_of_the_call(sys._getframe(1)))
        self._inside = True
        compiled = not self._compiled.inside and self._compiled.compiles_backward()
        if compiled:
            self._pause()

        def backward_ended() -> None:
            self._inside = False
            if compiled:
                self._resume()
            raised = sys.exc_info()[1]
            error = "" if raised is handled else f"{type(raised).__name__}: {raised}"
            try:
                with self._unseen():
                    self._after(pending, outputs, error)
            except BaseException:  # a rerun has seen enough
                with contextlib.suppress(Exception):  # what the engine does last
                    torch._C._remove_obj_from_tls("context")
                raise
            unhook()

        return backward_ended

    def _unseen(self) -> contextlib.AbstractContextManager[object]:
        """Keep torch function modes, subclasses and Dynamo from what is asked in here."""
        return self._compiled.asleep() if self._compiled.inside else _no_torch_function()

    def _pass_by(self) -> None:
        """Say once that a backward of another thread of the program is not recorded."""
        self.by_functions = self.by_functions or _functorch_level() is not None
        elsewhere = threading.get_ident() != self._thread and os.getpid() == self._process
        if elsewhere and not self._inside and not self.other_thread and self._log:
            self.other_thread = True
            message = "backward was called in another thread; only one thread is recorded"
            self._writer.event(Event("warning", None, message))
            self._writer.extra("elsewhere", b"a backward in another thread")

    def _before(self, outputs: Sequence[Any], args: Any, kwargs: Any) -> _Pending:
        """Record the state before the engine runs; this and ``_after`` are the hot path."""
        self._compiled.look()
        if self._budget.reached > self._level:
            self._shrink(self._budget.reached)
        caller = self.frames.innermost(sys._getframe(3))
        values, grads = self._reader.before()
        if torch.get_num_threads() != self._threads:
            self._threads = torch.get_num_threads()
            self._writer.extra("threads", str(self._threads).encode())
        kind = "backward" if kwargs.get("accumulate_grad", True) else "grad"
        retain_graph, create_graph = args[1], args[2]
        root = outputs[0]
        plain = root.__class__ is _Tensor
        outline = None
        if plain and caller is not None and len(outputs) == 1:
            outline = (
                id(caller.f_code),
                caller.f_lasti,
                kind,
                retain_graph,
                create_graph,
                root.grad_fn.__class__,
                _sequence_number() - self._sequence,
            )
        site = (id(caller.f_code), caller.f_lasti) if caller is not None else None
        flags = (kind, retain_graph, create_graph)
        graph = self._graphs.recall(outline) if outline is not None else None
        if graph is None or self._reader.died != self._died:
            graph = self._identify(outline, site, outputs, flags)
            values, grads = self._reader.before()
            self._died = self._reader.died
        calls = self._calls.take(grads) if self._calls.used else None
        loss = read_scalar(root) if isinstance(root, _Tensor) else None
        previous = self.steps.index
        opens = self.steps.backward_begins(
            site, caller, values, grads, lambda: plain and self._is_old(root)
        )
        met = list(self.registry.unsettled)
        if met:
            self._settle()
        if self._processes > 1:
            self._began = time.time()
        if self._full.on:
            frame = sys._getframe(3)
            self._optimizers.check(frame)
            watched = not (self._compiled.inside or self._compiled.compiles_backward())
            call = BackwardCall(
                outputs=outputs,
                gradients=args[0],
                inputs=args[_INPUTS] if len(args) > _INPUTS else (),
                site=site,
                flags=BackwardFlags(*flags, self._graphs.fingerprints[graph]),
                frame=frame,
                functions=self._graphs.has_functions(graph),
                watched=watched,
            )
            self._full.before_backward(
                previous if opens else None,
                self.steps.index,
                call,
                self._graphs.key_of(graph).reached,
            )
        # Behind the end of a step, which tells what is wanted.
        fingerprint = self._graphs.fingerprints[graph]
        if self.inputs.active and (saved := self._full.saved_by(outputs, fingerprint)):
            self.inputs.collect(saved)
        if met:
            self._full.met(self.steps.index, met)
        return graph, loss, values, grads, calls

    def _is_old(self, root: torch.Tensor) -> bool:
        """Whether a loss was made before the last backward."""
        node = root.grad_fn
        return node is not None and node._sequence_nr() < self._sequence

    def _shrink(self, level: Level) -> None:
        """The file fills up: keep less from now on, and say so."""
        self._level = level
        self._reader.limit = min(self._reader.limit, _LIMITS[level])
        if notice := self._budget.notice(max(self.steps.index + 1, 0)):
            self._writer.event(notice)
        if level is Level.NOTHING:
            self._rows = _Nowhere()

    def _settle(self) -> None:
        """Parameters were found: they belong to the step that has begun by now."""
        self.registry.seen_in(self.steps.index)
        if self.registry.shared:
            self._writer.extra("shared", json.dumps(self.registry.shared).encode())

    def _note_processes(self) -> None:
        """Keep how many processes train together: they share their gradients."""
        distributed: Any = sys.modules.get("torch.distributed")
        there = distributed is not None and distributed.is_available()
        if self._processes == 1 and there and distributed.is_initialized():
            self._processes = distributed.get_world_size()
            if self._processes > 1:
                self._full.records_all()
                self._writer.extra("processes", str(self._processes).encode())
                self._writer.extra("rank", str(distributed.get_rank()).encode())

    def _random_state(self) -> bytes | None:
        with self._full.mode.silence():
            return self._random.before_step()

    def _identify(
        self, outline: Outline | None, site: Site, outputs: Sequence[object], flags: Flags
    ) -> int:
        """Walk the graph, and register leaves that were not known."""
        types, leaves = leaf_outline(root_nodes(outputs))
        self.registry.discover(leaves, sys._getframe(3), max(self.steps.index, 0))
        self._note_processes()
        index_of = self.registry.index_of
        self.inputs.add_roots(self.registry.roots)
        reached = sorted([i for leaf in leaves if (i := index_of(leaf)) is not None])
        if self._followed != self.registry.version:
            self._followed = self.registry.version
            self._reader.follow(self.registry.references)
            self._keyframes.light = self._reader.limit
            if outline is not None:
                self._graphs.distrust(outline)
        key = GraphKey(site, types, tuple(reached), root_specs(outputs), flags)
        graph = self._graphs.learn(outline, key)
        if not self._full.on:
            self._full.chase(self._graphs.fingerprints[graph], site, self.steps.index)
        return graph

    def _after(self, pending: _Pending | None, outputs: Sequence[Any], error: str) -> None:
        if pending is None:
            return
        with self._guard:
            graph, loss, values, before, calls = pending
            after = self._reader.after()
            if self._graphs.recalled and self._graphs.doubtful(graph, before, after):
                key = self._graphs.key_of(graph)
                graph = self._identify(None, key.site, outputs, key.flags)
                # Hooks may have updated parameters by now; only those that it found are new.
                values += self._reader.before()[0][len(values) :]
                after = self._reader.after()
            steps = self.steps
            if error:
                graph = self._graphs.failed(graph, outputs, error)
            random = self._random_state() if self._full.on else self._random.before_step()
            steps.backward_ended(values, after)
            self._calls.grads = after
            self._sequence = _sequence_number()
            if self._full.is_due(steps.index):
                self._full.after_backward(
                    steps.index,
                    error,
                    sys._getframe(2),
                    self._graphs.key_of(graph).reached,
                    marked=steps.marked,
                )
            alone = self._processes == 1
            if alone and random is None and calls is None and not self.inputs.active:
                self._rows.append((steps.index, graph, loss, values, before, after))
            else:
                extras = {
                    "random": random,
                    "inputs": self.inputs.take() or None,
                    "calls": calls,
                    "numbers": self._numbers.take(),
                    "fresh": self._numbers.take_fresh(),
                    "clock": None if alone else [self._began, time.time()],
                }
                self._rows.append((steps.index, graph, loss, values, before, after, extras))
            if self._rolling is not None:
                self._rolling.backward_ended(steps.index)
            if self._stop_on is not None and not error:
                self._ask(self._stop_on, graph, _number(outputs[0], loss), values, after)

    def _ask(
        self,
        stop: StopOn,
        graph: int,
        loss: float | None,
        values: Sequence[RawValue],
        grads: Sequence[RawValue],
    ) -> None:
        """End the program where the step meets what was asked for.

        Raises:
            StopConditionMet: It does.
        """
        step = self.steps.index
        registry = self.registry
        found = StepSoFar(step, loss, registry.records, registry.alive, values, grads)
        try:
            reason = stop.met(found)
        except LensError as error:
            self._say_unasked(step, str(error))
            return
        if not reason:
            return
        self._stop_on = None  # a program that goes on is not ended twice
        fingerprint = self._graphs.fingerprints[graph]
        kept = self._full.keep(step, fingerprint, sys._getframe(2))
        kept = kept and self._level < Level.NOTHING
        self.stopped = StopConditionMet(step, reason, kept=kept)
        raise self.stopped

    def _say_unasked(self, step: int, why: str) -> None:
        """Say once that a condition means nothing for this program, which goes on."""
        if why != self._said:
            self._said = why
            self._writer.event(Event("warning", step, why))
            sys.stderr.write(f"autograd-lens: {why} It is asked again at the next step.\n")


def _number(root: torch.Tensor, raw: bytes | None) -> float | None:
    """The loss that ``read_scalar`` gave, None where it gave none."""
    value = as_value(raw, DTYPE_NAMES[root.dtype], ())
    return None if value is None else float(value.array.real)


class _Nowhere:
    """Stands for rows where there is no room for any."""

    def append(self, row: object, /) -> None:
        """Let go of a row."""


class _Log:
    """Stands in for the log of ``torch.autograd.graph`` (NOTE 1)."""

    def __init__(self, original: logging.Logger) -> None:
        self.original = original

    def getEffectiveLevel(self) -> int:  # noqa: N802  the name that is called
        """Low enough for the graph to be hooked."""
        return logging.DEBUG

    def __getattr__(self, name: str) -> object:
        return getattr(self.original, name)


def _nothing() -> None:
    return None


def _rest_of_the_call(frame: FrameType) -> list[object]:
    """What the engine is called with behind the outputs."""
    return locals_of(frame, "args", "kwargs")
