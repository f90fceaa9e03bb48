"""``autograd-lens diff``: where two recordings first part, and why."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from autograd_lens.cli.files import (
    drawable,
    explained,
    open_trace,
    printer,
    say,
    shown,
    writable,
)
from autograd_lens.cli.options import width_option
from autograd_lens.errors import RenderError, SelectionError

if TYPE_CHECKING:
    from autograd_lens.analysis.comparison import Comparison
    from autograd_lens.api import Trace

__all__ = ["command"]

_ROUNDING = 3  # exit status


@click.command("diff", short_help="Where two recordings first part, and why.")
@click.argument("one", type=click.Path(path_type=Path), metavar="A")
@click.argument("other", type=click.Path(path_type=Path), metavar="B")
@click.option(
    "--tolerance",
    default="derived",
    show_default=True,
    metavar="derived|0|1e-6",
    help="What counts as rounding: what float64 shows to be, nothing, or so much.",
)
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
@width_option()
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="A page with both graphs (.html), or both losses as a picture (.png, .svg, .pdf).",
)
@click.option("-f", "--force", is_flag=True, help="Overwrite the picture.")
@click.pass_context
def command(
    ctx: click.Context,
    one: Path,
    other: Path,
    tolerance: str,
    as_json: bool,
    width: int | None,
    output: Path | None,
    force: bool,
) -> None:
    """Lay two recordings beside each other, and say where they first differ: step, kernel, line.

    Parameters are the same by name, else by what they begin with. The exit status is 0 where
    the runs are equal, 3 where they differ by rounding alone, and 1 where they differ.

    \b
    autograd-lens diff before.lens after.lens
    autograd-lens diff a.lens b.lens --tolerance 1e-6
    autograd-lens diff a.lens b.lens -o diff.html
    """
    most = _tolerance(tolerance)
    target = None if output is None else _target(output, force=force)
    with open_trace(one, replay=True) as left, open_trace(other, replay=True) as right:
        from autograd_lens.api import diff
        from autograd_lens.render.diff import diff_json, render_diff

        found = diff(left, right, tolerance=most or 0.0)
        if as_json:
            click.echo(json.dumps(diff_json(found)))
        else:
            with printer(None, width) as console:
                names = _names(one, other)
                console.print(render_diff(found, names, width=console.width))
        if target is not None:
            _draw(found, _names(one, other), (left, right), target)
    rounding = found.rounding and most is None
    ctx.exit(0 if found.equal else _ROUNDING if rounding else 1)


def _target(output: Path, *, force: bool) -> Path:
    page = output.suffix.lower() == ".html"
    return writable(output, force=force) if page else drawable(output, force=force)


def _draw(
    found: Comparison, names: tuple[str, str], traces: tuple[Trace, Trace], target: Path
) -> None:
    from autograd_lens.render.diff import headline, place
    from autograd_lens.render.plots.diff import diff_figure
    from autograd_lens.render.plots.style import figure_bytes

    losses = traces[0].losses, traces[1].losses
    page = target.suffix.lower() == ".html"
    said = "" if page else headline(found)
    note = place(found.parting) if found.parting is not None and not page else ""
    figure = diff_figure(found, names, losses, said, note)
    drawn = figure_bytes(figure, "svg" if page else target.suffix.lower()[1:])  # type: ignore[arg-type]
    if page:
        from autograd_lens.render.diff_page import Drawn, diff_page

        graphs = _graphs(found, traces)
        drawn = diff_page(found, names, Drawn(graphs, drawn.decode())).encode()
    with explained(target):
        target.write_bytes(drawn)
    say(f"Wrote {shown(target)}")


def _graphs(found: Comparison, traces: tuple[Trace, Trace]) -> tuple[str, str]:
    """The graphs of the step where they part, what differs marked; ``""`` where none is there."""
    from autograd_lens.analysis.alignment import nodes_apart
    from autograd_lens.render.engines import render_dot
    from autograd_lens.render.graph import GraphOptions, graph_dot

    if found.parting is None:
        return "", ""
    steps = [trace.steps[min(found.parting.step, len(trace.steps) - 1)] for trace in traces]
    if not all(step.kernels and step.backwards for step in steps):
        return "", ""
    marked = nodes_apart(steps[0], steps[1], found.partners)
    drawn = []
    for trace, step, nodes in zip(traces, steps, marked, strict=True):
        look = GraphOptions(source=trace.source, marked=nodes)
        try:
            dot = graph_dot(step, step.main_backward, look)
            drawn.append(render_dot(dot, "svg").decode())
        except RenderError:
            drawn.append("")
    return drawn[0], drawn[1]


def _tolerance(text: str) -> float | None:
    """The number that was given; None for ``derived``."""
    if text == "derived":
        return None
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not 0 <= number < float("inf"):
        msg = f"{text!r} is no tolerance."
        raise SelectionError(msg, hint="Write derived, 0, or a small number such as 1e-6.")
    return number


def _names(one: Path, other: Path) -> tuple[str, str]:
    """Short names of both files, told apart."""
    if one.name != other.name:
        return one.stem, other.stem
    return str(one), str(other)
