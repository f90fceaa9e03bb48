"""Recording a script that nobody changed, run as ``python`` would run it.

NOTE [No frames below]: a program that prints its stack, warns on behalf of its caller's caller or
looks for the outermost frame finds nobody below its own module. So it runs in a greenlet, whose
stack of frames begins there: nothing is switched while it runs, and it stays in the main thread.
Context variables are those of the main thread, which outlive the program.
"""

from __future__ import annotations

import builtins
import contextlib
import importlib.util
import io
import os
import sys
import traceback
import types
from collections.abc import Iterator, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from importlib.machinery import ModuleSpec, SourceFileLoader
from pathlib import Path
from types import CodeType, ModuleType, TracebackType
from typing import Any

import torch
from greenlet import getcurrent, greenlet

import autograd_lens
from autograd_lens.capture.exits import close_trace, closed_by_exit, failure
from autograd_lens.capture.recorder import Limits, Recorder
from autograd_lens.capture.recording import random_state, run_info, warn_of_lost_trace
from autograd_lens.capture.schedule import parse_schedule
from autograd_lens.capture.signals import closed_by_signals
from autograd_lens.capture.stopping import StopOn
from autograd_lens.errors import RecordingError, StopConditionMet
from autograd_lens.live.frames import traceback_entries
from autograd_lens.trace.recordings import set_aside
from autograd_lens.trace.writer import TraceWriter

__all__ = [
    "Program",
    "ScriptResult",
    "World",
    "as_main",
    "execute",
    "load_program",
    "report",
    "run_script",
]

_OWN = str(Path(autograd_lens.__file__).parent) + os.sep
_STOPPED = 4  # a step met what the program was to stop on
_INTERRUPTED = 130  # what a shell reports of a program that Ctrl-C ended


@dataclass(frozen=True, slots=True)
class World:
    """What a program sees of the interpreter that runs it.

    Attributes:
        main: The module ``__main__``.
        argv: ``sys.argv``.
        path: ``sys.path``.
    """

    main: ModuleType
    argv: list[str]
    path: list[str]

    @classmethod
    def now(cls) -> World:
        """As it is now; the lists themselves, which the program may hold."""
        return cls(sys.modules["__main__"], sys.argv, sys.path)

    def enter(self) -> None:
        """Make it so."""
        sys.modules["__main__"], sys.argv, sys.path = self.main, self.argv, self.path


@dataclass(frozen=True, slots=True)
class ScriptResult:
    """How a recorded script ended.

    Attributes:
        exit_code: What ``python`` would have exited with.
        steps: Steps that were recorded.
        parameters: Parameters that were seen.
        complete: Whether the trace could be written to its end.
        failure: Why it could not; ``""`` where it could.
        before: Where the recording is that had the same name and was set aside, or None.
        nothing: Why nothing was recorded, in words; empty where something was.
        world: What the program saw of the interpreter.
        stopped: The step that met what the program was to stop on, and why; None where none did.
    """

    exit_code: int
    steps: int
    parameters: int
    complete: bool
    nothing: str
    world: World
    failure: str = ""
    before: Path | None = None
    stopped: StopConditionMet | None = None


@dataclass(frozen=True, slots=True)
class Program:
    """A script or module, ready to run."""

    code: CodeType
    name: str  # sys.argv[0]
    path: str  # __file__
    search: str  # what python puts at the front of sys.path
    spec: ModuleSpec | None


