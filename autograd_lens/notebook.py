"""``%load_ext autograd_lens``: a cell that begins with ``%%lens`` is recorded and shown.

The page stands below the cell, in a frame of its own. Recorded again, the cell's earlier
recording is put aside as those of ``autograd-lens run`` are.
"""

from __future__ import annotations

import argparse
import ast
import contextlib
import html
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from autograd_lens.api import open as open_trace
from autograd_lens.api import record
from autograd_lens.errors import SelectionError
from autograd_lens.pages import run_page
from autograd_lens.trace.recordings import set_aside
from autograd_lens.trace.selection import select_steps

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

__all__ = ["load"]

_NAME = Path("cell.lens")
_VARIABLE = "lens_trace"


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """Say what was wrong instead of ending the kernel."""
        msg = f"%%lens: {message}."
        raise SelectionError(msg, hint=self.format_usage().strip())


def _options() -> argparse.ArgumentParser:
    parser = _Parser("%%lens", add_help=False, allow_abbrev=False)
    parser.add_argument("-o", "--output", type=Path, default=_NAME)
    parser.add_argument("--full", default="default")
    parser.add_argument("--steps")
    parser.add_argument("--lang", choices=("en", "zh"), default="en")
    parser.add_argument("--height", type=int, default=860)
    parser.add_argument("--no-page", action="store_true")
    return parser


def load(shell: InteractiveShell) -> None:
    """Teach a notebook's kernel the cell magic ``%%lens``."""

    def lens(line: str, cell: str) -> None:
        """Record this cell and show the run below it; the trace is ``lens_trace``.

        %%lens [-o run.lens] [--full STEPS] [--steps STEPS] [--lang zh] [--height N] [--no-page]
        """
        given = _options().parse_args(shlex.split(line))
        with _recorded(given.output, given.full):
            _run(shell, cell)
        trace = open_trace(given.output)
        shell.user_ns[_VARIABLE] = trace
        if not given.no_page and len(trace.steps):
            steps = select_steps(given.steps, len(trace.steps)) if given.steps else ()
            _show(run_page(trace, steps, given.lang), given.height)

    shell.register_magic_function(lens, "cell", "lens")  # type: ignore[arg-type]  # its stub is wrong


@contextlib.contextmanager
def _recorded(path: Path, full: str) -> Iterator[None]:
    set_aside(path)
    with record(path, full=full, force=True):
        yield


def _run(shell: InteractiveShell, cell: str) -> None:
    """Run a cell as the shell does, its last expression shown, its lines known by their text."""
    from IPython.display import display

    code = shell.transform_cell(cell)
    file = shell.compile.cache(code, shell.execution_count, raw_code=cell)
    body = ast.parse(code, file).body
    last = body.pop() if body and isinstance(body[-1], ast.Expr) else None
    exec(compile(ast.Module(body, []), file, "exec"), shell.user_ns)  # noqa: S102  it is the user's
    if isinstance(last, ast.Expr):
        value = eval(compile(ast.Expression(last.value), file, "eval"), shell.user_ns)  # noqa: S307  as above
        if value is not None:
            display(value)


def _show(page: str, height: int) -> None:
    from IPython.display import display

    frame = (
        f'<iframe srcdoc="{html.escape(page)}" title="autograd_lens" sandbox="allow-scripts" '
        f'style="width:100%;height:{height}px;border:0"></iframe>'
    )
    display({"text/html": frame, "text/plain": "the page of this run"}, raw=True)
