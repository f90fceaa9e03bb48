"""A node of the backward: the chain rule with the run's own numbers."""

from __future__ import annotations

import re
from collections.abc import Iterator

from rich.text import Text

from autograd_lens.analysis.node_story import Incoming, NodeStory, Outgoing, node_story
from autograd_lens.render.graph_text import formula, saved
from autograd_lens.render.layout import NAME, QUIET, folded
from autograd_lens.render.step_view import StepView
from autograd_lens.render.stepper.writing import named_value, sentence
from autograd_lens.trace.records import Backward, NodeRun, SavedTensor

__all__ = ["node_lines"]

_CLOSE = 1e-4  # float32 sums in another order differ by less


def node_lines(view: StepView, backward: Backward, run: NodeRun) -> Iterator[Text]:
    """What arrived, by which rule it was passed on, and where it went."""
    story = node_story(view.step, backward, run, view.name)
    yield Text(story.node.name, style=NAME)
    if story.node.variable:
        yield from _accumulate(view, story, backward)
        return
    if story.kernel is not None:
        operation = f"of {view.notation(story.kernel)} → {view.results(story.kernel)}"
        yield from sentence(operation, view.width)
    yield Text()
    for incoming in story.incoming:
        yield from _incoming(view, backward, incoming)
    for outgoing in story.outgoing:
        yield Text()
        yield from _outgoing(view, outgoing)
    yield from _ran(view, story)
    yield from _saved(view, story)


def _ran(view: StepView, story: NodeStory) -> Iterator[Text]:
    """The kernels of a node that no textbook formula explains, with what each made."""
    if story.ran:
        yield Text()
        yield Text("kernels that ran", style=QUIET)
    for kernel in story.ran:
        made = f"{view.notation(kernel)} → {view.results(kernel)}"
        yield from _indented(folded(made, view.width - 3))
        for use in kernel.outputs[:1]:
            yield from _indented(named_value("", use.value, view.width - 3), strip=True)


def _accumulate(view: StepView, story: NodeStory, backward: Backward) -> Iterator[Text]:
    name = story.node.variable
    yield from sentence(f"{name} is a leaf: the chain rule ends here.", view.width)
    yield Text()
    for incoming in story.incoming:
        yield from _incoming(view, backward, incoming)
    modes = {write.parameter: write.mode for write in backward.grad_writes}
    if name in modes:
        verb = "added to" if modes[name] == "accumulate" else "kept as"
        yield Text()
        yield from sentence(f"What arrived is {verb} {name}.grad, next.", view.width)


def _incoming(view: StepView, backward: Backward, incoming: Incoming) -> Iterator[Text]:
    nodes = backward.graph.nodes if backward.graph else ()
    yield Text.assemble(("G  ", NAME), ("arrived for ", QUIET), incoming.name)
    if len(incoming.terms) > 1:
        for sign, term in zip(" " + "+" * len(incoming.terms), incoming.terms, strict=False):
            label = f"{sign} {nodes[term.node].name if nodes else ''}"
            yield from _indented(named_value(label, term.value, view.width - 3))
        yield from _indented(named_value("= the sum", incoming.value, view.width - 3))
        words = "was used several times, and each use moves the loss, so gradients add up."
        yield from sentence(f"{incoming.name} {words}", view.width)
        return
    yield from _indented(named_value("", incoming.value, view.width - 3), strip=True)


def _indented(lines: Iterator[Text], *, strip: bool = False) -> Iterator[Text]:
    for text in lines:
        text.plain = text.plain.rstrip()
        if strip and not text.plain:
            continue
        start = len(text.plain) - len(text.plain.lstrip()) if strip else 0
        yield Text("   ") + text[start:]


def _outgoing(view: StepView, outgoing: Outgoing) -> Iterator[Text]:
    to = outgoing.receiver
    place = f"to {to.name} {to.variable or ''}".rstrip() if to else "goes nowhere"
    yield Text.assemble(("∂ ", NAME), (outgoing.name, NAME), (f"  {place}", QUIET))
    if outgoing.rule is not None:
        for part in folded(f"= {outgoing.wording}{_summed(outgoing)}", view.width - 3):
            yield Text("   ") + part
    yield from _indented(named_value("", outgoing.value, view.width - 3), strip=True)
    yield from _indented(iter(_reason(outgoing, view.width - 3)))
    if outgoing.formula:
        text = f"PyTorch: {formula(outgoing.formula)}"
        yield from _indented(folded(text, view.width - 3, QUIET))
    yield from _indented(_doubt(outgoing, view.width - 3))


def _summed(outgoing: Outgoing) -> str:
    sizes = " × ".join(map(str, outgoing.broadcast))
    return f", summed over {sizes} rows" if sizes else ""


def _reason(outgoing: Outgoing, width: int) -> list[Text]:
    if outgoing.rule is None:
        return []
    why = f"{outgoing.rule.why[0].upper()}{outgoing.rule.why[1:]}"
    if outgoing.broadcast:
        times = " × ".join(map(str, outgoing.broadcast))
        why = f"{outgoing.name} was used {times} times, once in each row, and every use adds up"
    return list(sentence(f"{why}.", width))


def _doubt(outgoing: Outgoing, width: int) -> Iterator[Text]:
    """A word where the textbook's number is not the recorded one."""
    if outgoing.difference is not None and not outgoing.difference < _CLOSE:
        words = f"The formula gives another number: off by {outgoing.difference:.2g} of it."
        yield from folded(words, width, "bold red")


def _saved(view: StepView, story: NodeStory) -> Iterator[Text]:
    """The values kept from the forward that the formulas use."""
    rules = " ".join(each.formula for each in story.outgoing)
    used = [each for each in story.node.saved if re.search(rf"\b{re.escape(each.name)}\b", rules)]
    shown = [each for each in used if each.value is not None or each.note]
    if shown:
        yield Text()
        yield Text("kept from the forward", style=QUIET)
    for each in shown:
        yield from _indented(_kept(view, each))


def _kept(view: StepView, each: SavedTensor) -> Iterator[Text]:
    name = view.name_of(each.tensor) if each.tensor is not None else ""
    label = f"{each.name} = {name}" if name and name != each.name else each.name
    if each.note:
        yield from sentence(f"{label}: {each.note}", view.width - 3)
        return
    shown = f"{label}{' ' if name else ' = '}{saved(each.value)}"
    yield from folded(shown, view.width - 3)
    if each.changed:
        yield from folded("changed since the forward!", view.width - 3, "bold red")
