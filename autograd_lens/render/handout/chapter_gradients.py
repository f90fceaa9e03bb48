"""Chapters 3 and 4: the loss, and the gradients node by node."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from autograd_lens.analysis.lesson import BackwardRow, Lesson, Regression, StepLesson
from autograd_lens.render.handout.blocks import (
    Block,
    Cell,
    Figure,
    Formulas,
    Heading,
    Note,
    Pair,
    Paragraph,
    Run,
    Table,
    bold,
    code,
    runs,
)
from autograd_lens.render.handout.mathematics import (
    Equation,
    Expr,
    Frac,
    Num,
    Op,
    Paren,
    Partial,
    Power,
    Sum,
    Sym,
)
from autograd_lens.render.handout.naming import Naming
from autograd_lens.render.handout.rules import reason, worked_examples
from autograd_lens.render.handout.values import (
    first_element,
    real,
    shape_text,
    tiny,
    value_text,
    written,
)
from autograd_lens.trace.records import Kernel

__all__ = ["derivation", "gradients", "loss", "loss_formula"]

Words = Mapping[str, str]

_MOST = 60  # rows of a table; a deeper model is followed in its graph


def loss(lesson: Lesson, words: Words, naming: Naming, graph: str, missing: str) -> Iterator[Block]:
    """Chapter 3: the loss, the forward pass, the graph."""
    yield Heading(words["chapter_3"])
    first = lesson.first
    if lesson.regression is not None:
        keys = {0.5: "loss_is", 1.0: "loss_is_mean"}
        yield Paragraph(runs(words[keys.get(lesson.regression.scale, "loss_is_scaled")]))
        yield Formulas((loss_formula(lesson.regression, first.step.loss),))
    elif first.step.loss is None:
        yield Paragraph(runs(words["loss_none"], step=first.step.index))
    else:
        known = {"step": first.step.index, "loss": written(first.step.loss)}
        yield Paragraph(runs(words["loss_general"], **known))
    if first.step.level != "full":
        yield Note(
            runs(
                words["light"].replace("--full {step}", "--full {step2}"),
                step=first.step.index,
                step2=first.step.index,
            )
        )
        return
    yield _forward(first, words, naming)
    if graph:
        caption = words["graph"].format(step=first.step.index)
        yield Figure(graph, caption, "graph")
    elif missing:
        yield Note(runs(words["graph_none"], why=missing))


def loss_formula(regression: Regression, value: float | None) -> Equation:
    """The loss as a mean over all points, and its number."""
    square = Power(Paren(Op(Sym("y", "i", hat=True), "−", Sym("y", "i"))), 2)
    factor: Expr
    if regression.scale == 0.5:  # noqa: PLR2004  the half of textbooks
        factor = Frac(Num(1), Op(Num(2), "", Sym("n")))
    else:
        factor = Frac(Num(regression.scale), Sym("n"))
    sides: list[Expr] = [Sym("L"), Op(factor, "", Sum(square))]
    return Equation((*sides, *([] if value is None else [Num(value)])))


def _forward(first: StepLesson, words: Words, naming: Naming) -> Table:
    head = ("line", "operation", "shape", "first_element", "all_numbers")
    rows = tuple(_kernel(kernel, words, naming) for kernel in first.forward[:_MOST])
    caption = words["forward"].format(step=first.step.index)
    return Table(tuple(words[key] for key in head), rows, caption, wide=1, numbers=(3, 4))


def _kernel(kernel: Kernel, words: Words, naming: Naming) -> tuple[Cell, ...]:
    out = kernel.outputs[0] if kernel.outputs else None
    value = out.value if out else None
    line = str(kernel.source.line) if kernel.source else ""
    alone = value is not None and value.numel == 1
    return (
        runs(line),
        (code(naming.operation(kernel)),),
        runs(shape_text(out.spec.shape) if out else ""),
        runs(first_element(value)),
        runs("" if alone else value_text(value, words)),
    )


def gradients(lesson: Lesson, words: Words, naming: Naming) -> Iterator[Block]:
    """Chapter 4: backward, derivation, ``.grad``, and why it is cleared."""
    yield Heading(words["chapter_4"])
    yield Paragraph(runs(words["gradient_is"]))
    first = lesson.first
    if first.backward:
        yield _backward(first, words, naming)
    left = (*_by_hand(lesson, words),)
    right = (*_writes(first, words), *_accumulation(lesson, words))
    yield from [Pair(left, right, 0.5)] if left else right


def _backward(first: StepLesson, words: Words, naming: Naming) -> Table:
    head = ("", *(words[key] for key in ("node", "why", "example", "passed_on")))
    rows = [_node(row, words, naming) for row in first.backward[:_MOST]]
    shares: tuple[float, ...] = (0, 1.1, 1.35, 1.5, 1.25)
    if not any(row[3] for row in rows):  # no node here is simple enough to be worked out
        head, shares = (*head[:3], head[4]), (*shares[:3], shares[4])
        rows = [(*row[:3], row[4]) for row in rows]
    caption = words["backward"].format(step=first.step.index)
    return Table(tuple(head), tuple(rows), caption, wide=2, shares=shares)


def _node(row: BackwardRow, words: Words, naming: Naming) -> tuple[Cell, ...]:
    what: Cell = (bold(row.node.name.removesuffix("0").removesuffix("Backward")),)
    if row.kernel is not None:
        what = (*what, Run(" "), code(naming.operation(row.kernel, 24)))
    elif row.node.variable:
        what = (*what, Run(" "), code(row.node.variable))
    examples: list[Run | Equation] = []
    for equation in worked_examples(row):
        examples += [Run(words["comma"])] if examples else []
        examples.append(equation)
    return (
        runs(str(row.run.order + 1)),
        what,
        runs("{why}", why=reason(row, words)),
        tuple(examples),
        tuple(_passed(row, words, naming)),
    )


def _passed(row: BackwardRow, words: Words, naming: Naming) -> Iterator[Run]:
    for place, out in enumerate(row.outgoing):
        name = naming.name(out.use) if out.use else out.parameter
        yield from [Run(words["comma"])] if place else []
        yield code(name or "?")
        yield Run(f": {value_text(out.value, words)}")
    if row.write is not None:
        yield code(f"{row.write.parameter}.grad")
        yield Run(f" = {value_text(row.write.after, words)}")


def _by_hand(lesson: Lesson, words: Words) -> Iterator[Block]:
    regression, step = lesson.regression, lesson.first.step
    if regression is None:
        return
    names = words["list"].join((regression.weight, regression.bias))
    yield Paragraph(runs(words["by_hand"], names=names))
    grads = {write.parameter: real(write.incoming) for write in lesson.first.writes}
    yield Formulas(derivation(regression, *_position(lesson)))
    mine = regression.gradient(*_position(lesson))
    for name, number in zip((regression.weight, regression.bias), mine, strict=True):
        wrote = grads.get(name)
        if wrote is not None and step.loss is not None:
            known = {"written": written(wrote), "mine": f"{number:.9g}".replace("-", "−")}
            difference = tiny(abs(wrote - number))
            text = runs(words["agree"], grad=code(f"{name}.grad"), difference=difference, **known)
            yield Paragraph(text)


def _position(lesson: Lesson) -> tuple[float, float]:
    weight, bias = lesson.path.values[lesson.first.step.index, :2].tolist()
    return weight, bias


def derivation(regression: Regression, weight: float, bias: float) -> tuple[Equation, ...]:
    """Both derivatives by the chain rule, with the numbers of the data."""
    residual = regression.residual(weight, bias)
    count = len(regression.x)
    sums = (float(np.sum(residual * regression.x)), float(np.sum(residual)))
    error = Paren(Op(Sym("y", "i", hat=True), "−", Sym("y", "i")))
    bodies: tuple[Expr, Expr] = (Op(error, "", Sym("x", "i")), error)
    factor = 2 * regression.scale
    found = []
    for name, body, total in zip((regression.weight, regression.bias), bodies, sums, strict=True):
        front = Frac(Num(factor), Sym("n"))
        top: Expr = Num(total) if factor == 1 else Op(Num(factor), "×", Paren(Num(total)))
        sides = (
            Partial("L", name),
            Op(front, "", Sum(body)),
            Frac(top, Num(count)),
            Num(factor * total / count),
        )
        found.append(Equation(sides))
    return tuple(found)


def _writes(first: StepLesson, words: Words) -> Iterator[Block]:
    if not first.writes:
        return
    head = tuple(words[key] for key in ("parameter", "before", "incoming", "after", "how"))
    rows = tuple(
        (
            (code(write.parameter),),
            runs(value_text(write.before, words)),
            runs(value_text(write.incoming, words) if write.incoming else "–"),
            runs(value_text(write.after, words)),
            runs(words[write.mode]),
        )
        for write in first.writes[:_MOST]
    )
    caption = words["grads"].format(step=first.step.index)
    yield Table(head, rows, caption, numbers=(1, 2, 3))


def _accumulation(lesson: Lesson, words: Words) -> Iterator[Block]:
    if not lesson.accumulation:
        if lesson.count == 1:
            yield Note(runs(words["one_step"]))
        return
    cleared = all(each.zeroed for each in lesson.accumulation)
    yield Paragraph(runs(words["zero_why" if cleared else "zero_why_missing"]))
    head = tuple(
        words[key] for key in ("parameter", "grad_first", "grad_second", "grad_zeroed", "grad_sum")
    )
    rows = tuple(
        (
            (code(each.parameter),),
            runs(written(each.first)),
            runs(written(each.second)),
            runs(written(each.second)),
            (bold(written(each.together)),),
        )
        for each in lesson.accumulation
    )
    yield Table(head, rows, numbers=(1, 2, 3, 4))
