"""``autograd-lens export``: a recording as JSON lines, or for other tools that look at runs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from autograd_lens.api import Trace
from autograd_lens.cli.files import open_trace, writable, write_lines
from autograd_lens.cli.options import prints
from autograd_lens.errors import SelectionError
from autograd_lens.trace.selection import select_steps

__all__ = ["command"]

_FEW = 16  # elements of a value that is written in any case


@click.command("export", short_help="Write a recording for other tools: JSON lines, Perfetto, ...")
@click.option(
    "--to",
    "target",
    type=click.Choice(["json", "perfetto"]),
    default="json",
    show_default=True,
    help="What to write.",
)
@click.option(
    "--steps", metavar="STEPS", help="For example 0:3, 0,5,-1, every:100.  [default: all]"
)
@click.option(
    "--values", is_flag=True, help="json: large values, too, not their type, shape and norm alone."
)
@prints(width=False, output="The file to write.  [default: as the format is used to]")
def command(
    file: Path | None,
    target: str,
    steps: str | None,
    values: bool,
    output: Path | None,
    force: bool,
) -> None:
    """Write a recording as other tools read it.

    json: one JSON object a step: loss, parameters, grads, and all of a full step; of values of
    more than 16 elements their type, shape and norm. To standard output, or into FILE.

    perfetto: a Chrome trace for ui.perfetto.dev, NAME.perfetto.json: modules, forward, backward
    and update as nested slices, with values in their arguments; losses, rates and the norm of
    the gradient as counters. Steps that --steps names are replayed where they are not full. Its
    clock counts kernels: times are not recorded.

    \b
    autograd-lens export train.lens --steps 0:3
    autograd-lens export train.lens --steps 0:3 --values
    autograd-lens export train.lens -o steps.jsonl
    autograd-lens export train.lens --to perfetto
    """
    if values and target != "json":
        msg = f"--values is for json; {target} shows each value on a line."
        raise SelectionError(msg, hint="Leave it out.")
    with open_trace(file, replay=True, whole=values) as trace:
        chosen = select_steps(steps or "all", len(trace.steps))
        if target == "json":
            _write_json(trace, chosen, output and writable(output, force=force), values=values)
        else:
            default = Path(f"{trace.path.stem}.perfetto.json")
            place = writable(output or default, force=force)
            _write_perfetto(trace, chosen, place, replay=steps is not None)


def _write_json(trace: Trace, chosen: Sequence[int], output: Path | None, *, values: bool) -> None:
    from autograd_lens.trace.export import json_lines

    write_lines(output, json_lines(trace.steps, chosen, most=None if values else _FEW))


def _write_perfetto(trace: Trace, chosen: Sequence[int], output: Path, *, replay: bool) -> None:
    from autograd_lens.trackers.perfetto import perfetto_lines

    opened = chosen if replay else trace.full_steps
    write_lines(output, perfetto_lines(trace, sorted(chosen), opened))
