"""``autograd-lens find``: the first step in which something holds, and what led to it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click
import numpy as np

from autograd_lens.cli.files import open_trace, printer
from autograd_lens.cli.options import prints

if TYPE_CHECKING:
    from autograd_lens.doctor.chain import Link
    from autograd_lens.trace.reader import Trace

__all__ = ["command"]


@click.command("find", short_help="The first step in which something holds, and what led to it.")
@prints(as_json="Print it as JSON.")
@click.argument("condition", required=False, metavar="CONDITION")
@click.pass_context
def command(
    ctx: click.Context,
    file: Path | None,
    condition: str | None,
    as_json: bool,
    width: int | None,
) -> None:
    """Find the first step in which CONDITION holds, and the chain behind it.

    A condition is written as in the debugger: isnan(loss), loss > 10, norm(w1.grad) < 1e-6,
    not isfinite(b1). The exit status is 1 where it never holds.

    \b
    autograd-lens find train.lens 'isnan(loss)'
    autograd-lens find 'norm(w1.grad) > 100'
    """
    if condition is None and file is not None and not file.exists():
        file, condition = None, str(file)  # FILE was left out
    asked = condition or "not isfinite(loss)"
    with open_trace(file, replay=True) as trace:
        from autograd_lens.analysis.conditions import condition_on
        from autograd_lens.doctor.chain import chain_behind

        steps = np.flatnonzero(condition_on(trace, asked).holds(trace)).tolist()
        links = chain_behind(trace, steps[0]) if steps else ()
        if as_json:
            click.echo(json.dumps(_data(trace, asked, steps, links)))
        else:
            from autograd_lens.render.chain import render_chain

            with printer(None, width) as console:
                losses = trace.losses
                console.print(render_chain(asked, steps, losses, links, width=console.width))
    ctx.exit(0 if steps else 1)


def _data(trace: Trace, condition: str, steps: list[int], links: tuple[Link, ...]) -> object:
    from autograd_lens.render.chain import link_json

    return {
        "condition": condition,
        "steps": len(trace.steps),
        "holds_in": len(steps),
        "first": steps[0] if steps else None,
        "chain": [link_json(link) for link in links],
    }
