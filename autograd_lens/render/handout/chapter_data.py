"""Chapters 1 and 2: data, model and initial values."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

import numpy as np

from autograd_lens.analysis.lesson import Lesson, Regression
from autograd_lens.render.handout.blocks import (
    Block,
    Code,
    Figure,
    Formulas,
    Heading,
    Note,
    Pair,
    Paragraph,
    Run,
    Table,
    code,
    runs,
)
from autograd_lens.render.handout.figures import scatter
from autograd_lens.render.handout.mathematics import Equation, Num, Op, Sym, number
from autograd_lens.render.handout.values import shape_text, value_text, written

__all__ = ["data", "line_formula", "model"]

Words = Mapping[str, str]

_ROWS = 5
_PARAMETERS = 12


def data(lesson: Lesson, words: Words) -> Iterator[Block]:
    """Chapter 1: what the model sees."""
    yield Heading(words["chapter_1"])
    if lesson.regression is None:
        yield _tensors(lesson, words)
        return
    regression = lesson.regression
    figure = Figure(scatter(regression, lesson, words), words["scatter"], "scatter")
    goal = runs(words["data_goal"], line=line_formula(regression), n=len(regression.x))
    said = [Paragraph((*_shapes(lesson, words), Run(" "), *goal))]
    yield Pair((*said, _points(regression, words)), (figure,), 0.5)


def line_formula(regression: Regression) -> Equation:
    """The model as a formula."""
    product = Op(Sym(regression.weight), "", Sym("x"))
    return Equation((Sym("y", hat=True), Op(product, "+", Sym(regression.bias))))


def _shapes(lesson: Lesson, words: Words) -> tuple[Run | Equation, ...]:
    parts: list[Run | Equation] = []
    for use in lesson.inputs:
        parts += [Run(words["list"])] if parts else []
        parts += [code(use.spec.name or "?"), Run(f" ({shape_text(use.spec.shape)})")]
    before, after = (
        words["data_shapes"].format(step=lesson.first.step.index, inputs="\0").split("\0")
    )
    return (Run(before), *parts, Run(after))


def _points(regression: Regression, words: Words) -> Table:
    pairs = zip(regression.x[:_ROWS].tolist(), regression.y[:_ROWS].tolist(), strict=True)
    rows = tuple(
        (runs(str(place)), runs(written(x)), runs(written(y)))
        for place, (x, y) in enumerate(pairs, 1)
    )
    return Table(("i", "x", "y"), rows, words["data_rows"], numbers=(1, 2))


def _tensors(lesson: Lesson, words: Words) -> Block:
    if not lesson.inputs:
        return Note(runs(words["data_none"]))
    rows = tuple(
        (
            (code(use.spec.name or "–"),),
            runs(shape_text(use.spec.shape)),
            (code(use.spec.dtype),),
            runs(value_text(use.value, words)),
        )
        for use in lesson.inputs[:_PARAMETERS]
    )
    return Table((words["data_input"], words["shape"], "dtype", words["numbers"]), rows, wide=3)


def model(lesson: Lesson, words: Words) -> Iterator[Block]:
    """Chapter 2: the code and the first values."""
    yield Heading(words["chapter_2"])
    codes = tuple(Code(block.lines, block.first) for block in lesson.code)
    missing = () if codes else (Note(runs(words["code_missing"])),)
    said = tuple(_parameters(lesson, words))
    if codes and sum(len(each.lines) for each in codes) > 12:  # noqa: PLR2004  fills a column
        half = _balanced(codes)
        yield Pair(codes[:half], (*codes[half:], *said), 0.5)
    else:
        yield from (*codes, *missing, *said)


def _balanced(codes: tuple[Code, ...]) -> int:
    """How many blocks make about half of the lines; the words need room on the right too."""
    lengths = np.cumsum([len(each.lines) + 1 for each in codes])
    return int(np.searchsorted(lengths, lengths[-1] * 0.55) + 1)


def _parameters(lesson: Lesson, words: Words) -> Iterator[Block]:
    count = sum(math.prod(parameter.shape) for parameter, _ in lesson.parameters)
    yield Paragraph(runs(words["parameters"], count=f"{count:,}"))
    rows = [
        ((code(parameter.name),), runs(shape_text(parameter.shape)), runs(value_text(value, words)))
        for parameter, value in lesson.parameters[:_PARAMETERS]
    ]
    yield Table((words["name"], words["shape"], words["first_value"]), tuple(rows), wide=2)
    if len(lesson.parameters) > _PARAMETERS:
        more = len(lesson.parameters) - _PARAMETERS
        yield Paragraph(runs(words["parameters_more"], count=more))
    if lesson.regression is not None and np.isfinite(lesson.path.values[0, :2]).all():
        yield from _first_prediction(lesson.regression, lesson, words)


def _first_prediction(regression: Regression, lesson: Lesson, words: Words) -> Iterator[Block]:
    weight, bias = lesson.path.values[lesson.first.step.index, :2].tolist()
    x, y = float(regression.x[0]), float(regression.y[0])
    shown = Op(Op(number(weight), "×", number(x)), "+", number(bias))
    predicted = weight * x + bias
    yield Paragraph(runs(words["start_random"], prediction=written(predicted), truth=written(y)))
    yield Formulas((Equation((Sym("y", "1", hat=True), shown, Num(predicted))),))