def run_script(  # noqa: PLR0913  one keyword for each option of the command
    script: str,
    arguments: Sequence[str],
    output: Path,
    *,
    full: str = "default",
    module: bool = False,
    force: bool = False,
    aside: bool = False,
    limits: Limits | None = None,
    stop: StopOn | None = None,
) -> ScriptResult:
    """Run a script as ``python script arguments`` would, and record it.

    The script has its own ``__main__``, ``sys.argv`` and ``sys.path[0]``; an exception is
    printed as Python prints it, without the frames of this package.

    Args:
        script: Path of the script, or the name of a module.
        arguments: What comes behind it on the command line.
        output: Where the trace is written.
        full: Which steps are recorded in full; see ``parse_schedule``.
        module: Whether ``script`` is a module, as in ``python -m``.
        force: Whether to replace an existing trace.
        aside: Whether to set an existing trace aside; see ``trace.recordings.set_aside``.
        limits: How much is kept of large values.
        stop: What ends the program.

    Raises:
        RecordingError: There is no such script, or it does not compile.
        SelectionError: ``full`` is no choice of steps.
        TraceExistsError: ``output`` exists and ``force`` is false.
    """
    schedule = parse_schedule(full)
    program = load_program(script, module=module)
    info = run_info(program.name, list(arguments), full, module=script if module else "")
    before = set_aside(output) if aside else None
    limits = limits or Limits()
    writer = TraceWriter.create(output, info, force=force, size=limits.size, last=limits.last)
    writer.on_failure = warn_of_lost_trace
    with closed_by_signals(lambda: writer.close("killed")), as_main(program, arguments) as main:
        writer.extra("random_state", random_state())
        recorder = Recorder(writer, schedule, limits, stop)
        with closed_by_exit(recorder, writer):
            error = execute(program, main, recorder)
        detail = report(error) if error is not None else ""
        world = World.now()
    close_trace(recorder, writer, error, detail)
    return ScriptResult(
        exit_code=_exit_code(error),
        steps=max(recorder.steps.index, recorder.failed_step) + 1,
        parameters=len(recorder.registry.records),
        complete=writer.failed is None,
        failure=writer.failed or "",
        before=before,
        stopped=recorder.stopped,
        nothing="" if recorder.recorded_something else _why_nothing(program, error, recorder),
        world=world,
    )


def _why_nothing(program: Program, error: BaseException | None, recorder: Recorder) -> str:
    """Why a run has no step."""
    name = Path(program.name).name
    if recorder.other_thread:
        return f"{name} called backward in another thread than the one it began in."
    if recorder.by_functions and error is None:
        return f"{name} asks torch.func for its gradients, and never calls backward."
    if isinstance(error, SystemExit):
        if _raised_in(error, "argparse") or _raised_in(error, "click"):
            return f"{name} ended in its argument parser. What stands behind SCRIPT is for it."
        return f"{name} exited (status {_exit_code(error)}) before it called backward."
    if error is not None:
        return f"{name} raised {type(error).__name__} before it called backward."
    return f"{name} never called backward in this process."


def _raised_in(error: BaseException, package: str) -> bool:
    frames = [entry.tb_frame for entry in traceback_entries(error)]
    modules = [frame.f_globals.get("__name__", "") for frame in frames]
    return bool(modules) and modules[-1].partition(".")[0] == package


def execute(program: Program, main: ModuleType, recorder: Recorder) -> BaseException | None:
    """Run the program under the recorder; returns what it raised."""
    raised: BaseException | None = None
    recorder.start()
    try:
        _on_an_empty_stack(program.code, main.__dict__)
    except BaseException as error:  # noqa: BLE001  reported as python would
        raised = error
    finally:
        recorder.stop(failure(raised))
    return raised


def _on_an_empty_stack(code: CodeType, names: dict[str, Any]) -> None:
    """Execute a program as the outermost code that there is (NOTE)."""
    variable = ContextVar("variable", default=None)
    variable.reset(variable.set(None))  # the first change of a variable makes the context
    program = greenlet(exec)
    program.gr_context = getcurrent().gr_context
    program.switch(code, names)


def load_program(script: str, *, module: bool) -> Program:
    """A script or module, compiled.

    Raises:
        RecordingError: There is none, or it does not compile.
    """
    return _load_module(script) if module else _load_script(script)


def _load_script(script: str) -> Program:
    path = os.path.join(Path.cwd(), script)  # noqa: PTH118  keeps "./" in it, as python does
    try:
        with io.open_code(path) as file:
            text = file.read()
    except OSError as error:
        msg = f"The script {script} cannot be read: {error.strerror or error}."
        raise RecordingError(msg, hint="Check its path.") from error
    return Program(_compile(text, path), script, path, str(Path(path).resolve().parent), None)


