"""The derivation of a gradient, or of the loss: as a tree to read, as LaTeX, as plain data."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import NamedTuple

from rich.console import RenderableType
from rich.text import Text
from rich.tree import Tree

from autograd_lens.analysis.explain import Derivation, Evaluation, Group, folded
from autograd_lens.analysis.names import Names
from autograd_lens.analysis.story import Check, Incoming, NodeStory, Outgoing, formula
from autograd_lens.render.layout import CODE, NAME, QUIET
from autograd_lens.render.numbers import render_value, scalar
from autograd_lens.render.step_view import StepView
from autograd_lens.render.worked import worked_gradient
from autograd_lens.trace.expr import (
    LATEX,
    ONE,
    TRANSPOSE,
    Binding,
    Call,
    Equation,
    Expr,
    Function,
    Listed,
    Name,
    Partial,
    Sum,
    Word,
    digits,
    substituted,
    sum_of,
    walk,
    write,
)
from autograd_lens.trace.expression import kernel_formula
from autograd_lens.trace.graph import tensors
from autograd_lens.trace.records import GradWrite, Kernel
from autograd_lens.trace.values import Value

__all__ = [
    "OVER_ROWS",
    "Folding",
    "derivation_data",
    "derivation_latex",
    "evaluation_data",
    "render_derivation",
    "render_evaluation",
]

_FEW = 4  # elements that are written out in LaTeX
OVER_ROWS = Function(
    "rows",
    forms={
        "text": "sum of {0} over the rows",
        "latex": r"\sum_{{\text{{rows}}}} {0}",
        "mathml": "<munder><mo>∑</mo><mtext>rows</mtext></munder>{0}",
        "typst": 'sum_"rows" {0}',
    },
    binding=Binding.PRODUCT,
    needs=Binding.PRODUCT,
)


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
    if incoming.hooked:
        head.append("  changed by a hook", style=QUIET)
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
    if write.cleared:
        tree.add(Text.assemble(name, " became ", render_value(write.incoming),
                               ", and a hook cleared it at once"))  # fmt: skip
        return
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


def derivation_latex(view: StepView, derivation: Derivation) -> str:
    """The chain rule as an ``align*`` environment, for documents that load amsmath.

    First what the forward computed on the way, then the gradients from the loss down. ``δ`` with
    a tensor's name is the loss's derivative by that tensor. Everything is defined where it first
    stands, and each symbol means one thing.
    """
    chain = _Chain(derivation, view.names)
    rows = map(_latex_row, (*chain.forward(), *chain.equations()))
    body = " \\\\\n  ".join(rows)
    return f"\\begin{{align*}}\n  {body}\n\\end{{align*}}"


def _latex_row(equation: Equation) -> str:
    """An equation, aligned at its first sign."""
    first, *others = (write(side, LATEX) for side in equation.sides)
    sign = "=" if equation.first == "=" else r"\leftarrow"
    return f"{first} &{sign} {' = '.join(others)}"


class _Chain:
    """A derivation as equations, one for each gradient on the way.

    Args:
        derivation: The derivation.
        names: What the step's tensors are called.
    """

    def __init__(self, derivation: Derivation, names: Names) -> None:
        self._links = derivation.links
        self._names = names
        self._letters = _letters(self._links, names)
        given = [out for link in self._links for out in link.outgoing]
        self._arriving = Counter(map(_place, given))
        self._used: Counter[str] = Counter()
        self._met: dict[_Place, list[Name]] = {}
        self._loss = Name("loss" if any(out.name == "L" for out in given) else "L")

    def forward(self) -> Iterator[Equation]:
        """What the forward computed on the way, from the parameter to the loss."""
        for link in reversed(self._links):
            if link.kernel is not None and link.kernel.outputs:
                made = self._name(self._names(link.kernel.outputs[0]))
                side = self._loss if link is self._links[0] else made
                formula_ = self._lettered(kernel_formula(link.kernel, self._names))
                yield Equation((side, formula_), "←" if made in walk(formula_) else "=")

    def _name(self, text: str) -> Name:
        return Name(self._letters.get(text, text))

    def _lettered(self, formula_: Expr) -> Expr:
        return substituted(formula_, self._symbolic)

    def _symbolic(self, name: Name) -> Expr:
        """A name as a symbol; of a transposed tensor off the chain, what it is."""
        if name.text in self._letters or not name.text.endswith("ᵀ"):
            return self._name(name.text)
        return Call(TRANSPOSE, (Name(name.text.removesuffix("ᵀ")),))

    def equations(self) -> Iterator[Equation]:
        """From the loss down to the parameter."""
        root = self._symbol(self._loss.text)
        yield Equation((root, Partial(self._loss, self._loss), ONE))
        for link in self._links:
            for position, incoming in enumerate(link.incoming):
                name = self._name(incoming.name).text
                yield from self._added(_Place(link.node.index, position), name)
            (arrived, *_) = self._met.get(_Place(link.node.index, 0), [root])
            for out in link.outgoing:
                yield Equation(tuple(self._given(link, out, arrived)))

    def _symbol(self, name: str, *, part: bool = False) -> Name:
        """A symbol that stands for nothing else."""
        self._used[name] += 1
        again = part or self._used[name] > 1
        return Name("δ", f"{name},{self._used[name]}" if again else name)

    def _added(self, place: _Place, name: str) -> Iterator[Equation]:
        """Where several gradients met: their sum."""
        parts: list[Expr] = [*self._met.get(place, [])]
        if len(parts) > 1:
            total = Name("δ", name)
            self._met[place] = [total]
            yield Equation((total, Partial(self._loss, Name(name)), reduce(sum_of, parts)))

    def _given(self, link: NodeStory, out: Outgoing, arrived: Name) -> Iterator[Expr]:
        """The sides of one gradient: its symbol, what it is, the formula, the numbers."""
        part = self._arriving[_place(out)] > 1
        name = self._name(out.name)
        symbol = self._symbol(name.text, part=part)
        self._met.setdefault(_place(out), []).append(symbol)
        yield symbol
        yield from [] if part else [Partial(self._loss, name)]
        told = self._lettered(out.told) if out.told else None
        formula_ = substituted(told, _named("G", arrived)) if told else None
        yield (
            Call(Function(out.node.name), (arrived,))
            if formula_ is None
            else (Call(OVER_ROWS, (formula_,)) if out.broadcast else formula_)
        )
        yield from _numbers(link, out)


def _letters(links: Sequence[NodeStory], names: Names) -> Mapping[str, str]:
    """A short symbol, ``z1``, for each tensor that the program does not name."""
    kernels = [link.kernel for link in reversed(links) if link.kernel is not None]
    used = [use for each in kernels for use in (*tensors(each.inputs), *each.outputs[:1])]
    taken = {names.known(use.tensor) for use in used}
    letter = next((each for each in "zaup" if not any(n.startswith(each) for n in taken)), "t")
    made = {use.tensor for each in kernels for use in each.outputs[:1]}
    unnamed = [
        name
        for use in used
        if not names.known(use.tensor) and (name := names(use))
        if use.tensor in made or not name.endswith("ᵀ")
    ]
    return {name: f"{letter}{place}" for place, name in enumerate(dict.fromkeys(unnamed), 1)}


class _Place(NamedTuple):
    """A node and one of its results."""

    node: int
    output: int


def _place(out: Outgoing) -> _Place:
    return _Place(out.edge.to_node, out.edge.output_nr) if out.edge else _Place(-1, 0)


def _named(text: str, other: Name) -> Callable[[Name], Name | None]:
    return lambda name: other if name.text == text else None


def _numbers(link: NodeStory, out: Outgoing) -> Iterator[Expr]:
    """The arithmetic where it is one of single numbers, and the gradient where it is short."""
    value = out.value
    if value is None or not value.complete or not value.numel:
        return
    worked = worked_gradient(link, out)
    if worked is not None and not any(isinstance(each, Sum) for each in walk(worked.sides[0])):
        yield from worked.sides[:1] if value.numel == 1 else ()
    numbers = [scalar(float(number)) for number in value.array.ravel()[: _FEW + 1]]
    if value.numel > 1 and (value.array == value.array.flat[0]).all():
        yield Word(f"all {numbers[0]}")
    elif value.numel <= _FEW:
        shown = tuple(digits(number) for number in numbers)
        yield shown[0] if len(shown) == 1 else Listed(shown)


def derivation_data(view: StepView, derivation: Derivation) -> dict[str, object]:
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


def _link_data(view: StepView, story: NodeStory) -> dict[str, object]:
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


def _outgoing_data(outgoing: Outgoing) -> dict[str, object]:
    return {
        "name": outgoing.name,
        "textbook": outgoing.wording,
        "pytorch": outgoing.formula,
        "summed_over": list(outgoing.broadcast),
        "difference": outgoing.difference,
        "value": _data(outgoing.value),
    }


def evaluation_data(view: StepView, evaluation: Evaluation) -> dict[str, object]:
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


def _data(value: Value | None) -> object:
    if value is None or not value.complete:
        return None
    try:
        array = value.array
    except TypeError:
        return None  # a type that NumPy lacks
    return str(array.tolist()) if array.dtype.kind == "c" else array.tolist()
