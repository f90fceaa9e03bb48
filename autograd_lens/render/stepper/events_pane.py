"""The events of a step as a list, the current one marked."""

from __future__ import annotations

from collections.abc import Sequence

from rich.text import Text

from autograd_lens.analysis.events import StepEvent
from autograd_lens.render.layout import CODE, NAME, QUIET
from autograd_lens.render.numbers import brief_value
from autograd_lens.render.step_view import StepView
from autograd_lens.trace.records import Event

__all__ = ["event_lines", "event_title"]

_PHASES = {
    "forward": "Forward",
    "backward": "Backward",
    "update": "Update",
    "zero_grad": "Zero grad",
}


def event_lines(
    view: StepView, events: Sequence[StepEvent], happenings: Sequence[Event]
) -> tuple[list[Text], list[int]]:
    """A heading for each part of the step, and its events.

    Returns:
        The lines without any mark, and the line of each event.
    """
    lines: list[Text] = []
    places: list[int] = []
    previous = None
    for event in events:
        if event.phase != previous:
            lines.append(Text(_PHASES[event.phase], style=NAME))
            previous = event.phase
        places.append(len(lines))
        lines.append(Text("  ").append_text(event_title(view, event, happenings)))
    return lines, places


def event_title(view: StepView, event: StepEvent, happenings: Sequence[Event]) -> Text:
    """One event in a few words, its result behind it."""
    if event.kind == "line":
        return Text.assemble((view.trace.line(event.source) or "a line", CODE))
    if event.kind == "kernel":
        return _kernel(view, event)
    if event.kind == "engine":
        return _engine(view, event)
    if event.kind == "node":
        return _node(view, event)
    if event.kind == "run":
        happened = happenings[event.item]
        return Text(f"! {happened.kind}: {happened.message}", style="bold red")
    return _parameter(view, event)


def _kernel(view: StepView, event: StepEvent) -> Text:
    kernel = view.step.kernels[event.item]
    made = view.results(kernel)
    shown = brief_value(kernel.outputs[0].value) if kernel.outputs else Text()
    text = Text.assemble("  ", view.notation(kernel))
    return text.append_text(Text.assemble((" → ", QUIET), made, "  ", shown)) if made else text


def _engine(view: StepView, event: StepEvent) -> Text:
    backward = view.step.backwards[event.backward]
    usual = "loss.backward()" if backward.kind == "backward" else "torch.autograd.grad(...)"
    text = Text(view.trace.line(event.source) or usual, style=CODE)
    return text.append("  raised an error", style="bold red") if backward.error else text


def _node(view: StepView, event: StepEvent) -> Text:
    backward = view.step.backwards[event.backward]
    run = backward.node_runs[event.item]
    graph = backward.graph
    node = graph.nodes[run.node] if graph else None
    text = Text.assemble((f"{run.order + 1:>3} ", QUIET), node.name if node else "a node")
    if node is not None and node.variable:
        return text.append(f" {node.variable}")
    if node is not None and node.forward_kernel is not None:
        kernel = view.step.kernels[node.forward_kernel]
        text.append(f"  {view.notation(kernel)}", style=QUIET)
    return text


def _parameter(view: StepView, event: StepEvent) -> Text:
    step = view.step
    if event.kind == "grad":
        write = step.backwards[event.backward].grad_writes[event.item]
        sign = " = " if write.mode == "set" else " += "
        value = write.incoming if write.incoming is not None else write.after
        return Text.assemble(
            "    " if step.level == "full" else "  ",
            (f"{write.parameter}.grad", NAME), (sign, QUIET), brief_value(value),
        )  # fmt: skip
    if event.kind == "update":
        update = step.updates[event.item]
        return Text.assemble(
            "  ", (update.parameter, NAME), (" ← ", QUIET), brief_value(update.after)
        )
    zero = step.zero_grads[event.item]
    return Text.assemble(
        "  ", (f"{zero.parameter}.grad", NAME), (" → ", QUIET), brief_value(zero.after)
    )
