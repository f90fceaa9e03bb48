"""``autograd-lens explain``: derive one gradient, or the loss, with the run's own numbers."""

from __future__ import annotations

import json
from pathlib import Path

import click

from autograd_lens.cli.files import file_argument, open_trace
from autograd_lens.cli.printing import printer
from autograd_lens.errors import SelectionError
from autograd_lens.trace.reader import Trace
from autograd_lens.trace.selection import select_step

__all__ = ["command"]

_GRAD = ".grad"


@click.command("explain", short_help="Derive one gradient, from the loss down.")
@file_argument()
@click.argument("quantity", required=False, metavar="QUANTITY")
@click.option("--step", "step", default="0", show_default=True, metavar="STEP", help="Which step.")
@click.option("--depth", type=click.IntRange(0), help="Fold modules at this depth.")
@click.option("--module", help="Fold all modules but this one.")
@click.option("--latex", is_flag=True, help="Print the chain rule as LaTeX (amsmath).")
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
@click.option("--width", type=click.IntRange(40), help="Columns.  [default: the terminal's]")
def command(
    file: Path | None,
    quantity: str | None,
    step: str,
    depth: int | None,
    module: str | None,
    latex: bool,
    as_json: bool,
    width: int | None,
) -> None:
    """Derive QUANTITY: a gradient such as w1.grad, or loss.

    \b
    autograd-lens explain train.lens w1.grad --step 0
    autograd-lens explain train.lens loss --step last
    autograd-lens explain w1.grad --latex
    """
    if quantity is None and file is not None and not file.exists():
        file, quantity = None, str(file)  # FILE was left out
    with open_trace(file) as trace:
        number = select_step(step, len(trace.steps))
        chosen = quantity or _first(trace)
        if latex or as_json:
            click.echo(_exported(trace, chosen, number, latex=latex))
            return
        from autograd_lens.render.explain import Folding

        with printer(None, width) as console:
            folding = Folding(depth, module)
            console.print(_tree(trace, chosen, number, folding, console.width))


def _first(trace: Trace) -> str:
    return f"{next(iter(trace.parameters))}{_GRAD}" if trace.parameters else "loss"


def _parameter(trace: Trace, quantity: str) -> str:
    if not quantity.endswith(_GRAD):
        msg = f"{quantity!r} cannot be explained."
        raise SelectionError(msg, hint="Write loss, or a gradient such as w1.grad.")
    return trace.parameter(quantity.removesuffix(_GRAD)).parameter.name


def _tree(trace: Trace, quantity: str, number: int, folding: object, width: int) -> object:
    from autograd_lens.analysis.explain import explain_gradient, explain_loss
    from autograd_lens.render.explain import Folding, render_derivation, render_evaluation
    from autograd_lens.render.step_view import StepView, TraceOptions

    how = folding if isinstance(folding, Folding) else None
    if quantity == "loss":
        step = trace.steps[number]
        view = StepView(step, trace, TraceOptions(width=width))
        return render_evaluation(view, explain_loss(step), how)
    name = _parameter(trace, quantity)
    step = trace.steps[number]
    view = StepView(step, trace, TraceOptions(width=width))
    return render_derivation(view, explain_gradient(step, name, view.name), how)


def _exported(trace: Trace, quantity: str, number: int, *, latex: bool) -> str:
    from autograd_lens.analysis.explain import explain_gradient, explain_loss
    from autograd_lens.render.explain_export import (
        derivation_data,
        derivation_latex,
        evaluation_data,
    )
    from autograd_lens.render.step_view import StepView, TraceOptions

    if quantity == "loss":
        if latex:
            msg = "LaTeX is for gradients; the loss has none."
            raise SelectionError(msg, hint="Ask for a gradient such as w1.grad, or use --json.")
        step = trace.steps[number]
        view = StepView(step, trace, TraceOptions())
        return json.dumps(evaluation_data(view, explain_loss(step)))
    name = _parameter(trace, quantity)
    step = trace.steps[number]
    view = StepView(step, trace, TraceOptions())
    derivation = explain_gradient(step, name, view.name)
    return derivation_latex(derivation) if latex else json.dumps(derivation_data(view, derivation))
