"""The current event in detail, with its numbers, and what the doctor says of its step."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from rich.text import Text

from autograd_lens.analysis.events import BOOKKEEPING, StepEvent
from autograd_lens.analysis.story import Incoming, Kept, NodeStory, Outgoing, formula
from autograd_lens.render.graph_text import saved
from autograd_lens.render.layout import CODE, NAME, QUIET, folded
from autograd_lens.render.numbers import render_value
from autograd_lens.render.step_view import StepView
from autograd_lens.render.worked import worked
from autograd_lens.trace.graph import operator_name, tensors
from autograd_lens.trace.records import Backward, Event, GradWrite, Kernel
from autograd_lens.trace.values import Value

if TYPE_CHECKING:
    from autograd_lens.doctor.finding import Finding

__all__ = ["detail_lines", "finding_lines"]

Lines = Iterator[Text]

_COLUMN = 10  # of a value behind its name
_SEVERITIES = {"error": "bold red", "warning": "bold yellow"}


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
            yield from _operation(view, kernel)
            for use in kernel.outputs:
                yield from (
                    Text("  ") + text for text in _named_value("", use.value, view.width - 2)
                )


def _kernel(view: StepView, event: StepEvent) -> Lines:
    kernel = view.step.kernels[event.item]
    yield from _operation(view, kernel)
    where = f" in {kernel.module}" if kernel.module else ""
    yield from _sentence(f"{kernel.op}{where}", view.width)
    yield Text()
    seen: set[int] = set()
    for use in tensors(kernel.inputs):
        if use.tensor not in seen:
            seen.add(use.tensor)
            yield from _named_value(view.names(use), use.value, view.width)
    yield from _outputs(view, kernel)
    yield from _keeps(view, kernel)


def _operation(view: StepView, kernel: Kernel) -> Lines:
    made = view.made(kernel)
    text = Text(view.notation(kernel), style=NAME)
    text.append_text(Text.assemble((" → ", QUIET), (made, NAME)) if made else Text())
    fits = text.cell_len <= view.width
    yield from [text] if fits else folded(view.computation(kernel), view.width, NAME)


def _outputs(view: StepView, kernel: Kernel) -> Lines:
    for use in kernel.outputs:
        yield from _named_value(f"→ {view.names(use)}", use.value, view.width)


def _keeps(view: StepView, kernel: Kernel) -> Lines:
    """What the node that the kernel made will do, and what it keeps for that."""
    node = view.index.node_of(kernel)
    if node is None:
        return
    names = [view.names.of(each.tensor) for each in node.saved if each.tensor is not None]
    keeps = f", which keeps {', '.join(dict.fromkeys(names))}" if names else ""
    yield Text()
    yield from _sentence(f"For the backward it made {node.name}{keeps}.", view.width)


def _engine(view: StepView, event: StepEvent) -> Lines:
    backward = view.step.backwards[event.backward]
    yield from _code(view, event)
    yield Text()
    for root in backward.roots:
        yield from _named_value("from", root, view.width)
    yield from _sentence(_engine_words(backward), view.width)
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
    yield from _sentence(
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
        yield from _named_value("before", write.before, view.width)
        if write.incoming is not None:
            yield from _named_value("+ arrived", write.incoming, view.width)
    elif write.cleared and write.incoming is not None:
        yield from _named_value("arrived", write.incoming, view.width)
    yield from _named_value("→ after", write.after, view.width)
    yield Text()
    yield from _sentence(_grad_words(write), view.width)
    if write.cleared:
        yield from _sentence("A hook cleared it at once, behind an update of its own.", view.width)


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
        yield from _named_value(name, value, view.width)
    yield from _named_value("→ after", update.after, view.width)
    if view.step.level == "light":
        yield Text()
        yield from _light(view)


def _equation(name: str, expression: str, width: int) -> Lines:
    start = Text.assemble((name, NAME), (" ← ", QUIET))
    indent = min(start.cell_len, width // 2)
    alone = indent < start.cell_len
    if alone:
        yield start
    for row, text in enumerate(folded(expression, width - indent)):
        yield (Text(" " * indent) if row or alone else start) + text


def _zero(view: StepView, event: StepEvent) -> Lines:
    zero = view.step.zero_grads[event.item]
    yield from _code(view, event) if zero.source else iter(())
    yield Text(f"{zero.parameter}.grad", style=NAME)
    yield Text()
    before = view.cleared.get(event.item, zero.before)
    yield from _named_value("before", before, view.width)
    yield from _named_value("→ after", zero.after, view.width)
    yield Text()
    words = "Cleared, so that the next backward does not add to this step's gradient."
    gone = " It is None now: the next backward sets it." if zero.after is None else ""
    line = "" if zero.source else " No kernel ran, so the line that did so is not known."
    yield from _sentence(words + gone + (line if zero.after is None else ""), view.width)


def _happening(view: StepView, event: Event) -> Lines:
    yield Text(f"! {event.kind}", style="bold red")
    yield from folded(event.message, view.width)
    for row in event.detail.splitlines():
        yield from folded(row, view.width, QUIET) if row.strip() else [Text()]


def _code(view: StepView, event: StepEvent) -> Lines:
    code = view.line(event.source)
    if code and event.source:
        yield from folded(code, view.width, CODE)


# --- a node of the backward ----------------------------------------------------------------


def _node(view: StepView, event: StepEvent) -> Lines:
    """What arrived, by which rule it was passed on, and where it went."""
    run = view.step.backwards[event.backward].node_runs[event.item]
    story = view.stories(event.backward).of(run.node)
    yield Text(story.node.name, style=NAME)
    if story.node.variable:
        yield from _accumulate(story, view.width)
        return
    if story.kernel is not None:
        yield from _sentence(f"of {view.computation(story.kernel)}", view.width)
    yield Text()
    for incoming in story.incoming:
        yield from _incoming(incoming, view.width)
    for outgoing in story.outgoing:
        yield Text()
        yield from _outgoing(outgoing, view.width)
    yield from () if story.told else _ran(view, story)
    yield from _saved(story, view.width)


def _ran(view: StepView, story: NodeStory) -> Iterator[Text]:
    """The kernels of a node that no textbook formula explains, with what each made."""
    if story.ran:
        yield Text()
        yield Text("kernels that ran", style=QUIET)
    for kernel in story.ran:
        yield from _indented(folded(view.computation(kernel), view.width - 3))
        for use in kernel.outputs[:1]:
            yield from _indented(_named_value("", use.value, view.width - 3), strip=True)


def _accumulate(story: NodeStory, width: int) -> Lines:
    yield from _sentence(f"{story.node.variable} is a leaf: the chain rule ends here.", width)
    yield Text()
    for incoming in story.incoming:
        yield from _incoming(incoming, width)
    if story.write is not None:
        verb = "added to" if story.write.mode == "accumulate" else "kept as"
        yield Text()
        yield from _sentence(f"What arrived is {verb} {story.write.parameter}.grad, next.", width)


def _incoming(incoming: Incoming, width: int) -> Lines:
    yield Text.assemble(("G  ", NAME), ("arrived for ", QUIET), incoming.name)
    if len(incoming.terms) > 1:
        for sign, term in zip(" " + "+" * len(incoming.terms), incoming.terms, strict=False):
            label = f"{sign} {term.node.name}"
            yield from _indented(_named_value(label, term.value, width - 3))
        yield from _indented(_named_value("= the sum", incoming.value, width - 3))
        words = "was used several times, and each use moves the loss, so gradients add up."
        yield from _sentence(f"{incoming.name} {words}", width)
    else:
        yield from _indented(_named_value("", incoming.value, width - 3), strip=True)
    if incoming.hooked:
        given = incoming.terms[0].value if len(incoming.terms) == 1 else None
        yield from _sentence("A hook changed it on its way.", width)
        if given is not None:
            yield from _indented(_named_value("was", given, width - 3))


def _outgoing(outgoing: Outgoing, width: int) -> Lines:
    to = outgoing.receiver
    place = f"to {to.name} {to.variable or ''}".rstrip() if to else "goes nowhere"
    name = Text.assemble(("∂ ", NAME), (outgoing.name, NAME))
    if name.cell_len + 2 + len(place) <= width:
        yield name.append(f"  {place}", style=QUIET)
    else:
        yield from (name, *_indented(_sentence(place, width - 3)))
    if outgoing.rule is not None:
        rows = f", summed over {outgoing.times} rows" if outgoing.broadcast else ""
        yield from _indented(folded(f"= {outgoing.wording}{rows}", width - 3))
    yield from _indented(_named_value("", outgoing.value, width - 3), strip=True)
    if outgoing.why:
        why = outgoing.why if outgoing.broadcast else _capital(outgoing.why)
        yield from _indented(_sentence(f"{why}.", width - 3))
    if outgoing.formula:
        text = f"PyTorch: {formula(outgoing.formula)}"
        yield from _indented(folded(text, width - 3, QUIET))
    yield from _indented(_checked(outgoing, width - 3))


def _checked(outgoing: Outgoing, width: int) -> Lines:
    """A word where the textbook's number is not the recorded one, or a program's own rules."""
    check = outgoing.check
    if check.holds is False:
        words = f"The formula gives another number: off by {outgoing.difference:.2g} of it."
        yield from folded(words, width, "bold red")
    elif check.holds is None and outgoing.own:
        yield from _sentence(f"{_capital(check.found)}.", width)


def _saved(story: NodeStory, width: int) -> Lines:
    """The values kept from the forward that the formulas use."""
    shown = [each for each in story.kept if each.used and (each.value is not None or each.note)]
    if shown:
        yield Text()
        yield Text("kept from the forward", style=QUIET)
    for each in shown:
        yield from _indented(_kept(each, width - 3))


def _kept(each: Kept, width: int) -> Lines:
    label = f"{each.name} = {each.tensor}" if each.tensor not in {"", each.name} else each.name
    if each.note:
        yield from _sentence(f"{label}: {each.note}", width)
        return
    yield from folded(f"{label}{' ' if each.tensor else ' = '}{saved(each.value)}", width)
    if each.changed:
        yield from folded("changed since the forward!", width, "bold red")


# --- the doctor ----------------------------------------------------------------------------


def finding_lines(finding: Finding, width: int) -> list[Text]:
    """A finding: what it is, what happened, why it is bad, and the fix.

    Args:
        finding: The finding.
        width: Columns.
    """
    head = Text.assemble(
        ("▼ ", _SEVERITIES[finding.severity]),
        (f"{finding.code} {finding.name}  ", "bold"),
        (finding.severity, _SEVERITIES[finding.severity]),
    )
    fix = [part for line in finding.fix.splitlines() for part in folded(line, width - 4, CODE)]
    return [
        head,
        *folded(finding.title, width, NAME),
        *folded(finding.message, width),
        Text("fix", style=QUIET),
        *(Text("    ") + part for part in fix),
    ]


# --- pieces of text ------------------------------------------------------------------------


def _capital(words: str) -> str:
    return f"{words[0].upper()}{words[1:]}"


def _indented(lines: Iterator[Text], *, strip: bool = False) -> Iterator[Text]:
    for text in lines:
        text.plain = text.plain.rstrip()
        if strip and not text.plain:
            continue
        start = len(text.plain) - len(text.plain.lstrip()) if strip else 0
        yield Text("   ") + text[start:]


def _named_value(name: str, value: Value | None, width: int) -> Iterator[Text]:
    """A name and its value: on one line where they fit, else one below the other."""
    yield from _beside(Text(f"{name:<{_COLUMN}} " if name else ""), render_value(value), width)


def _beside(label: Text, shown: Text, width: int) -> Iterator[Text]:
    if label.cell_len + shown.cell_len <= width:
        yield label + shown
        return
    label.rstrip()
    if label:
        yield label
    if shown.cell_len + 2 <= width:
        yield Text("  ") + shown
        return
    yield from (Text("  ") + part for part in _parts(shown, width - 2))


def _parts(shown: Text, width: int) -> Iterator[Text]:
    """A long value, broken at the double blanks between its parts."""
    row = Text()
    for part in shown.split("  "):
        if row and row.cell_len + 2 + part.cell_len > width:
            yield row
            row = Text()
        row = Text("  ").join([row, part]) if row else part
    yield row


def _sentence(text: str, width: int) -> Iterator[Text]:
    """Plain words, quiet, broken between words."""
    words, row = text.split(), ""
    for word in words:
        if row and len(row) + 1 + len(word) > width:
            yield from folded(row, width, QUIET)
            row = ""
        row = f"{row} {word}".strip()
    if row:
        yield from folded(row, width, QUIET)


_WRITERS: Mapping[str, Callable[[StepView, StepEvent], Lines]] = {
    "engine": _engine,
    "grad": _grad,
    "kernel": _kernel,
    "line": _line,
    "node": _node,
    "update": _update,
    "zero": _zero,
}