def _load_module(name: str) -> Program:
    if str(Path.cwd()) not in sys.path and "" not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    try:
        spec = importlib.util.find_spec(name)
        if spec is not None and spec.submodule_search_locations is not None:
            spec = importlib.util.find_spec(f"{name}.__main__")
    except (ImportError, ValueError) as error:
        msg = f"The module {name} cannot be found: {error}."
        raise RecordingError(msg, hint="Run it where `python -m` finds it.") from error
    if spec is None or spec.origin is None or not Path(spec.origin).is_file():
        msg = f"There is no module {name} with source code."
        raise RecordingError(msg, hint="Run it where `python -m` finds it.")
    code = _compile(Path(spec.origin).read_bytes(), spec.origin)
    return Program(code, spec.origin, spec.origin, str(Path.cwd()), spec)


def _compile(text: bytes, path: str) -> CodeType:
    try:
        return compile(text, path, "exec", dont_inherit=True)
    except (SyntaxError, ValueError) as error:
        shown = "".join(traceback.format_exception_only(error)).rstrip()
        msg = f"The script does not compile.\n{shown}\n"
        raise RecordingError(msg, hint="Nothing was run or recorded.") from error


@contextlib.contextmanager
def as_main(program: Program, arguments: Sequence[str]) -> Iterator[ModuleType]:
    """A new ``__main__`` with the program's arguments; the old one comes back at the end."""
    main = types.ModuleType("__main__")
    main.__dict__.update(  # in the order in which Python sets them
        __loader__=SourceFileLoader("__main__", program.path),
        __spec__=program.spec,
        __annotations__={},
        __builtins__=builtins,
        __file__=program.path,
        __cached__=None,
    )
    if program.spec is not None:
        main.__package__ = program.spec.parent
    before = World.now()
    World(main, [program.name, *arguments], [program.search, *sys.path[1:]]).enter()
    try:
        yield main
    finally:
        before.enter()


def _exit_code(error: BaseException | None) -> int:
    if error is None:
        return 0
    if isinstance(error, SystemExit):
        if error.code is None:
            return 0
        return error.code if isinstance(error.code, int) else 1
    if isinstance(error, StopConditionMet):
        return _STOPPED
    return _INTERRUPTED if isinstance(error, KeyboardInterrupt) else 1


def report(error: BaseException) -> str:
    """Print an exception as Python would, and return what was printed."""
    if isinstance(error, SystemExit):
        if error.code is not None and not isinstance(error.code, int):
            with contextlib.suppress(Exception):  # the script may have closed it
                sys.stderr.write(f"{error.code}\n")
        return ""
    if isinstance(error, StopConditionMet):  # was asked for, and is told when all is written
        return ""
    _hide_own_frames(error, set())
    with contextlib.suppress(Exception):  # the script may have closed it
        sys.stdout.flush()
    shown = "".join(traceback.format_exception(error))
    _call_excepthook(error)
    return shown


def _call_excepthook(error: BaseException) -> None:
    """Hand an exception to the hook; one that the hook raises is told as Python tells it."""
    try:
        sys.excepthook(type(error), error, error.__traceback__)
    except Exception as failure:  # noqa: BLE001  the hook is the script's own
        failure.__traceback__ = _without_own(failure.__traceback__)
        failure.__context__ = None
        sys.stderr.write("Error in sys.excepthook:\n")
        traceback.print_exception(failure)
        sys.stderr.write("\nOriginal exception was:\n")
        traceback.print_exception(error)


def _hide_own_frames(error: BaseException | None, seen: set[int]) -> None:
    """Take this package's frames out of an exception's traceback, causes included."""
    if error is None or id(error) in seen:
        return
    seen.add(id(error))
    error.__traceback__ = _without_own(error.__traceback__)
    if isinstance(error, BaseExceptionGroup):
        for member in error.exceptions:
            _hide_own_frames(member, seen)
    _hide_own_frames(error.__cause__, seen)
    _hide_own_frames(error.__context__, seen)


def _without_own(entry: TracebackType | None) -> TracebackType | None:
    """The traceback without this package's frames, and those of torch that only they called."""
    kept: list[TracebackType] = []
    after_own = False
    while entry is not None:
        file = entry.tb_frame.f_code.co_filename
        after_own = file.startswith(_OWN) or (after_own and file == torch._ops.__file__)
        if not after_own:
            kept.append(entry)
        entry = entry.tb_next
    chain: TracebackType | None = None
    for entry in reversed(kept):
        chain = TracebackType(chain, entry.tb_frame, entry.tb_lasti, entry.tb_lineno)
    return chain
