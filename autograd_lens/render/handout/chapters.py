"""The five chapters of a handout, as blocks."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from autograd_lens.analysis.lesson import Lesson, StepLesson, TriedRate
from autograd_lens.analysis.names import VIEWS, Names
from autograd_lens.analysis.regression import Ending, Regression
from autograd_lens.analysis.story import NodeStory
from autograd_lens.render.graph_text import shorten
from autograd_lens.render.handout.blocks import (
    Block,
    Cell,
    Code,
    Document,
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
from autograd_lens.render.handout.figures import Levels, descent, loss_curve, scatter
from autograd_lens.render.handout.texts import texts
from autograd_lens.render.handout.wording import (
    computation,
    first_element,
    held,
    number,
    real,
    reason,
    shape_text,
    tiny,
    value_text,
    written,
)
from autograd_lens.render.worked import Worked, worked_node, worked_update
from autograd_lens.trace.expr import ONE, TEXT, Equation, Expr, Name, Op, Partial, Sum, walk, write
from autograd_lens.trace.graph import operator_name
from autograd_lens.trace.records import Kernel, ParameterUpdate

__all__ = ["HandoutOptions", "document", "line_formula", "mean_factor"]

Words = Mapping[str, str]

_ROWS = 5
_PARAMETERS = 12
_BROAD = 20  # letters of a node that stand on a line
_MANY = 40  # rows of a table from which on those that say little are left out
_MOST = 60  # rows of a table; a deeper model is followed in its graph
_FORMULAS = 4  # updates that are set one below the other
_LONGEST = 240  # letters of an update's arithmetic


@dataclass(frozen=True, slots=True)
class HandoutOptions:
    """What a handout looks like.

    Attributes:
        language: ``"en"`` or ``"zh"``.
        title: Its title; ``""`` for one made from the program's name.
        graph: The graph of the first step as SVG; ``""`` where it could not be drawn.
        graph_missing: Why there is no graph.
        levels: Lines of equal loss, for a run that is no linear regression.
        tried: Learning rates that were tried, for such a run; empty where none was proved.
    """

    language: str = "en"
    title: str = ""
    graph: str = ""
    graph_missing: str = ""
    levels: Levels | None = None
    tried: tuple[TriedRate, ...] = ()


def document(lesson: Lesson, options: HandoutOptions) -> Document:
    """The whole handout.

    Args:
        lesson: What it says.
        options: How.
    """
    words = texts(options.language)
    blocks: list[Block] = [
        *_data(lesson, words),
        *_model(lesson, words),
        *_loss(lesson, words, options.graph, options.graph_missing),
        *_gradients(lesson, words),
        *_update(lesson, words, options.levels, options.tried),
    ]
    return Document(_title(lesson, options), options.language, _lead(lesson, words), tuple(blocks))


def _title(lesson: Lesson, options: HandoutOptions) -> str:
    """The title that was given, else one with the program's name."""
    words = texts(options.language)
    made = words["title"].format(program=lesson.program) if lesson.program else words["title_none"]
    return options.title.strip() or made


def _lead(lesson: Lesson, words: Mapping[str, str]) -> str:
    losses = lesson.path.losses
    first, last = (written(float(losses[place])) for place in (0, -1))
    key = "lead_one" if lesson.count == 1 else "lead"
    return words[key].format(count=f"{lesson.count:,}", first=first, last=last)


# --- 1 and 2: data, model and initial values ------------------------------------------------------


def _data(lesson: Lesson, words: Words) -> Iterator[Block]:
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
    product = Op("", Name(regression.weight), Name("x"))
    return Equation((Name("y", hat=True), product + Name(regression.bias)))


def _shapes(lesson: Lesson, words: Words) -> tuple[Run | Equation, ...]:
    parts: list[Run | Equation] = []
    for use in lesson.inputs:
        parts += [Run(words["list"])] if parts else []
        parts += [code(lesson.first.names(use)), Run(f" ({shape_text(use.spec.shape)})")]
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
            (code(lesson.first.names(use)),),
            runs(shape_text(use.spec.shape)),
            (code(use.spec.dtype),),
            runs(value_text(use.value, words)),
        )
        for use in lesson.inputs[:_PARAMETERS]
    )
    return Table((words["data_input"], words["shape"], "dtype", words["numbers"]), rows, wide=3)


