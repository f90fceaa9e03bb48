"""The content of a lesson about one run, computed from its trace alone: numbers and code.

Words and layout are the handout's.
"""

from __future__ import annotations

import ast
import math
import textwrap
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePath

import numpy as np
import numpy.typing as npt

from autograd_lens.analysis.names import Names
from autograd_lens.analysis.regression import Ending, Regression, ending, recognise
from autograd_lens.analysis.story import NodeStory, Stories
from autograd_lens.errors import NotRecordedError
from autograd_lens.trace.expr import SQRT, Call, Expr, digits
from autograd_lens.trace.graph import TapeIndex, operator_name, tensors
from autograd_lens.trace.kept import stored_optimizers
from autograd_lens.trace.reader import Trace
from autograd_lens.trace.records import (
    Event,
    GradWrite,
    Kernel,
    Parameter,
    Source,
    Step,
    TensorUse,
)
from autograd_lens.trace.selection import Scalar
from autograd_lens.trace.values import Array, Floats, Value

__all__ = [
    "KEPT",
    "NONE",
    "NOT_KEPT",
    "Accumulation",
    "CodeBlock",
    "Lesson",
    "OtherDescent",
    "Path",
    "StepLesson",
    "TriedRate",
    "lesson",
    "step_lesson",
]

_STILL = 1e-4  # of a number
_FOLLOWED = 6  # numbers that are followed over the run
_PLAYED = 24  # full steps that a page can hold
_MOST = 40  # lines of one block; a longer definition is shown around its lines
_AROUND = 3
_SILENT = frozenset(
    {"_local_scalar_dense", "alias", "detach", "empty", "empty_like", "lift_fresh", "t", "view"}
)

Span = tuple[int, int]


@dataclass(frozen=True, slots=True)
class CodeBlock:
    """Lines of the program.

    Attributes:
        file: The source file.
        first: Number of the first line, from 1.
        lines: The lines, common indentation removed.
    """

    file: str
    first: int
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class StepLesson:
    """One step, ordered for reading.

    Attributes:
        step: The step.
        names: What its tensors are called.
        forward: Forward kernels that compute something, in order; empty at light level.
        backward: Nodes of the last backward in the engine's order; empty at light level.
        writes: Writes to ``.grad`` of the last backward.
        call: The line that called backward, or None.
    """

    step: Step
    names: Names
    forward: tuple[Kernel, ...]
    backward: tuple[NodeStory, ...]
    writes: tuple[GradWrite, ...]
    call: Source | None


@dataclass(frozen=True, slots=True)
class Accumulation:
    """What ``.grad`` holds after the second backward, with and without zeroing before it.

    Attributes:
        parameter: A parameter of one element.
        first: Its gradient in the first step.
        second: Its gradient in the second step.
        zeroed: Whether the run itself cleared ``.grad`` between the two.
    """

    parameter: str
    first: float
    second: float
    zeroed: bool

    @property
    def together(self) -> float:
        """What ``.grad`` holds without zeroing."""
        return self.first + self.second


NOT_KEPT, KEPT, NONE = 0, 1, 2
"""What a recording holds of a number: nothing, the number, or that there was none."""


@dataclass(frozen=True, slots=True)
class Path:
    """Numbers followed over the whole run.

    Attributes:
        followed: What is followed: parameters of one element, or single elements.
        values: (steps + 1, followed); NaN where a number was not kept.
        grads: (steps, followed).
        losses: (steps,).
        value_states: What is held of each value: (steps + 1, followed).
        grad_states: What is held of each ``.grad``: (steps, followed).
    """

    followed: tuple[Scalar, ...]
    values: Floats
    grads: Floats
    losses: Floats
    value_states: npt.NDArray[np.uint8]
    grad_states: npt.NDArray[np.uint8]

    @property
    def names(self) -> tuple[str, ...]:
        """What is followed, as a reader writes it."""
        return tuple(scalar.label for scalar in self.followed)


