"""The exercise: one step of gradient descent by hand, and its answers."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from autograd_lens.analysis.lesson import Lesson
from autograd_lens.errors import RenderError
from autograd_lens.render.handout.blocks import (
    Block,
    Cell,
    Document,
    Formulas,
    Heading,
    Paragraph,
    Run,
    Space,
    Table,
    bold,
    code,
    runs,
)
from autograd_lens.render.handout.chapters import line_formula, mean_factor
from autograd_lens.render.handout.run_sheet import PARTS, RunSheet
from autograd_lens.render.handout.texts import texts
from autograd_lens.render.handout.wording import number as shown_number
from autograd_lens.trace.expr import Equation, Expr, Name, Op, Sum, digits
from autograd_lens.trace.values import Floats

__all__ = ["Exercise", "SheetOptions", "exercise", "worksheet"]

Words = Mapping[str, str]

_POINTS = 5
_BLANK = "\u2007" * 10
_RATE = 0.1


@dataclass(frozen=True, slots=True, eq=False)
class Exercise:
    """What is given, rounded so that it can be computed by hand, and what follows from it.

    Attributes:
        x: (5,), two decimals.
        y: (5,), two decimals.
        weight: Two decimals.
        bias: Two decimals.
        rate: The learning rate.
        scale: The factor before the mean of the squares.
    """

    x: Floats
    y: Floats
    weight: float
    bias: float
    rate: float
    scale: float

    @property
    def prediction(self) -> Floats:
        """(5,)."""
        prediction: Floats = self.x * self.weight + self.bias
        return prediction

    @property
    def error(self) -> Floats:
        """Prediction minus truth: (5,)."""
        error: Floats = self.prediction - self.y
        return error

    @property
    def loss(self) -> float:
        """The loss over the five points."""
        return float(self.scale * np.mean(self.error**2))

    @property
    def gradients(self) -> tuple[float, float]:
        """By weight and bias."""
        factor = 2 * self.scale
        return float(factor * np.mean(self.error * self.x)), float(factor * np.mean(self.error))

    @property
    def after(self) -> tuple[float, float]:
        """Weight and bias after one step."""
        by_weight, by_bias = self.gradients
        return self.weight - self.rate * by_weight, self.bias - self.rate * by_bias


def exercise(lesson: Lesson, seed: int, points: int = _POINTS) -> Exercise:
    """The exercise of a seed: some points of the run's data, its parameters at the start.

    Raises:
        RenderError: The run is no linear regression of one variable.
    """
    regression = lesson.regression
    if regression is None or not np.isfinite(lesson.path.values[0, :2]).all():
        msg = "A worksheet needs a linear regression: a weight, a bias and a mean of squares."
        raise RenderError(msg, hint="Try it on the recording of `autograd-lens demo`.")
    chosen = np.random.default_rng(seed).permutation(len(regression.x))[:points]
    weight, bias = lesson.path.values[0, :2].round(2).tolist()
    rate = lesson.ending.rate if lesson.ending and lesson.ending.rate else _RATE
    x, y = regression.x[chosen].round(2), regression.y[chosen].round(2)
    return Exercise(x, y, weight, bias, rate, regression.scale)


@dataclass(frozen=True, slots=True)
class SheetOptions:
    """How a sheet is made.

    Attributes:
        seed: Which points of a linear regression; the same seed, the same sheet.
        points: How many of them.
        parts: What is asked for, of ``PARTS``; the rest is given. A linear regression asks for
            all.
        title: Its title; ``""`` for the usual one.
    """

    seed: int = 0
    points: int = _POINTS
    parts: Collection[str] = PARTS
    title: str = ""


def worksheet(lesson: Lesson, language: str, options: SheetOptions, *, answers: bool) -> Document:
    """The exercise as a document: a linear regression by points, any other small run whole.

    Args:
        lesson: The run.
        language: ``"en"`` or ``"zh"``.
        options: How it is made.
        answers: Whether the blanks are filled in.

    Raises:
        RenderError: The run has too many numbers, or no step with its backward.
    """
    words = texts(language)
    heading = options.title.strip() or words["sheet_title"]
    heading += f" · {words['sheet_key']}" if answers else ""
    name = "" if answers else f"    {words['sheet_name']}{words['colon']}{'_' * 24}"
    if not _by_points(lesson, options):
        blocks = tuple(RunSheet(lesson, words, answers, options.parts).blocks())
        return Document(heading, language, name.strip(), blocks, roomy=True)
    lead = words["sheet_seed"].format(seed=options.seed) + name
    given = exercise(lesson, options.seed, options.points)
    blocks = tuple(_Sheet(lesson, given, words, answers=answers).blocks())
    return Document(heading, language, lead, blocks, roomy=True)


def _by_points(lesson: Lesson, options: SheetOptions) -> bool:
    """Whether it is a line through points, all of it asked for."""
    plain = lesson.regression is not None and set(options.parts) == set(PARTS)
    return plain and bool(np.isfinite(lesson.path.values[0, :2]).all())


@dataclass(frozen=True, slots=True)
class _Sheet:
    """Writes one sheet, with blanks or with answers."""

    lesson: Lesson
    given: Exercise
    words: Words
    answers: bool

    def blocks(self) -> Iterator[Block]:
        words, given, names = self.words, self.given, self.lesson.path.names
        regression = self.lesson.regression
        if regression is None:
            return
        line = line_formula(regression)
        lead = runs(words["sheet_lead"], program=self.lesson.program, line=line, n=len(given.x))
        yield Paragraph(lead)
        start = [
            Equation((Name(name), shown_number(number)))
            for name, number in zip(names, (given.weight, given.bias), strict=False)
        ]
        rate = _short(given.rate)
        yield Paragraph(runs(words["sheet_start"], w=start[0], b=start[1], rate=rate))
        yield from self._question(1, words["sheet_1"])
        yield self._table()
        yield from self._question(2, words["sheet_2"])
        yield from self._formula("L", Name("e", "i") ** 2, given.loss, given.scale)
        yield from self._room()
        yield from self._question(3, words["sheet_3"])
        bodies = (Op("", Name("e", "i"), Name("x", "i")), Name("e", "i"))
        for name, body, number in zip(names[:2], bodies, given.gradients, strict=True):
            yield from self._formula(f"{name}.grad", body, number, 2 * given.scale)
        yield from self._room()
        yield from self._question(4, words["sheet_4"])
        yield from self._room()
        yield self._two(names, given.after)
        text = words["sheet_5"].format(w=names[0], b=names[1])
        yield from self._question(5, text)
        yield from self._room()
        twice = (2 * given.gradients[0], 2 * given.gradients[1])
        yield self._two([f"{name}.grad" for name in names], twice)
        yield from self._question(6, words["sheet_6"])
        lines = [words["sheet_6_answer"]] if self.answers else ["_" * 72] * 2
        yield from (Paragraph((Run(line),)) for line in lines)

    def _room(self) -> Iterator[Block]:
        if not self.answers:
            yield Space()

    def _question(self, number: int, text: str) -> Iterator[Block]:
        yield Heading(f"{number}  {text}")

    def _cell(self, number: float) -> Cell:
        return runs(_four(number)) if self.answers else runs(_BLANK)

    def _table(self) -> Table:
        words, given = self.words, self.given
        rows: list[tuple[Cell, ...]] = []
        columns = zip(given.x, given.y, given.prediction, given.error, strict=True)
        for place, (x, y, predicted, error) in enumerate(columns, 1):
            blanks = (predicted, error, error * x, error**2)
            known = (runs(str(place)), runs(f"{x:.2f}"), runs(f"{y:.2f}"))
            rows.append((*known, *(self._cell(float(number)) for number in blanks)))
        keys = ("point", "prediction", "error", "error_x", "error_2")
        point, *named = (words[key] for key in keys)
        head = (f"{point} i", "x", "y", *named)
        shares = (0.8, 0.8, 0.8, 1.2, 1.2, 1.2, 1.2)
        return Table(head, tuple(rows), numbers=tuple(range(1, 7)), shares=shares)

    def _formula(self, name: str, body: Expr, number: float, factor: float) -> Iterator[Block]:
        shown = digits(f"{number:.4f}") if self.answers else Name("?")
        yield Formulas((Equation((Name(name), Op("", mean_factor(factor), Sum(body)), shown)),))

    def _two(self, names: Sequence[str], numbers: tuple[float, float]) -> Paragraph:
        parts: list[Run | Equation] = []
        for name, number in zip(names[:2], numbers, strict=True):
            answer = _four(number) if self.answers else "_" * 14
            parts += [code(name), Run(" = "), bold(answer), Run("      ")]
        return Paragraph(tuple(parts))


def _four(number: float) -> str:
    return f"{number:.4f}".replace("-", "−")


def _short(number: float) -> str:
    return f"{number:g}"
