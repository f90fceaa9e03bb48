"""The derivation of a gradient, or of the loss, as a tree to read from top to bottom."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rich.console import RenderableType
from rich.text import Text
from rich.tree import Tree

from autograd_lens.analysis.explain import (
    Check,
    Derivation,
    Evaluation,
    Group,
    folded,
    module_of,
)
from autograd_lens.analysis.node_story import Incoming, NodeStory, Outgoing
from autograd_lens.render.graph_text import formula
from autograd_lens.render.layout import CODE, NAME, QUIET
from autograd_lens.render.numbers import render_value
from autograd_lens.render.step_view import StepView
from autograd_lens.trace.records import GradWrite, Kernel

__all__ = ["Folding", "render_derivation", "render_evaluation"]


@dataclass(frozen=True, slots=True)
class Folding:
    """How long chains are shortened.

    Attributes:
        depth: How many parts of a module's path make a group.
        module: A module that is shown in full.
    """

    depth: int | None = None
    module: str | None = None

    def groups(self, modules: Sequence[str]) -> list[Group]:
        """The groups of a chain."""
        return folded(modules, depth=self.depth, opened=self.module)


def render_derivation(
    view: StepView, derivation: Derivation, folding: Folding | None = None
) -> RenderableType:
    """A gradient, from the loss down to the parameter.

    Args:
        view: The step.
        derivation: What ``explain_gradient`` found in it.
        folding: How to shorten a long chain.
    """
    name = derivation.parameter
    title = Text.assemble(
        (f"{name}.grad", NAME), f" of step {derivation.step}", ("  from the loss down", QUIET)
    )
    tree = Tree(title, guide_style=QUIET)
    tree.add(Text.assemble("G = ∂loss/∂loss = 1  ", (_root(derivation), QUIET)))
    links = derivation.links
    groups = (folding or Folding()).groups([module_of(link) for link in links])
    for group in groups:
        members = links[group.first : group.first + group.count]
        branch = _branch(tree, group, "nodes", members[-1] if members else None)
        for link in () if group.folded else members:
            _link(view, branch, link)
    _written(tree, derivation.write)
    _checked(tree, derivation.checks)
    return tree


def _root(derivation: Derivation) -> str:
    return f"where loss = {render_value(derivation.root).plain}" if derivation.root else ""


def _branch(tree: Tree, group: Group, what: str, last: NodeStory | None) -> Tree:
    if not group.module or (group.count == 1 and not group.folded):
        return tree
    text = Text.assemble((group.module, CODE), (f"  {group.count} {what}", QUIET))
    if group.folded:
        text.append(f", folded; --module {group.module} shows them", style=QUIET)
        for outgoing in last.outgoing[:1] if last else ():
            text.append("\n∂loss/∂").append(outgoing.name, style=NAME)
            text.append(" = ").append_text(render_value(outgoing.value))
    return tree.add(text)


def _link(view: StepView, tree: Tree, story: NodeStory) -> None:
    if story.node.variable:
        for incoming in story.incoming:
            _sum(view, tree, incoming)
        return
    title = Text(story.node.name, style=NAME)
    if story.kernel is not None:
        made = f"{view.notation(story.kernel)} → {view.results(story.kernel)}"
        title.append(f"  of {made}", style="not bold")
        if story.kernel.source:
            title.append(f"  line {story.kernel.source.line}", style="dim not bold")
    branch = tree.add(title)
    for incoming in story.incoming:
        if incoming.value is not None:
            _sum(view, branch, incoming)
    for outgoing in story.outgoing:
        branch.add(_outgoing(outgoing))
    for kernel in story.ran:
        branch.add(Text(f"ran {view.notation(kernel)} → {view.results(kernel)}", style=QUIET))


def _sum(view: StepView, tree: Tree, incoming: Incoming) -> None:
    """What arrived; where several gradients met, each of them."""
    head = Text.assemble(("G = ∂loss/∂", QUIET), incoming.name, (" = ", QUIET))
    head.append_text(render_value(incoming.value))
    branch = tree.add(head)
    if len(incoming.terms) > 1:
        head.append(f"  the sum of {len(incoming.terms)}", style=QUIET)
        graph = view.step.backwards[-1].graph
        for term in incoming.terms:
            label = graph.nodes[term.node].name if graph else ""
            branch.add(Text.assemble((f"+ from {label}  ", QUIET), render_value(term.value)))


def _outgoing(outgoing: Outgoing) -> Text:
    text = Text.assemble("∂loss/∂", (outgoing.name, NAME), " = ")
    if outgoing.wording:
        text.append(outgoing.wording)
        if outgoing.broadcast:
            rows = " × ".join(map(str, outgoing.broadcast))
            text.append(f", summed over {rows} rows")
        text.append(" = ", style=QUIET)
    text.append_text(render_value(outgoing.value))
    if outgoing.rule is not None:
        text.append(f"\n{_why(outgoing)}", style=QUIET)
    if formula(outgoing.formula) not in {"", "grad"}:
        text.append(f"\nPyTorch: {formula(outgoing.formula)}", style=QUIET)
    return text


def _why(outgoing: Outgoing) -> str:
    if outgoing.broadcast:
        times = " × ".join(map(str, outgoing.broadcast))
        return f"{outgoing.name} was used {times} times, and every use adds up"
    return outgoing.rule.why if outgoing.rule else ""


def _written(tree: Tree, write: GradWrite) -> None:
    name = Text(f"{write.parameter}.grad", style=NAME)
    if write.mode == "set":
        tree.add(Text.assemble(name, " was None, is now ", render_value(write.after)))
        return
    text = Text.assemble(name, " was ", render_value(write.before), ", plus ")
    text.append_text(render_value(write.incoming)).append(" is ")
    tree.add(text.append_text(render_value(write.after)))


def _checked(tree: Tree, checks: Iterable[Check]) -> None:
    marks = {True: ("✓", "green"), False: ("✗", "bold red"), None: ("-", QUIET)}
    for check in checks:
        tree.add(Text.assemble(marks[check.holds], f" {check.what}: ", (check.found, QUIET)))


def render_evaluation(
    view: StepView, evaluation: Evaluation, folding: Folding | None = None
) -> RenderableType:
    """The loss, from its inputs up.

    Args:
        view: The step.
        evaluation: What ``explain_loss`` found in it.
        folding: How to shorten a long chain.
    """
    title = Text.assemble(
        ("loss", NAME), f" of step {evaluation.step}", ("  from the inputs up", QUIET)
    )
    tree = Tree(title, guide_style=QUIET)
    kernels = evaluation.kernels
    if evaluation.prepared:
        words = f"{evaluation.prepared} operations on data, which no gradient flows through"
        tree.add(Text(words, style=QUIET))
    groups = (folding or Folding()).groups([kernel.module for kernel in kernels])
    for group in groups:
        members = kernels[group.first : group.first + group.count]
        branch = _forward_branch(view, tree, group, members[-1])
        for kernel in () if group.folded else members:
            branch.add(_computed(view, kernel))
    return tree


def _forward_branch(view: StepView, tree: Tree, group: Group, last: Kernel) -> Tree:
    branch = _branch(tree, group, "operations", None)
    if group.folded and last.outputs:
        branch.add(Text.assemble(
            view.results(last), (" = ", QUIET), render_value(last.outputs[0].value)
        ))  # fmt: skip
    return branch


def _computed(view: StepView, kernel: Kernel) -> Text:
    value = render_value(kernel.outputs[0].value) if kernel.outputs else Text()
    text = Text.assemble(
        (view.results(kernel), NAME), (" = ", QUIET), view.notation(kernel), (" = ", QUIET), value
    )
    return text.append(f"  line {kernel.source.line}", style=QUIET) if kernel.source else text
