"""The current event in detail, with its numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from rich.text import Text

from autograd_lens.analysis.events import BOOKKEEPING, StepEvent
from autograd_lens.render.layout import CODE, NAME, QUIET, folded
from autograd_lens.render.step_view import StepView
from autograd_lens.render.stepper.node_detail import node_lines
from autograd_lens.render.stepper.writing import named_value, sentence
from autograd_lens.render.worked import worked
from autograd_lens.trace.graph import operator_name, tensors
from autograd_lens.trace.records import Backward, Event, GradWrite, Kernel

__all__ = ["detail_lines"]

Lines = Iterator[Text]


def detail_lines(view: StepView, event: StepEvent, happenings: Sequence[Event] = ()) -> list[Text]:
    """What an event did, as lines no wider than ``view.width``.

    Args:
        view: The step, and how wide the pane is.
        event: The event.
        happenings: Events of the run.
    """
    if event.kind == "run":
        return list(_happening(view, happenings[event.item]))
    return list(_WRITERS[event.kind](view, event))


def _line(view: StepView, event: StepEvent) -> Lines:
    yield from _code(view, event)
    yield Text()
    for index in event.kernels:
        kernel = view.step.kernels[index]
        if operator_name(kernel) not in BOOKKEEPING:
            yield _operation(view, kernel)
            for use in kernel.outputs:
                yield from (
                    Text("  ") + text for text in named_value("", use.value, view.width - 2)
                )


def _kernel(view: StepView, event: StepEvent) -> Lines:
    kernel = view.step.kernels[event.item]
    yield _operation(view, kernel)
    where = f" in {kernel.module}" if kernel.module else ""
    yield from sentence(f"{kernel.op}{where}", view.width)
    yield Text()
    seen: set[int] = set()
    for use in tensors(kernel.inputs):
        if use.tensor not in seen:
            seen.add(use.tensor)
            yield from named_value(view.name(use), use.value, view.width)
    yield from _outputs(view, kernel)
    yield from _kept(view, kernel)


def _operation(view: StepView, kernel: Kernel) -> Text:
    made = view.results(kernel)
    text = Text(view.notation(kernel), style=NAME)
    return text.append_text(Text.assemble((" → ", QUIET), (made, NAME))) if made else text


def _outputs(view: StepView, kernel: Kernel) -> Lines:
    for use in kernel.outputs:
        yield from named_value(f"→ {view.name(use)}", use.value, view.width)


def _kept(view: StepView, kernel: Kernel) -> Lines:
    """What the node that the kernel made will do, and what it keeps for that."""
    backward = next(iter(view.step.backwards[kernel.backward : kernel.backward + 1]), None)
    if kernel.node is None or backward is None or backward.graph is None:
        return
    node = backward.graph.nodes[kernel.node]
    names = [view.name_of(each.tensor) for each in node.saved if each.tensor is not None]
    keeps = f", which keeps {', '.join(dict.fromkeys(names))}" if names else ""
    yield Text()
    yield from sentence(f"For the backward it made {node.name}{keeps}.", view.width)


def _engine(view: StepView, event: StepEvent) -> Lines:
    backward = view.step.backwards[event.backward]
    yield from _code(view, event)
    yield Text()
    for root in backward.roots:
        yield from named_value("from", root, view.width)
    yield from sentence(_engine_words(backward), view.width)
    if backward.error:
        yield Text()
        yield from folded(f"It raised {backward.error}", view.width, "bold red")
    if view.step.level == "light":
        yield Text()
        yield from _light(view)


def _engine_words(backward: Backward) -> str:
    flags = {"retain_graph": backward.retain_graph, "create_graph": backward.create_graph}
    given = ", ".join(f"{name}=True" for name, on in flags.items() if on)
    nodes = f"{len(backward.node_runs)} nodes ran" if backward.node_runs else "The engine ran"
    writes = len(backward.grad_writes)
    wrote = f"wrote {writes} .grad{'s' if writes != 1 else ''}"
    return f"{nodes} from the loss back to the parameters and {wrote}. {given}".strip()


def _light(view: StepView) -> Lines:
    yield from sentence(
        "This step was recorded light: losses, parameters and grads, no nodes between them. "
        "Press o to open it in full by replay, or record it with "
        f"--full {view.step.index}.",
        view.width,
    )


def _grad(view: StepView, event: StepEvent) -> Lines:
    write = view.step.backwards[event.backward].grad_writes[event.item]
    yield Text(f"{write.parameter}.grad", style=NAME)
    yield Text()
    if write.mode == "accumulate":
        yield from named_value("before", write.before, view.width)
        if write.incoming is not None:
            yield from named_value("+ arrived", write.incoming, view.width)
    yield from named_value("→ after", write.after, view.width)
    yield Text()
    yield from sentence(_grad_words(write), view.width)


def _grad_words(write: GradWrite) -> str:
    if write.mode == "set":
        return "Set: .grad was None, so what arrived became it."
    if write.before is not None and write.before.norm == 0:
        return "Added to the zeros that the last zeroing left."
    return (
        "Added to what was there: it was not cleared since the last backward, so .grad is "
        "the sum of both."
    )


def _update(view: StepView, event: StepEvent) -> Lines:
    update = view.step.updates[event.item]
    yield from _code(view, event) if update.source else iter(())
    numbers = worked(update, view.step.kernels)
    if update.expression:
        yield from _equation(update.parameter, update.expression, view.width)
    if numbers:
        element, arithmetic, result = numbers
        yield from _equation(f"{update.parameter}{element}", arithmetic, view.width)
        yield Text.assemble(" " * (len(update.parameter) + len(element)), (" = ", QUIET),
                            (result, NAME))  # fmt: skip
    yield Text()
    for name, value in (("before", update.before), (".grad", update.grad)):
        yield from named_value(name, value, view.width)
    yield from named_value("→ after", update.after, view.width)
    if view.step.level == "light":
        yield Text()
        yield from _light(view)


def _equation(name: str, expression: str, width: int) -> Lines:
    start = Text.assemble((name, NAME), (" ← ", QUIET))
    for row, text in enumerate(folded(expression, width - start.cell_len)):
        yield (start if not row else Text(" " * start.cell_len)) + text


def _zero(view: StepView, event: StepEvent) -> Lines:
    zero = view.step.zero_grads[event.item]
    yield from _code(view, event) if zero.source else iter(())
    yield Text(f"{zero.parameter}.grad", style=NAME)
    yield Text()
    yield from named_value("before", zero.before, view.width)
    yield from named_value("→ after", zero.after, view.width)
    yield Text()
    words = "Cleared, so that the next backward does not add to this step's gradient."
    gone = " It is None now: the next backward sets it." if zero.after is None else ""
    yield from sentence(words + gone, view.width)


def _happening(view: StepView, event: Event) -> Lines:
    yield Text(f"! {event.kind}", style="bold red")
    yield from folded(event.message, view.width)
    for row in event.detail.splitlines():
        yield from folded(row, view.width, QUIET) if row.strip() else [Text()]


def _code(view: StepView, event: StepEvent) -> Lines:
    code = view.trace.line(event.source)
    if code and event.source:
        yield from folded(code, view.width, CODE)


def _node(view: StepView, event: StepEvent) -> Lines:
    backward = view.step.backwards[event.backward]
    yield from node_lines(view, backward, backward.node_runs[event.item])


_WRITERS: Mapping[str, Callable[[StepView, StepEvent], Lines]] = {
    "engine": _engine,
    "grad": _grad,
    "kernel": _kernel,
    "line": _line,
    "node": _node,
    "update": _update,
    "zero": _zero,
}
