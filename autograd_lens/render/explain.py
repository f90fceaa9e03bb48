"""The derivation of a gradient, or of the loss: as a tree to read, as LaTeX, as plain data."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from rich.console import RenderableType
from rich.text import Text
from rich.tree import Tree

from autograd_lens.analysis.explain import Derivation, Evaluation, Group, folded
from autograd_lens.analysis.story import Check, Incoming, NodeStory, Outgoing, formula
from autograd_lens.render.layout import CODE, NAME, QUIET
from autograd_lens.render.numbers import render_value, scalar
from autograd_lens.render.step_view import StepView
from autograd_lens.trace.records import GradWrite, Kernel
from autograd_lens.trace.values import Value

__all__ = [
    "Folding",
    "derivation_data",
    "derivation_latex",
    "evaluation_data",
    "render_derivation",
    "render_evaluation",
]

_FEW = 4  # elements that are written out in LaTeX
_ESCAPES = {"_": r"\_", "&": r"\&", "%": r"\%", "#": r"\#"}


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
    groups = (folding or Folding()).groups([link.module for link in links])
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
            _sum(tree, incoming)
        return
    title = Text(story.node.name, style=NAME)
    if story.kernel is not None:
        title.append(f"  of {view.computation(story.kernel)}", style="not bold")
        if story.source:
            title.append(f"  {view.place(story.source)}", style="dim not bold")
    branch = tree.add(title)
    for incoming in story.incoming:
        if incoming.value is not None:
            _sum(branch, incoming)
    for outgoing in story.outgoing:
        branch.add(_outgoing(outgoing))
    for kernel in () if story.told else story.ran:
        branch.add(Text(f"ran {view.computation(kernel)}", style=QUIET))


def _sum(tree: Tree, incoming: Incoming) -> None:
    """What arrived; where several gradients met, each of them."""
    head = Text.assemble(("G = ∂loss/∂", QUIET), incoming.name, (" = ", QUIET))
    head.append_text(render_value(incoming.value))
    branch = tree.add(head)
    if len(incoming.terms) > 1:
        head.append(f"  the sum of {len(incoming.terms)}", style=QUIET)
        for term in incoming.terms:
            label = (f"+ from {term.node.name}  ", QUIET)
            branch.add(Text.assemble(label, render_value(term.value)))


def _outgoing(outgoing: Outgoing) -> Text:
    text = Text.assemble("∂loss/∂", (outgoing.name, NAME), " = ")
    if outgoing.wording:
        text.append(outgoing.wording)
        text.append(f", summed over {outgoing.times} rows" if outgoing.broadcast else "")
        text.append(" = ", style=QUIET)
    text.append_text(render_value(outgoing.value))
    text.append(f"\n{outgoing.why}" if outgoing.why else "", style=QUIET)
    if formula(outgoing.formula) not in {"", "grad"}:
        text.append(f"\nPyTorch: {formula(outgoing.formula)}", style=QUIET)
    return text


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
    return text.append(f"  {view.place(kernel.source)}" if kernel.source else "", style=QUIET)


# --- for handouts and other programs -------------------------------------------------------


def derivation_latex(derivation: Derivation) -> str:
    """The chain rule as an ``align*`` environment, for documents that load amsmath."""
    rows = [r"\frac{\partial L}{\partial L} &= 1"]
    for link in derivation.links:
        rows += [_latex_row(outgoing) for outgoing in link.outgoing]
    body = " \\\\\n  ".join(rows)
    return f"\\begin{{align*}}\n  {body}\n\\end{{align*}}"


def _latex_row(outgoing: Outgoing) -> str:
    names = {key: _latex_name(name) for key, name in outgoing.names.items()}
    parts = [outgoing.rule.worded_latex(names)] if outgoing.rule else []
    if outgoing.broadcast and parts:
        parts = [rf"\sum_{{\text{{rows}}}} {parts[0]}"]
    parts += [_latex_value(outgoing.value)]
    left = rf"\frac{{\partial L}}{{\partial {_latex_name(outgoing.name)}}}"
    return f"{left} &= {' = '.join(part for part in parts if part)}"


def _latex_name(name: str) -> str:
    if len(name) == 1 or name.replace(".", "", 1).replace("-", "", 1).isdigit():
        return name
    escaped = "".join(_ESCAPES.get(each, each) for each in name)
    return rf"\mathrm{{{escaped}}}"


def _latex_value(value: Value | None) -> str:
    if value is None or not value.complete or value.numel > _FEW:
        return ""
    numbers = [scalar(float(number)) for number in value.array.ravel()]
    return numbers[0] if len(numbers) == 1 else rf"({', '.join(numbers)})"


def derivation_data(view: StepView, derivation: Derivation) -> dict[str, Any]:
    """A derivation as what JSON can hold; values are nested lists, or null where not kept."""
    return {
        "parameter": derivation.parameter,
        "step": derivation.step,
        "backward": derivation.backward,
        "loss": _data(derivation.root),
        "links": [_link_data(view, link) for link in derivation.links],
        "write": {
            "mode": derivation.write.mode,
            "before": _data(derivation.write.before),
            "incoming": _data(derivation.write.incoming),
            "after": _data(derivation.write.after),
        },
        "checks": [
            {"what": check.what, "holds": check.holds, "found": check.found}
            for check in derivation.checks
        ],
    }


def _link_data(view: StepView, story: NodeStory) -> dict[str, Any]:
    kernel = story.kernel
    return {
        "node": story.node.name,
        "order": story.order,
        "module": story.module,
        "operation": view.notation(kernel) if kernel else "",
        "line": kernel.source.line if kernel and kernel.source else None,
        "grad_outputs": [
            {"name": each.name, "value": _data(each.value), "terms": len(each.terms)}
            for each in story.incoming
        ],
        "grad_inputs": [_outgoing_data(each) for each in story.outgoing],
    }


def _outgoing_data(outgoing: Outgoing) -> dict[str, Any]:
    return {
        "name": outgoing.name,
        "textbook": outgoing.wording,
        "pytorch": outgoing.formula,
        "summed_over": list(outgoing.broadcast),
        "difference": outgoing.difference,
        "value": _data(outgoing.value),
    }


def evaluation_data(view: StepView, evaluation: Evaluation) -> dict[str, Any]:
    """The loss's evaluation as what JSON can hold."""
    return {
        "step": evaluation.step,
        "loss": evaluation.loss,
        "operations": [
            {
                "result": view.results(kernel),
                "operation": view.notation(kernel),
                "op": kernel.op,
                "module": kernel.module,
                "line": kernel.source.line if kernel.source else None,
                "value": _data(kernel.outputs[0].value) if kernel.outputs else None,
            }
            for kernel in evaluation.kernels
        ],
    }


def _data(value: Value | None) -> Any:  # noqa: ANN401  nested lists of numbers
    if value is None or not value.complete:
        return None
    try:
        array = value.array
    except TypeError:
        return None  # a type that NumPy lacks
    return str(array.tolist()) if array.dtype.kind == "c" else array.tolist()
