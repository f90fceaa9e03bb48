"""``autograd-lens ranks``: the recordings of processes that trained together, side by side."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

import click

from autograd_lens.cli.files import open_trace, printer
from autograd_lens.cli.options import width_option

__all__ = ["command"]


@click.command("ranks", short_help="Processes that trained together, side by side.")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
@width_option()
@click.pass_context
def command(ctx: click.Context, files: tuple[Path, ...], as_json: bool, width: int | None) -> None:
    """Lay the recordings of all ranks beside each other, and say what is not as it has to be.

    Recorded under torchrun, each process writes a file of its own. Where parameters begin or
    become unlike, gradients are not averaged, batches are the same, parameters are not used or
    processes wait in different places, the rank, the step and the line are named. The exit
    status is 1 where there is such a thing.

    \b
    torchrun --nproc-per-node 2 -m autograd_lens run train.py
    autograd-lens ranks train.rank*.lens
    """
    from autograd_lens.analysis.ranks import compare_ranks
    from autograd_lens.render.ranks import ranks_json, render_ranks

    with contextlib.ExitStack() as stack:
        found = compare_ranks([stack.enter_context(open_trace(file)) for file in files])
        if as_json:
            click.echo(json.dumps(ranks_json(found)))
        else:
            with printer(None, width) as console:
                console.print(render_ranks(found, width=console.width))
    ctx.exit(1 if found.faulty else 0)