def _model(lesson: Lesson, words: Words) -> Iterator[Block]:
    """Chapter 2: the code and the first values."""
    yield Heading(words["chapter_2"])
    codes = tuple(Code(block.lines, block.first) for block in lesson.code)
    missing = () if codes else (Note(runs(words["code_missing"])),)
    said = tuple(_parameters(lesson, words))
    if codes and sum(len(each.lines) for each in codes) > 12:  # fills a column
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
    shown = number(weight) * number(x) + number(bias)
    predicted = weight * x + bias
    yield Paragraph(runs(words["start_random"], prediction=written(predicted), truth=written(y)))
    yield Formulas((Equation((Name("y", "1", hat=True), shown, number(predicted))),))


# --- 3 and 4: the loss, and the gradients node by node --------------------------------------------


def _loss(lesson: Lesson, words: Words, graph: str, missing: str) -> Iterator[Block]:
    """Chapter 3: the loss, the forward pass, the graph."""
    yield Heading(words["chapter_3"])
    first = lesson.first
    if lesson.regression is not None:
        keys = {0.5: "loss_is", 1.0: "loss_is_mean"}
        yield Paragraph(runs(words[keys.get(lesson.regression.scale, "loss_is_scaled")]))
        yield Formulas((_loss_formula(lesson.regression, first.step.loss),))
    elif first.step.loss is None:
        yield Paragraph(runs(words["loss_none"], step=first.step.index))
    else:
        known = {"step": first.step.index, "loss": written(first.step.loss)}
        yield Paragraph(runs(words["loss_general"], **known))
    if first.step.level != "full":
        yield Note(runs(words["light"], step=first.step.index))
        return
    yield _forward(first, words)
    if graph:
        caption = words["graph"].format(step=first.step.index)
        yield Figure(graph, caption, "graph")
    elif missing:
        yield Note(runs(words["graph_none"], why=missing))


def _loss_formula(regression: Regression, value: float | None) -> Equation:
    """The loss as a mean over all points, and its number."""
    square = (Name("y", "i", hat=True) - Name("y", "i")) ** 2
    factor = mean_factor(regression.scale)
    sides = (Name("L"), Op("", factor, Sum(square)))
    return Equation(sides if value is None else (*sides, number(value)))


def mean_factor(scale: float) -> Expr:
    """What stands before a sum over n points; a half as textbooks write it."""
    if scale == 0.5:
        return ONE / Op("", number(2), Name("n"))
    return number(scale) / Name("n")


def _forward(first: StepLesson, words: Words) -> Table:
    head = ("line", "operation", "shape", "first_element", "all_numbers")
    kernels = first.forward
    caption = words["forward"].format(step=first.step.index)
    if len(kernels) > _MANY:
        kernels = tuple(each for each in kernels if operator_name(each) not in VIEWS)
        caption += words["shapes_left_out"]
    rows = tuple(_kernel(kernel, words, first.names) for kernel in kernels[:_MOST])
    return Table(tuple(words[key] for key in head), rows, caption, wide=1, numbers=(3, 4))


def _kernel(kernel: Kernel, words: Words, names: Names) -> tuple[Cell, ...]:
    out = kernel.outputs[0] if kernel.outputs else None
    value = out.value if out else None
    line = str(kernel.source.line) if kernel.source else ""
    alone = value is not None and value.numel == 1
    return (
        runs(line),
        (code(computation(kernel, names)),),
        runs(shape_text(out.spec.shape) if out else ""),
        runs(first_element(value)),
        runs("" if alone else value_text(value, words)),
    )


def _gradients(lesson: Lesson, words: Words) -> Iterator[Block]:
    """Chapter 4: backward, derivation, ``.grad``, and why it is cleared."""
    yield Heading(words["chapter_4"])
    yield Paragraph(runs(words["gradient_is"]))
    first = lesson.first
    if first.backward:
        yield _backward_table(first, words)
    left = (*_by_hand(lesson, words),)
    right = (*_writes(first, words), *_accumulation(lesson, words))
    yield from [Pair(left, right, 0.5)] if left else right


