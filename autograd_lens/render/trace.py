"""One training step, printed to be read from top to bottom.

Forward lines in source order, backward nodes in the order the engine ran them, the
``.grad`` writes, the update as arithmetic, the zeroing.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from rich.console import Group, RenderableType
from rich.text import Text

from autograd_lens.render.layout import QUIET, cut, folded, heading, line
from autograd_lens.render.numbers import scalar
from autograd_lens.render.step_backward import backward_lines
from autograd_lens.render.step_forward import forward_lines
from autograd_lens.render.step_light import light_lines
from autograd_lens.render.step_update import update_lines, zero_lines
from autograd_lens.render.step_view import PHASES, StepView, TraceLike, TraceOptions
from autograd_lens.trace.records import Phase, Step

__all__ = ["TraceLike", "TraceOptions", "render_step"]


def render_step(
    step: Step, trace: TraceLike, options: TraceOptions | None = None
) -> RenderableType:
    """A step as lines of text, none wider than ``options.width``.

    Args:
        step: The step.
        trace: The trace it belongs to; asked for lines of code only.
        options: How to print it.
    """
    view = StepView(step, trace, options or TraceOptions())
    return Group(*(cut(text, view.width) for text in _lines(view)))


def _lines(view: StepView) -> Iterator[Text]:
    yield heading(f"Step {view.step.index}", _loss(view.step), view.width, "━")
    if view.step.level == "light":
        yield from light_lines(view)
    else:
        for phase in _order(view.step):
            if phase in view.options.phases:
                yield from _section(view, phase)
    yield from _omitted(view.step, view.width)


def _omitted(step: Step, width: int) -> Iterator[Text]:
    for sentence in step.omitted:
        for part in folded(sentence, width - 7, QUIET):
            yield line(part)


def _loss(step: Step) -> Text:
    words = {"recorded": "", "proved": "  replayed and proved", "differs": "  replay differs"}
    note = words.get(step.provenance, f"  {step.provenance}")
    if step.loss is None:
        return Text(f"no backward{note}")
    style = "bold" if math.isfinite(step.loss) else "bold red"
    return Text.assemble("loss ", (scalar(step.loss), style), note)


def _order(step: Step) -> list[Phase]:
    """The phases as they ran: some programs zero first."""
    first = {phase: len(step.kernels) for phase in PHASES}
    for kernel in reversed(step.kernels):
        first[kernel.phase] = kernel.index
    return sorted(PHASES, key=lambda phase: (first[phase], PHASES.index(phase)))


def _section(view: StepView, phase: Phase) -> Iterator[Text]:
    if phase == "forward" and any(kernel.phase == "forward" for kernel in view.step.kernels):
        yield from _spaced(forward_lines(view))
    elif phase == "backward":
        for backward in view.step.backwards:
            yield from _spaced(backward_lines(view, backward))
    elif phase == "update" and view.step.updates:
        yield from _spaced(update_lines(view))
    elif phase == "zero_grad" and view.step.zero_grads:
        yield from _spaced(zero_lines(view))


def _spaced(lines: Iterator[Text]) -> Iterator[Text]:
    yield Text()
    yield from lines
