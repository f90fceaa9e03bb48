"""Chapter 5: the update, the way down, and where it ended."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from autograd_lens.analysis.lesson import Ending, Lesson, TriedRate
from autograd_lens.render.graph_text import shorten
from autograd_lens.render.handout.blocks import (
    Block,
    Figure,
    Formulas,
    Heading,
    Note,
    Pair,
    Paragraph,
    Table,
    code,
    runs,
)
from autograd_lens.render.handout.figures import descent, loss_curve
from autograd_lens.render.handout.mathematics import Equation, Num, Op, Sym, number
from autograd_lens.render.handout.values import real, tiny, value_text, written
from autograd_lens.render.worked import worked
from autograd_lens.trace.records import Step

if TYPE_CHECKING:
    from autograd_lens.render.handout.levels import Levels

__all__ = ["update", "update_formulas"]

Words = Mapping[str, str]

_MOST = 12
_LONGEST = 240  # letters of an update's arithmetic


def update(
    lesson: Lesson, words: Words, levels: Levels | None = None, tried: Sequence[TriedRate] = ()
) -> Iterator[Block]:
    """Chapter 5."""
    yield Heading(words["chapter_5"])
    yield from _arithmetic(lesson, words)
    yield _pictures(lesson, words, levels)
    yield from _steps(lesson, words)
    yield from _status(lesson, words)
    if lesson.ending is not None:
        yield from _ending(lesson.ending, lesson, words)
        return
    broken = np.flatnonzero(~np.isfinite(lesson.path.losses))
    if len(broken):
        yield Paragraph(runs(words["ended_nan"], step=int(broken[0])))
    else:
        last = written(float(lesson.path.losses[-1]))
        yield Paragraph(runs(words["ended_general"], count=f"{lesson.count:,}", loss=last))
    yield Note(runs(words["no_best"]))
    if tried:
        yield from _tried(tried, words)


def _arithmetic(lesson: Lesson, words: Words) -> Iterator[Block]:
    step = lesson.first.step
    if not step.updates:
        yield Paragraph(runs(words["update_none"], step=step.index))
        return
    rate = lesson.ending.rate if lesson.ending else None
    if rate is not None:
        yield Paragraph(runs(words["update_is"], rate=written(rate), step=step.index))
        yield Formulas(update_formulas(step, rate))
        return
    yield Paragraph(runs(words["update_is_general"], step=step.index))
    head = tuple(words[key] for key in ("parameter", "operation", "before", "after"))
    rows = []
    for each in step.updates[:_MOST]:
        sum_ = worked(each, step.kernels)
        arithmetic = f"{sum_[1]} = {sum_[2]}" if sum_ else each.expression
        arithmetic = shorten(arithmetic, _LONGEST)  # clipping by a norm names every parameter
        before, after = (value_text(value, words) for value in (each.before, each.after))
        rows.append(((code(each.parameter),), (code(arithmetic),), runs(before), runs(after)))
    yield Table(head, tuple(rows), wide=1)


def update_formulas(step: Step, rate: float) -> tuple[Equation, ...]:
    """The arithmetic of plain gradient descent, one line for each parameter."""
    found = []
    for each in step.updates:
        before, grad, after = (real(value) for value in (each.before, each.grad, each.after))
        if before is None or grad is None or after is None:
            continue
        taken = Op(Num(rate), "×", number(grad))
        shown = Op(number(before) if before >= 0 else Num(before), "−", taken)
        found.append(Equation((Sym(each.parameter), shown, Num(after)), "←"))
    return tuple(found)


def _pictures(lesson: Lesson, words: Words, levels: Levels | None) -> Block:
    losses = Figure(loss_curve(lesson.path.losses, words), words["loss_curve"], "losses")
    picture = descent(lesson, words, levels.lines if levels else ())
    if not picture:
        return losses
    first, second = lesson.path.names[:2]
    key = "descent" if lesson.ending else "descent_levels" if levels else "descent_flat"
    known = {"count": f"{lesson.count:,}", "batch": levels.step if levels else 0}
    caption = words[key].format(first=first, second=second, **known)
    if levels and not lesson.ending and _numbers(lesson) > 2:  # noqa: PLR2004  a plane has two
        caption += words["descent_others"]
    return Pair((Figure(picture, caption, "descent"),), (losses,), 0.5)


def _numbers(lesson: Lesson) -> int:
    return sum(math.prod(parameter.shape) for parameter, _ in lesson.parameters)


def _steps(lesson: Lesson, words: Words) -> Iterator[Block]:
    """The steps that were chosen, in numbers."""
    names = lesson.path.names[:2]
    head = [words["step"], words["loss"], *names, *(f"{name}.grad" for name in names)]
    rows = []
    for each in sorted(lesson.steps, key=lambda one: one.step.index):
        at = each.step.index
        numbers = [
            lesson.path.losses[at],
            *lesson.path.values[at, : len(names)],
            *lesson.path.grads[at, : len(names)],
        ]
        rows.append((runs(str(at)), *(runs(written(float(number))) for number in numbers)))
    align = tuple(range(1, len(head)))
    yield Table(tuple(head), tuple(rows), words["steps_shown"], numbers=align)


def _status(lesson: Lesson, words: Words) -> Iterator[Block]:
    key = f"status_{lesson.status}"
    if key in words:
        stops = [event.message for event in lesson.events if event.kind == "exception"]
        yield Note(runs(words[key], message=stops[-1] if stops else "?"))


def _ending(ending: Ending, lesson: Lesson, words: Words) -> Iterator[Block]:
    names = lesson.path.names
    known = {
        "count": f"{lesson.count:,}",
        "w_name": code(names[0]),
        "b_name": code(names[1]),
        "w": written(ending.weight),
        "b": written(ending.bias),
        "loss": written(ending.loss),
        "best_w": written(ending.best_weight),
        "best_b": written(ending.best_bias),
        "best_loss": written(ending.best_loss),
        "w_gap": written(abs(ending.weight - ending.best_weight)),
        "b_gap": written(abs(ending.bias - ending.best_bias)),
    }
    said = Paragraph(runs(words["ended"], **known))
    if not ending.others:
        yield from (said, Note(runs(words["other_rates_none"])))
        return
    limit, deviation = written(ending.limit), tiny(ending.deviation or 0)
    why = Paragraph(runs(words["other_rates"], limit=limit, deviation=deviation))
    yield Pair((said, why), (_rates(ending, lesson, words),), 0.45)


def _tried(tried: Sequence[TriedRate], words: Words) -> Iterator[Block]:
    """What the first steps come to with each learning rate."""
    yield Paragraph(runs(words["tried"], count=tried[0].steps))
    rows = []
    for each in sorted(tried, key=lambda one: one.rate):
        rate = written(each.rate)
        label = words["this_run"].format(rate=rate) if each.own else rate
        rows.append((runs(label), runs(str(each.steps)), runs(written(each.loss))))
    head = (words["rate"], words["steps_taken"], words["loss"])
    yield Table(head, tuple(rows), numbers=(1, 2))


def _rates(ending: Ending, lesson: Lesson, words: Words) -> Table:
    head = [words["rate"], words["steps_taken"], *lesson.path.names[:2], words["loss"]]
    this = (ending.rate or 0.0, lesson.count, ending.weight, ending.bias, ending.loss, False)
    all_ = [(o.rate, o.steps, o.weight, o.bias, o.loss, o.diverged) for o in ending.others]
    rows = []
    for rate, steps, weight, bias, loss, diverged in sorted([*all_, this]):
        own = words["this_run"].format(rate=written(rate))
        numbers = [words["diverges"]] * 3 if diverged else map(written, (weight, bias, loss))
        label = own if rate == ending.rate else written(rate)
        rows.append((runs(label), runs(f"{steps:,}"), *(runs(text) for text in numbers)))
    return Table(tuple(head), tuple(rows), numbers=(1, 2, 3, 4))
