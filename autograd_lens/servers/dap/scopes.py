"""What is seen where a walk stands: the event, the parameters as of it, the step's tensors.

Everything here is what the terminal's debugger shows in its panes, as lists that open.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from autograd_lens.analysis.cursor import Held
from autograd_lens.analysis.events import StepEvent
from autograd_lens.analysis.story import Incoming, NodeStory, Outgoing
from autograd_lens.render.numbers import render_value, scalar
from autograd_lens.render.step_view import StepView
from autograd_lens.render.stepper.descent import sparkline
from autograd_lens.render.stepper.panes import event_title
from autograd_lens.servers.dap.items import Item, group, later, text_item, value_item
from autograd_lens.trace.graph import tensors
from autograd_lens.trace.reader import Trace
from autograd_lens.trace.records import Kernel, Source, TensorUse
from autograd_lens.trace.values import Value
from autograd_lens.tui.session import Opened, Session

__all__ = ["Frame", "frames", "locals_of", "parameter_item", "scopes"]

_CURVE = 40  # columns of the loss
_DEEPEST = 200  # nodes of a stack


@dataclass(frozen=True, slots=True)
class Frame:
    """One line of the stack.

    Attributes:
        title: What happens there.
        source: In which line, or None.
        node: The node that it is, or None.
        label: Whether it only names what is above it.
    """

    title: str
    source: Source | None = None
    node: int | None = None
    label: bool = False


# -- the stack ----------------------------------------------------------------------------------


def frames(session: Session, view: StepView) -> list[Frame]:
    """The stack: the event, what it is inside of, the step.

    In backward that is the autograd stack: from a node back to the nodes that its gradient came
    from, up to the loss and the call of ``backward()``.
    """
    event = session.current
    step = view.step
    bottom = Frame(f"step {step.index:,} of {session.steps:,}", label=True)
    if event is None:
        return [bottom]
    title = event_title(view, event, session.trace.events).plain.strip()
    if event.kind in {"node", "grad"} and step.backwards[event.backward].graph is not None:
        stack = list(_autograd(view, event, title))
    else:
        module = _module(view, event)
        stack = [
            Frame(title, event.source),
            *([Frame(f"module {module}", label=True)] if module else []),
        ]
    return [*stack, bottom]


def _module(view: StepView, event: StepEvent) -> str:
    kernels = [view.step.kernels[index] for index in event.kernels]
    return kernels[0].module if kernels and event.phase == "forward" else ""


def _autograd(view: StepView, event: StepEvent, title: str) -> Iterator[Frame]:
    stories, backward = view.stories(event.backward), view.step.backwards[event.backward]
    if event.kind == "grad":
        yield Frame(title, event.source)
        parameter = backward.grad_writes[event.item].parameter
        node = next((one.index for one in stories.graph.nodes if one.variable == parameter), None)
    else:
        node = backward.node_runs[event.item].node
    seen = 0
    while node is not None and seen < _DEEPEST:
        story = stories.of(node)
        yield Frame(_node_title(view, story), story.source or event.source, node)
        node = _giver(view, event.backward, story)
        seen += 1
    if node is not None:
        yield Frame("... and the nodes above", label=True)
    yield Frame(view.line(backward.source) or "backward()", backward.source)


def _node_title(view: StepView, story: NodeStory) -> str:
    of = story.node.variable or (view.notation(story.kernel) if story.kernel else "")
    return f"{story.node.name}  {of}".rstrip()


def _giver(view: StepView, backward: int, story: NodeStory) -> int | None:
    """The node that gave the last of what arrived, or None at the loss."""
    terms = [term.node.index for incoming in story.incoming for term in incoming.terms]
    ran = {node: run.order for node in terms if (run := view.index.run_of(node, backward))}
    return max(ran, key=lambda node: ran[node]) if ran else None


# -- scopes -----------------------------------------------------------------------------------


def scopes(session: Session, view: StepView, frame: Frame) -> list[Item]:
    """The scopes of a frame, what is in them made when they are opened."""
    opened, event = session.opened, session.current
    if opened is None or event is None:
        return [_run(session, view)]
    here, node = session.event, frame.node

    def own() -> list[Item]:
        return list(
            _event(view, event, session.trace)
            if node is None
            else _node(view, event.backward, node)
        )

    def parameters() -> list[Item]:
        return [parameter_item(held) for held in opened.states.at(here).values()]

    def tensors_of_step() -> list[Item]:
        uses = locals_of(opened, here, view)
        return [value_item(name, use.value, name) for name, use in uses.items()]

    return [
        later("Event", own),
        later("Parameters", parameters),
        later("Tensors of the step", tensors_of_step),
        _run(session, view),
    ]


def _run(session: Session, view: StepView) -> Item:
    """The step, and the run around it."""
    step, info = view.step, session.trace.info
    here = session.step / max(session.steps - 1, 1)
    loss = "no backward" if step.loss is None else scalar(step.loss)
    facts = {
        "step": f"{step.index:,} of {session.steps:,}",
        "loss": loss,
        "level": step.level,
        "known": step.provenance,
        "losses": sparkline(session.trace.losses, _CURVE, here).plain,
        "program": info.program,
        "run": info.status,
    }
    notes = [text_item("note", sentence) for sentence in step.omitted]
    return group("Run", "", [*(text_item(name, text) for name, text in facts.items()), *notes])


def parameter_item(held: Held) -> Item:
    """A parameter as it is at an event: its value, ``.grad`` and what the event changed."""
    name = held.parameter
    if held.after is None:
        value = Item("value", "not known")
    else:
        value = value_item("value", held.after, name)
    parts = [value, value_item("grad", held.grad, f"{name}.grad")]
    if held.moved:
        parts.append(value_item("value before this event", held.before))
    if held.regraded:
        parts.append(value_item("grad before this event", held.grad_before))
    mark = " ← changed here" if held.moved else " ← .grad changed here" if held.regraded else ""
    return replace(group(name, f"{value.value}{mark}", parts, name), sort=value.sort)


def locals_of(opened: Opened, event: int, view: StepView) -> Mapping[str, TensorUse]:
    """Tensors that the step's forward had read or made at an event, as they were then, by name.

    Those that the program names come first.
    """
    last = max((max(one.kernels, default=-1) for one in opened.events[: event + 1]), default=-1)
    found: dict[int, TensorUse] = {}
    for kernel in opened.step.kernels[: last + 1]:
        if kernel.phase == "forward":
            for use in (*tensors(kernel.inputs), *kernel.outputs):
                if use.spec.role != "parameter":
                    found[use.tensor] = use
    named = [one for one in found.values() if view.names.known(one.tensor)]
    others = [one for one in found.values() if not view.names.known(one.tensor)]
    return {view.names(one): one for one in [*named, *others]}


# -- the event --------------------------------------------------------------------------------


def _event(view: StepView, event: StepEvent, trace: Trace) -> Iterator[Item]:
    """What an event read and made."""
    step = view.step
    if event.kind == "run":
        happened = trace.events[event.item]
        yield text_item(happened.kind, happened.message)
    elif event.kind == "engine":
        backward = step.backwards[event.backward]
        yield from (value_item("from", root) for root in backward.roots)
        yield from [text_item("raised", backward.error)] if backward.error else []
    elif event.kind == "node":
        run = step.backwards[event.backward].node_runs[event.item]
        yield from _node(view, event.backward, run.node)
    elif event.kind == "grad":
        write = step.backwards[event.backward].grad_writes[event.item]
        yield from _values(before=write.before, arrived=write.incoming, after=write.after)
    elif event.kind == "update":
        update = step.updates[event.item]
        yield from [text_item("is", update.expression)] if update.expression else []
        yield from _values(before=update.before, grad=update.grad, after=update.after)
    elif event.kind == "zero":
        yield from _values(
            before=view.cleared.get(event.item), after=step.zero_grads[event.item].after
        )
    else:
        for index in event.kernels:
            yield from _kernel(view, step.kernels[index])


def _values(**values: Value | None) -> Iterator[Item]:
    for name, value in values.items():
        yield value_item(name, value)


def _kernel(view: StepView, kernel: Kernel) -> Iterator[Item]:
    parts = [value_item(view.names(use), use.value) for use in tensors(kernel.inputs)]
    made = [value_item(f"→ {view.names(use)}", use.value) for use in kernel.outputs]
    shown = render_value(kernel.outputs[0].value).plain if kernel.outputs else ""
    yield group(view.computation(kernel), shown, [*parts, *made, text_item("kernel", kernel.op)])


def _node(view: StepView, backward: int, node: int) -> Iterator[Item]:
    """What arrived at a node, what it gave and by which rule, what it kept."""
    story = view.stories(backward).of(node)
    yield from map(_incoming, story.incoming)
    yield from map(_outgoing, story.outgoing)
    for kept in story.kept:
        if isinstance(kept.value, Value):
            name = f"kept {kept.name}" if kept.tensor in {"", kept.name} else f"kept {kept.tensor}"
            changed = " ← changed since the forward" if kept.changed else ""
            item = value_item(name, kept.value)
            yield replace(item, value=f"{item.value}{changed}")


def _incoming(incoming: Incoming) -> Item:
    name = f"∂loss/∂{incoming.name} arrived"
    item = value_item(name, incoming.value)
    if len(incoming.terms) < 2:  # one alone is no sum
        return item
    terms = [value_item(f"from {term.node.name}", term.value) for term in incoming.terms]
    whole = replace(item, name="the sum")
    return replace(group(name, item.value, [*terms, whole]), sort=item.sort)


def _outgoing(outgoing: Outgoing) -> Item:
    receiver = outgoing.receiver
    to = f"{receiver.name} {receiver.variable or ''}".rstrip() if receiver else "nowhere"
    item = value_item(f"∂loss/∂{outgoing.name} to {to}", outgoing.value)
    rule = [text_item("is", outgoing.wording)] if outgoing.wording else []
    rule += [text_item("because", outgoing.why)] if outgoing.why else []
    if not rule:
        return item
    return replace(
        group(item.name, item.value, [*rule, replace(item, name="value")]), sort=item.sort
    )
