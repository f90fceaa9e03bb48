"""``autograd-lens debug``: record a script, then walk through what it did."""

from __future__ import annotations

from pathlib import Path

import click

from autograd_lens.cli.files import record_script, say
from autograd_lens.cli.options import ScriptCommand, records
from autograd_lens.cli.step import walk

__all__ = ["command"]


@click.command(
    "debug",
    short_help="Record a training script, then walk through it.",
    cls=ScriptCommand,
    context_settings={"allow_interspersed_args": False},
)
@click.option(
    "--full",
    default="default",
    show_default="0, 1, 2, then of 5, 10, 20, 50, 100, ... what takes little of the time",
    metavar="STEPS",
    help="Steps to record with every value, as for run.",
)
@click.argument("script")
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED, metavar="[ARGS]...")
@records()
def command(
    script: str, arguments: tuple[str, ...], output: Path | None, force: bool, full: str
) -> None:
    """Run SCRIPT unmodified and record it, then open the recording as `step` does.

    \b
    autograd-lens debug train.py --lr 0.1
    """
    target, result = record_script(script, arguments, output, force=force, full=full)
    if result.exit_code:
        say(f"The script ended with status {result.exit_code}; here is how it went.")
    walk(target, "last" if result.exit_code and result.steps else "0")
