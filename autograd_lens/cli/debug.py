"""``autograd-lens debug``: record a script, then walk through what it did."""

from __future__ import annotations

from pathlib import Path

import click

from autograd_lens.cli.files import force_option, output_option, say, writable
from autograd_lens.cli.step import walk

__all__ = ["command"]


@click.command(
    "debug",
    short_help="Record a training script, then walk through it.",
    context_settings={"allow_interspersed_args": False},
)
@output_option("The trace to write.  [default: SCRIPT.lens]")
@force_option()
@click.option(
    "--full",
    default="default",
    show_default="0, 1, 2, then 5, 10, 20, 50, 100, ...",
    metavar="STEPS",
    help="Steps to record with every value, as for run.",
)
@click.argument("script")
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED, metavar="[ARGS]...")
def command(
    script: str, arguments: tuple[str, ...], output: Path | None, force: bool, full: str
) -> None:
    """Run SCRIPT unmodified and record it, then open the recording as `step` does.

    \b
    autograd-lens debug train.py --lr 0.1
    """
    from autograd_lens.capture import run_script
    from autograd_lens.trace.latest import remember

    target = writable(output or Path(f"{Path(script).stem}.lens"), force=force)
    result = run_script(script, arguments, target, full=full, force=force)
    remember(target)
    if result.exit_code:
        say(f"The script ended with status {result.exit_code}; here is how it went.")
    walk(target, "last" if result.exit_code and result.steps else "0")