@dataclass(frozen=True, slots=True)
class TriedRate:
    """The first steps of a run, executed with some learning rate.

    Attributes:
        rate: The learning rate.
        steps: How many steps, from the start.
        loss: The loss of the last of them.
        own: Whether this is what was recorded.
    """

    rate: float
    steps: int
    loss: float
    own: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class OtherDescent:
    """The start of a run executed again with another learning rate, or from elsewhere.

    Attributes:
        rate: The learning rate; None where it is the run's own.
        points: The first two numbers that are followed: (steps + 1, 2); (0, 2) where there are
            not two.
        losses: (steps,).
    """

    rate: float | None
    points: Floats
    losses: Floats


@dataclass(frozen=True, slots=True)
class Lesson:
    """All that a handout says.

    Attributes:
        program: File name of the program, ``""`` for an interactive session.
        status: How the run ended.
        count: Number of steps.
        parameters: All parameters, with their first values.
        inputs: What the first step read that it did not make: data, by name.
        code: Definitions and loop, as written; empty where no source was stored.
        steps: The steps shown, the first of them in full where one was recorded in full.
        played: Steps at full level that a page can play, in order.
        accumulation: One for each followed parameter; empty for a run of one step.
        path: The numbers that are followed.
        corrections: What Adam's constants in the first step shown were computed from.
        regression: The linear regression that this run is, else None.
        ending: Where it ended; None where the run is no linear regression on fixed data.
        events: What happened to the run.
        others: Its start with other learning rates, from low to high; none where nobody
            executed it again.
        starts: The same from elsewhere.
    """

    program: str
    status: str
    count: int
    parameters: tuple[tuple[Parameter, Value | None], ...]
    inputs: tuple[TensorUse, ...]
    code: tuple[CodeBlock, ...]
    steps: tuple[StepLesson, ...]
    played: tuple[StepLesson, ...]
    accumulation: tuple[Accumulation, ...]
    path: Path
    corrections: tuple[Expr, ...]
    regression: Regression | None
    ending: Ending | None
    events: tuple[Event, ...]
    others: tuple[OtherDescent, ...] = ()
    starts: tuple[OtherDescent, ...] = ()

    @property
    def first(self) -> StepLesson:
        """The step that is gone through in detail."""
        return self.steps[0]


def lesson(trace: Trace, steps: Sequence[int], play: Sequence[int] = ()) -> Lesson:
    """All that a handout says about a run.

    Args:
        trace: The run.
        steps: The steps to show; the first of them at full level is gone through in detail.
        play: Steps that a page can play beside those that were recorded in full.

    Raises:
        NotRecordedError: The run has no step.
    """
    if not len(trace.steps) or not steps:
        msg = "The recording has no step, so there is nothing to teach with."
        raise NotRecordedError(msg, hint="Record a program that calls backward() at least once.")
    shown = _in_detail_first(trace, steps)
    first = shown[0].step
    played = [
        step_lesson(trace.steps[index], trace.source)
        for index in sorted({*_spread(trace.full_steps, _PLAYED), *play})
    ]
    regression = recognise(first)
    path = _path(trace, regression)
    if path.values.shape[1] < 2:  # a weight and a bias whose histories do not fit it
        regression = None
    return Lesson(
        program=PurePath(trace.info.program).name,
        status=trace.info.status,
        count=len(trace.steps),
        parameters=tuple(_first_values(trace)),
        inputs=tuple(_inputs(first)),
        code=_code(first, trace.source, PurePath(trace.info.program).name),
        steps=shown,
        played=tuple(played),
        accumulation=tuple(_accumulations(trace, path.followed)),
        path=path,
        corrections=tuple(_corrections(trace, first)),
        regression=regression,
        ending=ending(regression, path.values[:, :2], [each.step for each in played], first),
        events=trace.events,
    )


def _in_detail_first(trace: Trace, steps: Sequence[int]) -> tuple[StepLesson, ...]:
    """The steps in their order; one at full level is put in front where the first is light."""
    full = [step for step in steps if step in trace.full_steps]
    order = list(steps)
    if trace.steps[steps[0]].level == "full":  # recorded so, or replayed
        full = [steps[0]]
    if not full and trace.full_steps:
        order.insert(0, min(trace.full_steps, key=lambda step: abs(step - steps[0])))
    elif full and order[0] != full[0]:
        order.remove(full[0])
        order.insert(0, full[0])
    return tuple(step_lesson(trace.steps[step], trace.source) for step in order)


def _spread(steps: Sequence[int], most: int) -> list[int]:
    if len(steps) <= most:
        return list(steps)
    places = np.unique(np.linspace(0, len(steps) - 1, most).round().astype(int))
    return [steps[place] for place in places]


