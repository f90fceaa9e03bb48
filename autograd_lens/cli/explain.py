"""``autograd-lens explain``: derive one gradient, or the loss, with the run's own numbers."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from autograd_lens.cli.files import open_trace, printer
from autograd_lens.cli.options import prints
from autograd_lens.errors import ReplayError, SelectionError
from autograd_lens.trace.reader import Trace
from autograd_lens.trace.selection import select_step

if TYPE_CHECKING:
    from rich.console import RenderableType

    from autograd_lens.analysis.explain import Derivation
    from autograd_lens.render.explain import Folding
    from autograd_lens.render.step_view import StepView

__all__ = ["command"]

_GRAD = ".grad"
_NUMERIC = "central differences of the loss in float64"


@click.command("explain", short_help="Derive one gradient, from the loss down.")
@prints(as_json="Print it as JSON.")
@click.argument("quantity", required=False, metavar="QUANTITY")
@click.option("--step", "step", default="0", show_default=True, metavar="STEP", help="Which step.")
@click.option("--depth", type=click.IntRange(0), help="Fold modules at this depth.")
@click.option("--module", help="Fold all modules but this one.")
@click.option(
    "--finite-differences", "numeric", is_flag=True, help="Check against finite differences, too."
)
@click.option("--latex", is_flag=True, help="Print the chain rule as LaTeX (amsmath).")
def command(
    file: Path | None,
    quantity: str | None,
    step: str,
    depth: int | None,
    module: str | None,
    numeric: bool,
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
    with open_trace(file, replay=True) as trace, printer(None, width) as console:
        from autograd_lens.render.explain import Folding

        number = select_step(step, len(trace.steps))
        chosen = quantity or _first(trace)
        if chosen == "loss":
            _explain_loss(trace, number, Folding(depth, module), console.width, latex, as_json)
            return
        view, derivation = _derived(trace, chosen, number, console.width, numeric=numeric)
        if latex or as_json:
            click.echo(_exported(view, derivation, latex=latex))
        else:
            console.print(_tree(view, derivation, Folding(depth, module)))


def _first(trace: Trace) -> str:
    return f"{next(iter(trace.parameters))}{_GRAD}" if trace.parameters else "loss"


def _derived(
    trace: Trace, quantity: str, number: int, width: int, *, numeric: bool
) -> tuple[StepView, Derivation]:
    from autograd_lens.analysis.explain import explain_gradient
    from autograd_lens.render.step_view import StepView, TraceOptions

    if not quantity.endswith(_GRAD):
        msg = f"{quantity!r} cannot be explained."
        raise SelectionError(msg, hint="Write loss, or a gradient such as w1.grad.")
    name = trace.parameter(quantity.removesuffix(_GRAD)).parameter.name
    view = StepView(trace.steps[number], trace.source, TraceOptions(width=width))
    derivation = explain_gradient(view.step, name, view.names)
    return view, _checked(view, derivation) if numeric else derivation


def _checked(view: StepView, derivation: Derivation) -> Derivation:
    """The derivation with what finite differences say of it."""
    from autograd_lens.analysis.story import Check
    from autograd_lens.replay.differences import check_gradients

    try:
        wrong = {each.name: str(each) for each in check_gradients(view.step)}
    except ReplayError as error:
        check = Check(_NUMERIC, None, str(error))
    else:
        apart = wrong.get(f"{derivation.parameter}{_GRAD}")
        check = Check(_NUMERIC, apart is None, f"differ: {apart}" if apart else "agree")
    return replace(derivation, checks=(*derivation.checks, check))


def _tree(view: StepView, derivation: Derivation, folding: Folding) -> RenderableType:
    from autograd_lens.render.explain import render_derivation

    return render_derivation(view, derivation, folding)


def _exported(view: StepView, derivation: Derivation, *, latex: bool) -> str:
    from autograd_lens.render.explain import derivation_data, derivation_latex

    return (
        derivation_latex(view, derivation)
        if latex
        else json.dumps(derivation_data(view, derivation))
    )


def _explain_loss(
    trace: Trace, number: int, folding: Folding, width: int, latex: bool, as_json: bool
) -> None:
    from autograd_lens.analysis.explain import explain_loss
    from autograd_lens.render.explain import evaluation_data, render_evaluation
    from autograd_lens.render.step_view import StepView, TraceOptions

    if latex:
        msg = "LaTeX is for gradients; the loss has none."
        raise SelectionError(msg, hint="Ask for a gradient such as w1.grad, or use --json.")
    view = StepView(trace.steps[number], trace.source, TraceOptions(width=width))
    evaluation = explain_loss(view.step)
    if as_json:
        click.echo(json.dumps(evaluation_data(view, evaluation)))
        return
    with printer(None, width) as console:
        console.print(render_evaluation(view, evaluation, folding))
