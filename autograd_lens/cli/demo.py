"""``autograd-lens demo``: the whole main job on the classic first program."""

from __future__ import annotations

import contextlib
import importlib.util
import shutil
from collections.abc import Callable
from pathlib import Path

import click

import autograd_lens
from autograd_lens.api import Trace
from autograd_lens.cli.files import say, shown
from autograd_lens.errors import LensError, TraceExistsError

__all__ = ["command"]

_SCRIPT = "linear_regression.py"
_LAST = 4999
_FOLDER = "autograd_lens_demo"


@click.command("demo", short_help="Record a linear regression and draw all there is to see.")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    default=_FOLDER,
    show_default=True,
    metavar="DIR",
    help="The folder to fill.",
)
@click.option("-f", "--force", is_flag=True, help="Replace what an earlier demo left there.")
def command(output: Path, force: bool) -> None:
    """Record a linear regression and fill a folder with pictures and handouts of it.

    The first and the last step are printed.

    \b
    autograd-lens demo -o demo
    """
    script = _prepare(output, force=force)
    trace_file = output / "linear_regression.lens"
    say(f"Recording {_SCRIPT}: 5,000 steps of gradient descent ...")
    _record(script, trace_file)
    with Trace(trace_file) as trace:
        made = [script, trace_file, *(make(trace, output) for make in _MAKERS)]
        _print_ends(trace)
    say("")
    say("Made:")
    for path in made:
        say(f"  {shown(path)}")
    say("Next, try:")
    for line in _next(trace_file):
        say(f"  {line}")


def _prepare(output: Path, *, force: bool) -> Path:
    """An own copy of the program, in the folder that will hold everything.

    Raises:
        TraceExistsError: There is a demo already, and ``force`` was not given.
        LensError: The folder cannot be made.
    """
    script = output / _SCRIPT
    if script.exists() and not force:
        msg = f"There is a demo in {str(output)!r}."
        raise TraceExistsError(msg, hint="Add --force to make it again, or choose another -o.")
    try:
        output.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(_example(), script)
    except OSError as error:
        msg = f"The demo cannot be written to {str(output)!r}: {error.strerror or error}."
        raise LensError(msg, hint="Choose another folder with -o.") from error
    return script


def _example() -> Path:
    """The example, as installed or in a checkout."""
    package = Path(autograd_lens.__file__).parent
    installed = package / "examples" / _SCRIPT
    return installed if installed.exists() else package.parent / "examples" / _SCRIPT


def _record(script: Path, trace_file: Path) -> None:
    from autograd_lens.capture import run_script
    from autograd_lens.trace.recordings import remember

    full = f"default,{_LAST}"
    with contextlib.chdir(script.parent):
        result = run_script(_SCRIPT, [], Path(trace_file.name), full=full, force=True)
    if result.exit_code:
        msg = f"The example ended with exit status {result.exit_code}."
        raise LensError(msg, hint="What it printed above says why.")
    remember(trace_file)


def _print_ends(trace: Trace) -> None:
    from autograd_lens.cli.files import printer
    from autograd_lens.cli.trace import print_steps

    with printer(None) as console:
        print_steps(console, trace, [0, _LAST])


def _write_trace(trace: Trace, output: Path) -> Path:
    from autograd_lens.cli.files import printer
    from autograd_lens.cli.trace import print_steps

    path = output / "trace.txt"
    with printer(path) as console:
        print_steps(console, trace, [0, 1, 2, _LAST])
    return path


def _draw_first(trace: Trace, output: Path) -> Path:
    return _draw(trace, 0, output / "graph-first-step.svg")


def _draw_last(trace: Trace, output: Path) -> Path:
    return _draw(trace, _LAST, output / "graph-last-step.svg")


def _draw(trace: Trace, step: int, path: Path) -> Path:
    from autograd_lens.cli.graph import draw_graph, full_step

    draw_graph(trace, full_step(trace, step), path)
    return path


def _draw_path(trace: Trace, output: Path) -> Path:
    from autograd_lens.cli.path import draw_path

    path = output / "path.png"
    draw_path(trace, path)
    return path


def _ask_what_if(trace: Trace, output: Path) -> Path:
    """The same descent with the learning rate that is nearly too large."""
    from autograd_lens.cli.whatif import draw_whatif

    path = output / "whatif.png"
    draw_whatif(trace, path, 0, 60, {"lr": 1.5})
    return path


def _write_page(trace: Trace, output: Path) -> Path:
    return _write_handout(trace, output / "handout.html")


def _write_paper(trace: Trace, output: Path) -> Path:
    """The lesson on paper; as Markdown where no typesetter is installed."""
    typesetter = importlib.util.find_spec("typst")
    return _write_handout(trace, output / ("handout.pdf" if typesetter else "handout.md"))


def _write_handout(trace: Trace, path: Path) -> Path:
    from autograd_lens.cli.handout import write_handout

    write_handout(trace, path, [0, 1, _LAST])
    return path


def _write_notebook(trace: Trace, output: Path) -> Path:
    return _write_handout(trace, output / "handout.ipynb")


def _write_exercise(trace: Trace, output: Path) -> Path:
    """The exercise; its answers stand in a file beside it."""
    from autograd_lens.cli.handout import write_worksheet
    from autograd_lens.render.handout.worksheet import SheetOptions

    path, key = output / "worksheet.html", output / "worksheet-answers.html"
    write_worksheet(trace, path, key, [0, 1, _LAST], "en", SheetOptions())
    return path


def _photograph(trace: Trace, output: Path) -> Path:
    """The debugger where the gradient goes back through the matrix product."""
    from autograd_lens.cli.step import photograph

    path = output / "debugger.svg"
    photograph(trace, path, "2:k17", (110, 36))
    return path


def _animate(trace: Trace, output: Path) -> Path:
    from autograd_lens.cli.animate import write_animation

    path = output / "descent.gif"
    write_animation(trace, path)
    return path


_MAKERS: tuple[Callable[[Trace, Path], Path], ...] = (
    _write_trace,
    _draw_first,
    _draw_last,
    _draw_path,
    _ask_what_if,
    _write_page,
    _write_paper,
    _write_notebook,
    _write_exercise,
    _photograph,
    _animate,
)


def _next(trace_file: Path) -> list[str]:
    name = shown(trace_file)
    return [
        f"autograd-lens trace {name} --steps 100 --phase backward",
        f"autograd-lens graph {name} --step 100 -o step100.png",
        f"autograd-lens step {name}",
        f"autograd-lens whatif {name} --set lr=1.7",
        "autograd-lens run your_script.py",
    ]
