"""Recording a script that nobody changed, run as ``python`` would run it."""

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
from dataclasses import dataclass
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import CodeType, ModuleType, TracebackType

import autograd_lens
from autograd_lens.capture.recorder import Limits, Recorder
from autograd_lens.capture.recording import (
    ending,
    ending_event,
    random_state,
    run_info,
    warn_of_lost_trace,
)
from autograd_lens.capture.schedule import parse_schedule
from autograd_lens.errors import RecordingError
from autograd_lens.trace.writer import TraceWriter

__all__ = ["ScriptResult", "run_script"]

_INTERRUPTED = 130  # what a shell reports of a program that Ctrl-C ended


@dataclass(frozen=True, slots=True)
class ScriptResult:
    """How a recorded script ended.

    Attributes:
        exit_code: What ``python`` would have exited with.
        steps: Steps that were recorded.
        parameters: Parameters that were seen.
        complete: Whether the trace could be written to its end.
    """

    exit_code: int
    steps: int
    parameters: int
    complete: bool


@dataclass(frozen=True, slots=True)
class _Program:
    """A script or module, ready to run."""

    code: CodeType
    path: str
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
    limits: Limits | None = None,
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
        limits: How much is kept of large values.

    Raises:
        RecordingError: There is no such script, or it does not compile.
        SelectionError: ``full`` is no choice of steps.
        TraceExistsError: ``output`` exists and ``force`` is false.
    """
    schedule = parse_schedule(full)
    program = _load_module(script) if module else _load_script(script)
    writer = TraceWriter.create(output, run_info(program.path, list(arguments), full), force=force)
    writer.on_failure = warn_of_lost_trace
    with _as_main(program, arguments) as main:
        writer.extra("random_state", random_state())
        recorder = Recorder(writer, schedule, limits or Limits())
        error = _execute(program, main, recorder)
        detail = _report(error) if error is not None else ""
    if error is not None and ending(error) != "finished":
        writer.event(ending_event(error, recorder.steps.index, detail))
    writer.close(ending(error))
    return ScriptResult(
        exit_code=_exit_code(error),
        steps=recorder.steps.index + 1,
        parameters=len(recorder.registry.records),
        complete=writer.failed is None,
    )


def _execute(program: _Program, main: ModuleType, recorder: Recorder) -> BaseException | None:
    recorder.start()
    try:
        exec(program.code, main.__dict__)  # noqa: S102  this is the user's own script
    except BaseException as error:  # noqa: BLE001  reported as python would
        return error
    finally:
        recorder.stop()
    return None


def _load_script(script: str) -> _Program:
    path = Path(script)
    try:
        with io.open_code(str(path.absolute())) as file:
            text = file.read()
    except OSError as error:
        msg = f"The script {script} cannot be read: {error.strerror or error}."
        raise RecordingError(msg, hint="Check its path.") from error
    return _Program(_compile(text, script), script, str(path.absolute().parent), None)


def _load_module(name: str) -> _Program:
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
    return _Program(code, spec.origin, str(Path.cwd()), spec)


def _compile(text: bytes, path: str) -> CodeType:
    try:
        return compile(text, path, "exec", dont_inherit=True)
    except (SyntaxError, ValueError) as error:
        shown = "".join(traceback.format_exception_only(error)).rstrip()
        msg = f"The script does not compile.\n{shown}\n"
        raise RecordingError(msg, hint="Nothing was run or recorded.") from error


@contextlib.contextmanager
def _as_main(program: _Program, arguments: Sequence[str]) -> Iterator[ModuleType]:
    """A new ``__main__`` with the program's arguments; the old one comes back at the end."""
    main = types.ModuleType("__main__")
    main.__dict__.update(
        __file__=program.path, __builtins__=builtins, __spec__=program.spec, __cached__=None
    )
    if program.spec is not None:
        main.__package__ = program.spec.parent
    before = sys.modules["__main__"], sys.argv, sys.path[:]
    sys.modules["__main__"] = main
    sys.argv = [program.path, *arguments]
    sys.path[:1] = [program.search]
    try:
        yield main
    finally:
        sys.modules["__main__"], sys.argv, sys.path[:] = before


def _exit_code(error: BaseException | None) -> int:
    if error is None:
        return 0
    if isinstance(error, SystemExit):
        if error.code is None:
            return 0
        return error.code if isinstance(error.code, int) else 1
    return _INTERRUPTED if isinstance(error, KeyboardInterrupt) else 1


def _report(error: BaseException) -> str:
    """Print an exception as Python would, and return what was printed."""
    if isinstance(error, SystemExit):
        if error.code is not None and not isinstance(error.code, int):
            sys.stderr.write(f"{error.code}\n")
        return ""
    _hide_own_frames(error, set())
    sys.stdout.flush()
    sys.excepthook(type(error), error, error.__traceback__)
    return "".join(traceback.format_exception(error))


def _hide_own_frames(error: BaseException | None, seen: set[int]) -> None:
    """Take this package's frames out of an exception's traceback, causes included."""
    if error is None or id(error) in seen:
        return
    seen.add(id(error))
    error.__traceback__ = _without_own(error.__traceback__)
    _hide_own_frames(error.__cause__, seen)
    _hide_own_frames(error.__context__, seen)


def _without_own(entry: TracebackType | None) -> TracebackType | None:
    own = str(Path(autograd_lens.__file__).parent) + os.sep
    kept: list[TracebackType] = []
    while entry is not None:
        if not entry.tb_frame.f_code.co_filename.startswith(own):
            kept.append(entry)
        entry = entry.tb_next
    chain: TracebackType | None = None
    for entry in reversed(kept):
        chain = TracebackType(chain, entry.tb_frame, entry.tb_lasti, entry.tb_lineno)
    return chain
