"""``autograd-lens rerun``: run a recorded script again, to see more of its steps in full."""

from __future__ import annotations

from pathlib import Path

import click

from autograd_lens.cli.files import open_trace, say, shown
from autograd_lens.cli.options import reads
from autograd_lens.trace.selection import select_steps

__all__ = ["command"]

_FEW = 8  # steps that are named


@click.command("rerun", short_help="Run a recorded script again, recording more steps in full.")
@reads()
@click.option(
    "--full",
    "steps",
    required=True,
    metavar="STEPS",
    help="Steps to add in full: 137,2500 or 0:10, every:100, last.",
)
@click.pass_context
def command(ctx: click.Context, file: Path | None, steps: str) -> None:
    """Run the script of a recording again, and add steps in full to the same file.

    The script gets the arguments, the working directory and the random states it had. Every
    step on the way is compared with the recording; the first difference stops the run and is
    told: the step, the tensor, and by how much.

    \b
    autograd-lens rerun train.lens --full 137,2500
    """
    with open_trace(file) as trace:
        path, wanted = trace.path, list(select_steps(steps, len(trace.steps)))
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
