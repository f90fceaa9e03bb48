"""``autograd-lens verify``: execute a recording again and compare it, bit for bit."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from autograd_lens.cli.files import open_trace, printer
from autograd_lens.cli.options import prints
from autograd_lens.trace.selection import select_steps

__all__ = ["command"]


@click.command("verify", short_help="Execute a recording again and compare it, bit for bit.")
@click.option(
    *("--steps", "--step", "steps"),
    metavar="STEPS",
    default="all",
    show_default=True,
    help="For example 0:100, every:10, last.",
)
@click.option(
    "--finite-differences",
    is_flag=True,
    help="Check gradients against central differences in float64, too.",
)
@prints()
@click.pass_context
def command(
    ctx: click.Context,
    file: Path | None,
    steps: str,
    finite_differences: bool,
    width: int | None,
) -> None:
    """Execute the recorded kernels again and compare loss, gradients and updates bit for bit.

    Needs the recording alone, not the program. The exit status is 1 where anything
    differs, and where nothing at all could be checked.

    \b
    autograd-lens verify train.lens
    autograd-lens verify --steps 0:10 --finite-differences
    """
    with open_trace(file) as trace:
        chosen = select_steps(steps, len(trace.steps))
        from autograd_lens.render.verify import render_verification
        from autograd_lens.replay.verify import verify

        with _progress(len(chosen)) as done:
            result = verify(trace, chosen, finite_differences=finite_differences, progress=done)
        with printer(None, width) as console:
            console.print(render_verification(result, width=console.width))
    checked = any(check.steps for check in result.checks)
    ctx.exit(0 if checked and not result.differs else 1)


@contextmanager
def _progress(total: int) -> Iterator[Callable[[int], None]]:
    """A progress bar on stderr, where that is a terminal."""
    from rich.console import Console
    from rich.progress import Progress

    if not sys.stderr.isatty():
        yield lambda _done: None
        return
    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("Verifying", total=total)
        yield lambda done: progress.update(task, completed=done)
