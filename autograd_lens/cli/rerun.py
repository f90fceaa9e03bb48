"""``autograd-lens rerun``: run a recorded script again, to see more of its steps in full.

NOTE 1 [It runs what a file names]: a recording may come from a stranger, and says itself which
script it was made of, with which arguments and where. So what would run is shown first, with
whether it is the code that was recorded, and runs only where somebody agreed. Code that lies
outside of the current folder is not run by agreeing alone: a recording that names a program of
the system with arguments of its choice looks like any other.
"""

from __future__ import annotations

import difflib
import os
import shlex
import sys
from dataclasses import dataclass
from pathlib import Path

import click

from autograd_lens.cli.files import open_trace, say, shown
from autograd_lens.cli.options import reads
from autograd_lens.errors import RecordingError
from autograd_lens.trace.reader import Trace
from autograd_lens.trace.schema import visible
from autograd_lens.trace.selection import select_steps

__all__ = ["command"]

_FEW = 8  # steps that are named
_COLUMNS = 70  # of a line of code that is shown


@click.command("rerun", short_help="Run a recorded script again, recording more steps in full.")
@reads()
@click.option(
    "--full",
    "steps",
    required=True,
    metavar="STEPS",
    help="Steps to add in full: 137,2500 or 0:10, every:100, last.",
)
@click.option("--yes", is_flag=True, help="Run it without asking.")
@click.option("--trust", is_flag=True, help="Run it even if it lies outside of this folder.")
@click.pass_context
def command(ctx: click.Context, file: Path | None, steps: str, *, yes: bool, trust: bool) -> None:
    """Run the script of a recording again, and add steps in full to the same file.

    The script gets the arguments, the working directory and the random states it had. Every
    step on the way is compared with the recording; the first difference stops the run and is
    told: the step, the tensor, and by how much.

    What will run is shown before, and asked for. A script outside of the current folder, or a
    module that is not a file in it, needs --trust: the recording says what to run, so be sure
    where it comes from.

    \b
    autograd-lens rerun train.lens --full 137,2500
    """
    with open_trace(file) as trace:
        path, wanted = trace.path, list(select_steps(steps, len(trace.steps)))
        missing = bool(set(wanted) - set(trace.full_steps))
        if missing:
            _agree(_program(trace), trace, yes=yes, trust=trust)
    from autograd_lens.capture.rerun import rerun

    result = rerun(path, wanted)
    written = ", ".join(map(str, result.written[:_FEW]))
    more = ", ..." if len(result.written) > _FEW else ""
    say(f"{result.checked:,} backwards compared with the recording, bit for bit.")
    if result.difference is not None:
        say(f"Stopped: {result.difference}.")
        say("This run is not the recorded one; nothing behind that step was added.")
    say(f"Added in full to {shown(path)}: {written or 'nothing'}{more}.")
    ctx.exit(1 if result.difference is not None else 0)


@dataclass(frozen=True, slots=True)
class _Program:
    """What a recording says that it was made of.

    Attributes:
        command: As one would type it behind ``python``.
        file: The file that would run, None where only an import would find it.
        folder: Where it would run.
    """

    command: str
    file: Path | None
    folder: Path


def _program(trace: Trace) -> _Program:
    info = trace.info
    module = info.options.get("module", "")
    if not module and not info.program:
        msg = "This recording was made in an interactive session: there is no script to run."
        raise RecordingError(msg, hint="Record the steps that you need with --full.")
    folder = Path(info.cwd)
    words = ["-m", module] if module else [info.program]
    file = _file_of(module, folder) if module else folder / info.program
    return _Program(shlex.join([*words, *info.argv]), file, folder)


def _file_of(module: str, folder: Path) -> Path | None:
    """The file of a module that ``python -m`` finds in a folder before it finds any other."""
    first, *rest = module.split(".")
    if first in sys.stdlib_module_names or not all(part.isidentifier() for part in (first, *rest)):
        return None
    below = folder.joinpath(first, *rest)
    found = below / "__main__.py", below.with_name(below.name + ".py")
    return next((file for file in found if file.is_file()), None)


def _agree(program: _Program, trace: Trace, *, yes: bool, trust: bool) -> None:
    """See that the user wants a program to run (NOTE 1).

    Raises:
        RecordingError: Nobody said so.
    """
    here = Path.cwd().resolve()
    file = None if program.file is None else program.file.resolve()
    inside = file is not None and file.is_relative_to(here)
    say(f"This runs: python {program.command}")
    say(f"in {program.folder}; {_compared(program.file, trace)}.")
    if not inside and not trust:
        where = "a module that is not a file in this folder" if file is None else f"{shown(file)}"
        msg = f"The recording asks to run {where}, outside of {shown(here)}."
        hint = "Go to its folder, or add --trust if you know where the recording comes from."
        raise RecordingError(msg, hint=hint)
    if yes:
        return
    if not _can_ask():
        msg = "Nobody can be asked whether to run it: there is no terminal."
        raise RecordingError(msg, hint="Add --yes to run it.")
    click.confirm("Run it?", default=False, abort=True, err=True)


def _can_ask() -> bool:
    return sys.stdin.isatty()


def _compared(file: Path | None, trace: Trace) -> str:
    """Whether a file is what was recorded, in words."""
    if file is None:
        return "what it would run is not known before it is imported"
    recorded = trace.source(os.path.join(trace.info.cwd, trace.info.program))  # noqa: PTH118  as frames name it
    if recorded is None:
        recorded = trace.source(str(file))
    if recorded is None:
        return "the recording does not hold its text, so that it cannot be compared"
    try:
        now = file.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        return f"it cannot be read ({error.strerror or error})"
    if now == recorded:
        return "it is the script that was recorded, unchanged"
    lines = difflib.unified_diff(recorded.splitlines(), now.splitlines(), n=0, lineterm="")
    changed = [line for line in lines if line[:1] in "+-" and line[:3] not in {"+++", "---"}]
    first = visible(next((line for line in changed if line[1:].strip()), "an empty one"))
    return (
        f"it is NOT what was recorded: {len(changed)} lines differ, the first: {first[:_COLUMNS]}"
    )
