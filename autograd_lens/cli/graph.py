"""``autograd-lens graph``: the autograd graph of one step, as a picture."""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import replace
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Literal

import click

from autograd_lens.api import Trace
from autograd_lens.cli.files import explained, named_after, open_trace, say, shown, writable
from autograd_lens.cli.options import draws, speaks
from autograd_lens.errors import NotRecordedError, RenderError
from autograd_lens.trace.records import Step
from autograd_lens.trace.selection import select_step

if TYPE_CHECKING:
    from collections.abc import Sequence

    from autograd_lens.render.engines import Engine, Format
    from autograd_lens.render.graph import GraphOptions

__all__ = ["command", "draw_graph", "full_step"]

_TRIED = 4  # steps, where the last cannot be opened
Fold = Literal["auto", "always", "never"]


@click.command("graph", short_help="Draw the graph of a step, with values and gradients.")
@click.option(
    "--step",
    metavar="STEP",
    default="0",
    show_default=True,
    help="A step, or last: the last that can be opened.",
)
@click.option(
    "--backward", type=int, help="Which backward, from 0.  [default: the last that wrote gradients]"
)
@click.option(
    "--fold",
    type=click.Choice(["auto", "always", "never"]),
    default="auto",
    show_default=True,
    help="Draw modules as one box each; auto does where there are many nodes.",
)
@click.option("--depth", default=0, help="Levels of modules to draw.  [default: what fits a page]")
@click.option("--module", default="", metavar="PATH", help="Draw the inside of a module.")
@click.option(
    "--dot",
    metavar="PROGRAM",
    help="The Graphviz program to draw with.  [default: dot, else graphviz-pure]",
)
@speaks()
@draws("The picture: .svg, .png, .pdf or .dot.  [default: NAME-step0.svg]")
def command(
    file: Path | None,
    step: str,
    backward: int | None,
    output: Path | None,
    force: bool,
    fold: Fold,
    depth: int,
    module: str,
    dot: str | None,
    lang: str,
) -> None:
    """Draw torchviz's graph of one step's loss, with formulas, values and gradients.

    \b
    autograd-lens graph train.lens --step 0 -o graph.svg
    autograd-lens graph train.lens --module encoder.layers.0
    """
    from autograd_lens.render.graph import GraphOptions

    with open_trace(file, replay=True) as trace:
        index = select_step(step, len(trace.steps))
        chosen = _last_step(trace, index) if step == "last" else full_step(trace, index)
        target = output or named_after(trace.path, f"step{chosen.index}.svg")
        writable(target, force=force)
        look = GraphOptions(trace.source, fold, module=module, depth=depth, language=lang)
        look = replace(look, stopped=_stopped(trace, chosen))
        draw_graph(trace, chosen, target, backward=backward, look=look, program=dot)


def _stopped(trace: Trace, step: Step) -> str:
    """The error that ended the program in a step, with its line; ``""`` for none."""
    for event in trace.events:
        if event.kind == "exception" and event.step == step.index:
            lines = re.findall(r'File "(.+?)", line (\d+)', event.detail)
            own = [line for line in lines if trace.source(line[0]) is not None]
            where = f" ({PurePath(own[-1][0]).name}, line {own[-1][1]})" if own else ""
            return f"{event.message}{where}"
    return ""


def draw_graph(
    trace: Trace,
    step: Step,
    output: Path,
    *,
    backward: int | None = None,
    look: GraphOptions | None = None,
    program: str | None = None,
) -> None:
    """Draw the graph of a full step into a file, and say so."""
    from autograd_lens.render.engines import Drawing, find_engines, format_of, save_dot
    from autograd_lens.render.graph import GraphOptions, graph_dot

    format_of(output)  # an unknown suffix is told before any work is done
    chosen = step.main_backward if backward is None else backward
    source = graph_dot(step, chosen, look or GraphOptions(source=trace.source))
    with explained(output):
        if look is not None and look.language == "zh" and find_engines(program):
            output.write_bytes(_in_chinese(source, format_of(output), find_engines(program)))
            drawing = Drawing(output)
        else:
            drawing = save_dot(source, output, program)
    say(f"Wrote {shown(drawing.path)}")
    if drawing.hint:
        msg = f"{shown(output)} was not drawn."
        raise RenderError(msg, hint=drawing.hint)


def _in_chinese(source: str, wanted: Format, engines: Sequence[Engine]) -> bytes:
    from autograd_lens.render.engines import render_dot
    from autograd_lens.render.graph_words import with_letters

    if wanted == "dot":
        return source.encode()
    return with_letters(render_dot(source, "svg", engines), wanted)


def _last_step(trace: Trace, last: int) -> Step:
    """The last step with its tape; where that is not the last of the run, the reason is said.

    Raises:
        NotRecordedError: No step has one.
    """
    try:
        return full_step(trace, last)
    except NotRecordedError as error:
        before = [step for step in (last - 1, *sorted(trace.full_steps)[::-1]) if 0 <= step < last]
        for step in before[:_TRIED]:
            with suppress(NotRecordedError):
                chosen = full_step(trace, step)
                say(f"{error.args[0]}\nSo step {step} is drawn, the last that can be opened.")
                return chosen
        raise


def full_step(trace: Trace, index: int) -> Step:
    """A step with its tape.

    Raises:
        NotRecordedError: It was recorded at light level.
    """
    step = trace.steps[index]
    if step.level == "full":
        return step
    reason = f" {step.omitted[-1]}" if step.omitted else ""
    near = sorted(sorted(trace.full_steps, key=lambda full: abs(full - index))[:3])
    there = f"Steps near it that were: {', '.join(map(str, near))}." if near else ""
    again = "" if reason else f"Record it with: run --full default,{index}"
    msg = f"Step {index} was not recorded in full.{reason}"
    raise NotRecordedError(msg, hint=f"{there} {again}".strip())