def _backward_table(first: StepLesson, words: Words) -> Table:
    head = ("", *(words[key] for key in ("node", "why", "example", "passed_on")))
    stories, caption = first.backward, words["backward"].format(step=first.step.index)
    if len(stories) > _MANY:  # what is written into .grad has a table of its own
        stories = tuple(each for each in stories if not _passes_on(each))
        caption += words["shapes_left_out"]
    rows = [_node(story, first, words) for story in stories[:_MOST]]
    shares: tuple[float, ...] = (0, 1.1, 1.35, 1.5, 1.25)
    if not any(row[3] for row in rows):  # no node here is simple enough to be worked out
        head, shares = (*head[:3], head[4]), (*shares[:3], shares[4])
        rows = [(*row[:3], row[4]) for row in rows]
    return Table(tuple(head), tuple(rows), caption, wide=2, shares=shares)


def _passes_on(story: NodeStory) -> bool:
    """Whether a node only shows a gradient in another shape, or hands it to ``.grad``."""
    view = story.kernel is not None and operator_name(story.kernel) in VIEWS
    return view or story.node.variable is not None


def _node(story: NodeStory, first: StepLesson, words: Words) -> tuple[Cell, ...]:
    name = story.node.name.removesuffix("0").removesuffix("Backward")
    what: Cell = (bold(name if len(name) <= _BROAD else story.operation),)
    if story.kernel is not None:
        what = (*what, Run(" "), code(computation(story.kernel, first.names, 24)))
    elif story.node.variable:
        what = (*what, Run(" "), code(story.node.variable))
    examples: list[Run | Equation] = []
    for equation in worked_node(story):
        examples += [Run(words["comma"])] if examples else []
        examples.append(equation)
    return (
        runs("" if story.order is None else str(story.order + 1)),
        what,
        reason(story, words),
        tuple(examples),
        tuple(_passed(story, words)),
    )


def _passed(story: NodeStory, words: Words) -> Iterator[Run]:
    for place, out in enumerate(each for each in story.outgoing if each.receiver):
        yield from [Run(words["comma"])] if place else []
        yield code(out.name or "?")
        yield Run(f": {value_text(out.value, words)}")
    if story.write is not None:
        yield code(f"{story.write.parameter}.grad")
        yield Run(f" = {value_text(story.write.after, words)}")


def _by_hand(lesson: Lesson, words: Words) -> Iterator[Block]:
    regression, step = lesson.regression, lesson.first.step
    if regression is None:
        return
    names = words["list"].join((regression.weight, regression.bias))
    yield Paragraph(runs(words["by_hand"], names=names))
    grads = {write.parameter: real(write.incoming) for write in lesson.first.writes}
    yield Formulas(_derivation(regression, *_position(lesson)))
    mine = regression.gradient(*_position(lesson))
    for name, exact in zip((regression.weight, regression.bias), mine, strict=True):
        wrote = grads.get(name)
        if wrote is not None and step.loss is not None:
            known = {"written": written(wrote), "mine": f"{exact:.9g}".replace("-", "−")}
            difference = tiny(abs(wrote - exact))
            text = runs(words["agree"], grad=code(f"{name}.grad"), difference=difference, **known)
            yield Paragraph(text)


def _position(lesson: Lesson) -> tuple[float, float]:
    weight, bias = lesson.path.values[lesson.first.step.index, :2].tolist()
    return weight, bias


def _derivation(regression: Regression, weight: float, bias: float) -> tuple[Equation, ...]:
    """Both derivatives by the chain rule: δ first, then the products, with the run's numbers."""
    residual, count = regression.residual(weight, bias), len(regression.x)
    factor, loss, delta = 2 * regression.scale, Name("L"), Name("δ", "i")
    predicted, truth = Name("y", "i", hat=True), Name("y", "i")
    front = mean_factor(factor)
    found = [Equation((delta, Partial(loss, predicted), Op("", front, predicted - truth)))]
    names = (regression.weight, regression.bias)
    sums = (float(np.sum(residual * regression.x)), float(np.sum(residual)))
    bodies: tuple[Expr, Expr] = (Op("", delta, Name("x", "i")), delta)
    for name, body, total in zip(map(Name, names), bodies, sums, strict=True):
        chain = Op("", Partial(loss, predicted), Partial(predicted, name))
        top = number(total) if factor == 1 else number(factor) * number(total)
        value = number(factor * total / count)
        sides = (Partial(loss, name), Sum(chain), Sum(body), top / number(count), value)
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