def _first_values(trace: Trace) -> Iterator[tuple[Parameter, Value | None]]:
    for name, parameter in trace.parameters.items():
        index = min(parameter.first_step, len(trace.steps) - 1)
        known = trace.steps[index].parameters.get(name)
        yield parameter, known.before if known else None


def _inputs(step: Step) -> Iterator[TensorUse]:
    """Tensors that the forward read and nothing in the step made."""
    made: set[int] = set()
    for kernel in step.kernels:
        if kernel.phase != "forward":
            continue
        for use in tensors(kernel.inputs):
            if use.tensor not in made and use.spec.role != "parameter" and use.spec.shape:
                made.add(use.tensor)
                yield use
        made.update(use.tensor for use in kernel.outputs)


def _corrections(trace: Trace, step: Step) -> Iterator[Expr]:
    """What Adam's averages, which start at zero, are divided by in a step."""
    count = digits(str(step.index + 1))
    for optimizer in stored_optimizers(trace):
        for group in optimizer.parts:
            known = group.attributes
            if {"lr", "betas[0]", "betas[1]"} <= known.keys():
                rate, mean, square = (
                    digits(repr(known[name])) for name in ("lr", "betas[0]", "betas[1]")
                )
                yield rate / (1 - mean**count)
                yield Call(SQRT, (1 - square**count,))


# --- one step ------------------------------------------------------------------------------


def step_lesson(step: Step, source: Callable[[str], str | None]) -> StepLesson:
    """One step, ordered for reading.

    Args:
        step: The step.
        source: Gives the text of a source file.
    """
    backward = step.backwards[step.main_backward] if step.backwards else None
    forward = [kernel for kernel in step.kernels if kernel.phase == "forward"]
    names = Names(step.kernels, source)
    told = (
        Stories(TapeIndex(step), names, step.main_backward) if backward and backward.graph else ()
    )
    return StepLesson(
        step=step,
        names=names,
        forward=tuple(each for each in forward if operator_name(each) not in _SILENT),
        backward=tuple(told),
        writes=backward.grad_writes if backward else (),
        call=backward.source if backward else None,
    )


# --- the whole run -------------------------------------------------------------------------


def _path(trace: Trace, regression: Regression | None) -> Path:
    followed: list[Followed] = []
    for name in _order(trace, regression):
        followed += _elements(trace, trace.parameters[name], _FOLLOWED - len(followed))
    if regression is None:  # what stays where it is makes no picture
        followed.sort(key=lambda each: _is_still(each.values))
    count = len(trace.steps)
    return Path(
        followed=tuple(each.scalar for each in followed),
        values=_stacked([each.values for each in followed], count + 1),
        grads=_stacked([each.grads for each in followed], count),
        losses=np.asarray(trace.losses, np.float64),
        value_states=_stacked([each.value_states for each in followed], count + 1),
        grad_states=_stacked([each.grad_states for each in followed], count),
    )


def _stacked(columns: Sequence[Array], count: int) -> Array:
    return np.stack(columns, 1) if columns else np.zeros((count, 0))


def _order(trace: Trace, regression: Regression | None) -> list[str]:
    """All parameters; weight and bias first, then the order of the model."""
    front = [regression.weight, regression.bias] if regression else []
    return [*front, *(name for name in trace.parameters if name not in front)]


@dataclass(frozen=True, slots=True)
class Followed:
    """One number over the run: value, ``.grad``, and what is known of each."""

    scalar: Scalar
    values: Floats
    grads: Floats
    value_states: npt.NDArray[np.uint8]
    grad_states: npt.NDArray[np.uint8]


def _elements(trace: Trace, parameter: Parameter, room: int) -> Iterator[Followed]:
    """Elements of a parameter with their histories: all of a small one, the first of a large."""
    size = math.prod(parameter.shape)
    if room <= 0 or not size or parameter.dtype.startswith("complex"):
        return
    history = trace.parameter(parameter.name)
    values = np.asarray(history.values, np.float64).reshape(-1, size)
    grads = np.asarray(history.grads, np.float64).reshape(-1, size)
    value_states = np.where(history.held["value"], KEPT, NOT_KEPT).astype(np.uint8)
    missing = np.where(history.modes == "", NONE, NOT_KEPT)
    grad_states = np.where(history.held["grad"], KEPT, missing).astype(np.uint8)
    for place in _telling(values, min(room, 2 if size <= _FOLLOWED else 1)):
        index = tuple(int(each) for each in np.unravel_index(place, parameter.shape))
        scalar = Scalar(parameter.name, index, parameter.shape)
        yield Followed(scalar, values[:, place], grads[:, place], value_states, grad_states)


