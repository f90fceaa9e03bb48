"""The exercise of any small run: one recorded step by hand, forward, backward and update.

NOTE 1 [What is asked]: all numbers are those of the run. Given ones are shown to six digits that
count, answers to four, so that who computes with what is printed gets what the key says. A
gradient is asked for where the textbook's formula was found to give the recorded one; what is
not asked for is given.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from autograd_lens.analysis.lesson import Lesson
from autograd_lens.analysis.story import NodeStory, Outgoing
from autograd_lens.errors import RenderError
from autograd_lens.render.explain import OVER_ROWS
from autograd_lens.render.handout.blocks import (
    Block,
    Cell,
    Formulas,
    Heading,
    Note,
    Paragraph,
    Run,
    Table,
    code,
    runs,
)
from autograd_lens.render.numbers import scalar
from autograd_lens.render.worked import with_origins, worked_update
from autograd_lens.trace.expr import (
    ONE,
    Call,
    Equation,
    Expr,
    Name,
    Partial,
    Word,
    substituted,
    walk,
)
from autograd_lens.trace.expression import kernel_formula, update_formula
from autograd_lens.trace.graph import operator_name
from autograd_lens.trace.records import Kernel, ParameterUpdate, TensorUse
from autograd_lens.trace.values import Value

__all__ = ["PARTS", "RunSheet"]

PARTS = ("forward", "loss", "gradients", "update")
"""What may be asked for."""

_MOST = 200  # numbers of the parameters and the data
_WIDE = 32  # elements of a result that is asked for
_GIVEN, _ASKED = 6, 4  # digits that count
_BLANK = "_" * 7
_NOWHERE = -1  # the id of no tensor
_VIEWS = frozenset({"t", "view", "expand", "detach"})


@dataclass(frozen=True, slots=True)
class RunSheet:
    """Writes the exercise of a run, with blanks or with answers.

    Attributes:
        lesson: The run; its first step is asked about.
        words: The words of a language.
        answers: Whether the blanks are filled in.
        parts: Which parts are asked for; the others are given.
    """

    lesson: Lesson
    words: Mapping[str, str]
    answers: bool
    parts: Collection[str] = PARTS

    def blocks(self) -> Iterator[Block]:
        """The sheet.

        Raises:
            RenderError: The step is light, or has more numbers than a hand can compute with.
        """
        self._refuse()
        words, step = self.words, self.lesson.first.step
        yield Paragraph(runs(words["run_sheet_lead"], program=self.lesson.program, step=step.index))
        yield self._data()
        yield Heading(f"1  {words['run_sheet_1']}")
        yield self._forward()
        yield Heading(f"2  {words['run_sheet_2']}")
        yield Paragraph((code("loss"), Run(" = "), *self._loss()))
        yield Heading(f"3  {words['run_sheet_3']}")
        yield from self._gradients()
        if step.updates:
            yield Heading(f"4  {words['run_sheet_4']}")
            yield from self._updates(step.updates)
        yield Heading(f"5  {words['sheet_6']}")
        lines = [words["sheet_6_answer"]] if self.answers else ["_" * 72] * 2
        yield from (Paragraph((Run(line),)) for line in lines)

    def _refuse(self) -> None:
        if self.lesson.first.step.level != "full" or not self.lesson.first.backward:
            msg = "A worksheet needs a step with its backward; this one was recorded light."
            raise RenderError(msg, hint="Choose one with --steps that opens in full.")
        count = sum(math.prod(one.shape) for one, _ in self.lesson.parameters)
        count += sum(math.prod(use.spec.shape) for use in self._inputs())
        if count > _MOST:
            msg = f"{count:,} numbers are too many to compute with by hand; at most {_MOST} fit."
            raise RenderError(msg, hint="Record the program with a smaller batch or model.")

    def _inputs(self) -> Iterator[TensorUse]:
        """The data. A program that looks at its gradients reads them: these would tell all."""
        return (use for use in self.lesson.inputs if use.spec.role != "gradient")

    # --- given -------------------------------------------------------------------------------

    def _data(self) -> Table:
        """The data and the parameters before the step."""
        first = self.lesson.first
        rows = [((code(first.names(use)),), *_shaped(use.value)) for use in self._inputs()]
        for name, each in first.step.parameters.items():
            rows.append(((code(name),), *_shaped(each.before)))
        head = (self.words["name"], self.words["shape"], self.words["numbers"])
        return Table(head, tuple(rows), self.words["run_sheet_given"], wide=2)

    # --- asked for ---------------------------------------------------------------------------

    def _forward(self) -> Table:
        names = self.lesson.first.names
        rows = []
        for number, kernel in enumerate(self._kernels(), 1):
            told = Equation((kernel_formula(kernel, names),))
            made = names(kernel.outputs[0])
            answer = self._answer(kernel.outputs[0].value, "forward")
            rows.append((runs(str(number)), (code(made),), (told,), answer))
        words = self.words
        head = ("", words["run_sheet_result"], words["operation"], words["numbers"])
        return Table(head, tuple(rows), wide=3)

    def _kernels(self) -> Iterator[Kernel]:
        """What the forward computed on the way to the loss, the loss itself aside."""
        backward = self.lesson.first.backward
        used = [story.kernel for story in backward if story.kernel is not None]
        last = max((kernel.index for kernel in used), default=-1)
        for kernel in sorted({each.index: each for each in used}.values(), key=lambda k: k.index):
            if kernel.index != last and operator_name(kernel) not in _VIEWS and kernel.outputs:
                yield kernel

    def _gradients(self) -> Iterator[Block]:
        rows = [
            ((equation,), self._answer(out.value, "gradients" if sure else ""))
            for story in self.lesson.first.backward
            for out, equation, sure in self._chain(story)
        ]
        yield Table((self.words["operation"], self.words["numbers"]), tuple(rows), wide=1)

    def _chain(self, story: NodeStory) -> Iterator[tuple[Outgoing, Equation, bool]]:
        """The gradients that a node gave, by which formula, and whether that gives them."""
        known = story.incoming[0] if story.incoming else None
        arrived = _by(known.name) if known is not None and known.terms else ONE  # at the loss
        for out in story.outgoing:
            if out.receiver is None or story.node.variable:
                continue
            sides: list[Expr] = [_by(out.name)]
            if out.told is not None:
                told = substituted(out.told, lambda name: _arrived(name, arrived))
                sides.append(Call(OVER_ROWS, (told,)) if out.broadcast else told)
            yield out, Equation(tuple(sides)), out.told is not None and bool(out.check.holds)

    def _updates(self, updates: Sequence[ParameterUpdate]) -> Iterator[Block]:
        kernels = self.lesson.first.step.kernels
        for update in updates:
            known = update_formula(kernels, update.kernels, update.parameter)
            own = {update.parameter, f"{update.parameter}.grad"}  # a state is none of these
            state = {
                name.text: use
                for name in walk(known.value or Word(""))
                if isinstance(name, Name) and name.text not in own
                if (use := known.read.get(_NOWHERE if name.tensor is None else name.tensor))
            }
            if known.value is not None and not known.definitions:
                formula = with_origins(known.value, self.lesson.corrections)
                yield Formulas((Equation((Name(update.parameter), formula), "←"),))
            else:
                yield Paragraph((code(update.expression),))
            for name, use in state.items():
                yield Paragraph((code(name), Run(f" = {_numbers(use.value, _GIVEN)}")))
            answer = self._answer(update.after, "update")
            yield Paragraph((code(update.parameter), Run(" ← "), *answer))
            worked = worked_update(update, kernels, self.lesson.corrections)
            if self.answers and worked is not None:
                yield Note((Equation((Name(f"{update.parameter}{worked.element}"),
                                      worked.formula, worked.result)),))  # fmt: skip

    # --- answers -----------------------------------------------------------------------------

    def _answer(self, value: Value | None, part: str) -> Cell:
        """Blanks for the elements of a value, or the elements."""
        if value is None or not value.complete or value.numel > _WIDE:
            return runs("…" if value is None else f"{_shape(value)}  …")
        if part not in self.parts:
            return runs(_numbers(value, _GIVEN))
        return runs(_numbers(value, _ASKED) if self.answers else _blanks(value))

    def _loss(self) -> Cell:
        """What the loss is computed from, and what it is."""
        first = self.lesson.first
        made = next((story.kernel for story in first.backward if story.kernel), None)
        told = (Equation((kernel_formula(made, first.names),)), Run(" = ")) if made else ()
        if "loss" not in self.parts:
            return (*told, *runs(_written(first.step.loss or math.nan, _GIVEN)))
        known = self.answers and first.step.loss is not None
        return (*told, *runs(_written(first.step.loss or 0.0, _ASKED) if known else _BLANK))


def _by(name: str) -> Partial:
    return Partial(Name("L"), Name(name))


def _arrived(name: Name, what: Expr) -> Expr | None:
    return what if name.text == "G" and name.tensor is None else None


def _shape(value: Value) -> str:
    return " × ".join(map(str, value.shape)) or "1"


def _shaped(value: Value | None) -> tuple[Cell, Cell]:
    if value is None:
        return runs(""), runs("None")
    return runs(_shape(value)), runs(_numbers(value, _GIVEN))


def _numbers(value: Value | None, digits: int) -> str:
    """All elements, rows in brackets."""
    if value is None or not value.complete:
        return "…"
    return _rows(value, lambda number: _written(number, digits))


def _blanks(value: Value) -> str:
    return _rows(value, lambda _: _BLANK)


def _rows(value: Value, write: Callable[[float], str]) -> str:
    array = np.atleast_1d(np.asarray(value.array))
    flat = array.reshape(-1, array.shape[-1]) if array.ndim > 1 else array[None]
    lines = [", ".join(write(number) for number in row.tolist()) for row in flat]
    return lines[0] if len(lines) == 1 else "  ".join(f"[{line}]" for line in lines)


def _written(number: float, digits: int) -> str:
    return scalar(number, digits).replace("-", "−")