# --- 5: the update, the way down, and where it ended ----------------------------------------------


def _update(
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
        key = "ended_one" if lesson.count == 1 else "ended_general"
        yield Paragraph(runs(words[key], count=f"{lesson.count:,}", loss=last))
    yield Note(runs(words["no_best"]))
    if tried:
        yield from _tried(tried, words)


def _arithmetic(lesson: Lesson, words: Words) -> Iterator[Block]:
    step = lesson.first.step
    if not step.updates:
        yield Paragraph(runs(words["update_none"], step=step.index))
        return
    rate = lesson.ending.rate if lesson.ending else None
    known = {} if rate is None else {"rate": written(rate)}
    key = "update_is_general" if rate is None else "update_is"
    yield Paragraph(runs(words[key], step=step.index, **known))
    updates = step.updates[:_PARAMETERS]
    all_ = [worked_update(each, step.kernels, lesson.corrections) for each in updates]
    if len(all_) <= _FORMULAS and all(each and not each.element for each in all_):
        yield Formulas(tuple(each.equation for each in all_ if each))
    else:
        yield _update_table(updates, all_, words)
    parts = [part for each in all_ if each for part in walk(each.formula)]
    if any(part in lesson.corrections for part in parts):
        yield Note(runs(words["corrections"], step=step.index, t=step.index + 1))


def _update_table(
    updates: Sequence[ParameterUpdate], all_: Sequence[Worked | None], words: Words
) -> Table:
    head = tuple(words[key] for key in ("parameter", "operation", "before", "after"))
    rows = []
    for update, found in zip(updates, all_, strict=True):
        # clipping by a norm names every parameter
        told: Cell = (code(shorten(update.expression, _LONGEST)),)
        if found is not None and len(write(found.formula, TEXT)) <= _LONGEST:
            told = (Equation((found.formula, found.result)),)
        before, after = (value_text(value, words) for value in (update.before, update.after))
        rows.append(((code(update.parameter),), told, runs(before), runs(after)))
    return Table(head, tuple(rows), wide=1)


def _pictures(lesson: Lesson, words: Words, levels: Levels | None) -> Block:
    losses = Figure(loss_curve(lesson.path.losses, words), words["loss_curve"], "losses")
    picture = descent(lesson, words, levels.lines if levels else ())
    if not picture:
        return losses
    first, second = lesson.path.names[:2]
    key = "descent" if lesson.ending else "descent_levels" if levels else "descent_flat"
    known = {"count": f"{lesson.count:,}", "batch": levels.step if levels else 0}
    caption = words[key].format(first=first, second=second, **known)
    if levels and not lesson.ending and _numbers(lesson) > 2:  # a plane has two
        caption += words["descent_others"]
    return Pair((Figure(picture, caption, "descent"),), (losses,), 0.5)


def _numbers(lesson: Lesson) -> int:
    return sum(math.prod(parameter.shape) for parameter, _ in lesson.parameters)


def _steps(lesson: Lesson, words: Words) -> Iterator[Block]:
    """The steps that were chosen, in numbers."""
    path, most = lesson.path, 2
    names = path.names[:most]
    head = [words["step"], words["loss"], *names, *(f"{name}.grad" for name in names)]
    known = [(path.values, path.value_states), (path.grads, path.grad_states)]
    rows = []
    for each in sorted(lesson.steps, key=lambda one: one.step.index):
        at = each.step.index
        cells = [
            held(float(numbers[at, column]), int(states[at, column]), words)
            for numbers, states in known
            for column in range(len(names))
        ]
        loss = written(float(path.losses[at]))
        rows.append((runs(str(at)), runs(loss), *(runs(cell) for cell in cells)))
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