def _is_still(values: Floats) -> bool:
    """Whether a number moves by no more than rounding, as a bias before a batch norm does."""
    known = values[np.isfinite(values)]
    return not len(known) or float(np.ptp(known)) <= _STILL * float(np.abs(known).max())


def _telling(values: Floats, most: int) -> list[int]:
    """The elements that moved most: one that never moves teaches little."""
    with np.errstate(invalid="ignore"):
        moved = np.nan_to_num(np.abs(values[-1] - values[0]), nan=0.0, posinf=0.0)
    return sorted(np.argsort(-moved, kind="stable")[:most].tolist())


def _accumulations(trace: Trace, followed: Sequence[Scalar]) -> Iterator[Accumulation]:
    if len(trace.steps) < 2:
        return
    first, second = trace.steps[0], trace.steps[1]
    for scalar in followed:
        one, two = (each.parameters.get(scalar.parameter) for each in (first, second))
        numbers = [_element(each.grad if each else None, scalar.flat) for each in (one, two)]
        start = _element(one.grad_before, scalar.flat) if one else None
        if one and two and None not in numbers and start in {None, 0.0}:
            before = _element(two.grad_before, scalar.flat) or 0.0
            g1, g2 = (number for number in numbers if number is not None)
            yield Accumulation(scalar.label, g1, g2 - before, bool(one.zeroed))
        if scalar.label != scalar.parameter:
            return  # one element of a larger parameter shows it well enough


def _element(value: Value | None, place: int) -> float | None:
    if value is None or not value.complete or not value.numel:
        return None
    return float(np.real(value.array.ravel()[place]))


# --- the program's own code ----------------------------------------------------------------


def _code(step: Step, source: Callable[[str], str | None], program: str) -> tuple[CodeBlock, ...]:
    """The program's own code that a step ran, in the order of the file.

    Args:
        step: A step at full level.
        source: Gives the text of a source file.
        program: The program's path; only its own file is shown.
    """
    places = [place for place in _places(step) if place is not None]
    files = list(dict.fromkeys(place.file for place in places))
    own = [file for file in files if file.replace("\\", "/").endswith(program)] if program else []
    chosen = own or files[:1]
    text = source(chosen[0]) if chosen else None
    if text is None:
        return ()
    lines = sorted({place.line for place in places if place.file == chosen[0]})
    spans = _merged(_spans(text, lines))
    return tuple(_block(chosen[0], text, span) for span in spans)


def _places(step: Step) -> Iterator[Source | None]:
    yield from (kernel.source for kernel in step.kernels)
    yield from (backward.source for backward in step.backwards)


def _spans(text: str, lines: list[int]) -> Iterator[Span]:
    total = len(text.splitlines())
    try:
        bodies = [node for node in ast.walk(ast.parse(text)) if isinstance(node, _WHOLE)]
    except (SyntaxError, ValueError):
        bodies = []
    for line in lines:
        around = [(node.lineno, node.end_lineno or node.lineno) for node in bodies]
        inside = [span for span in around if span[0] <= line <= span[1]]
        small = [span for span in inside if span[1] - span[0] < _MOST]
        # the outermost that fits on the sheet: a class rather than its method
        yield min(small) if small else (max(1, line - _AROUND), min(total, line + _AROUND))


_WHOLE = (ast.FunctionDef, ast.ClassDef, ast.For, ast.While)


def _merged(spans: Iterable[Span]) -> list[Span]:
    merged: list[Span] = []
    for start, end in sorted(set(spans)):
        if merged and start <= merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged


def _block(file: str, text: str, span: Span) -> CodeBlock:
    lines = text.splitlines()[span[0] - 1 : span[1]]
    return CodeBlock(file, span[0], tuple(textwrap.dedent("\n".join(lines)).split("\n")))
