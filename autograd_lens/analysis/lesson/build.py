"""Put a lesson together from a trace."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePath
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from autograd_lens.analysis.lesson.code import code_blocks
from autograd_lens.analysis.lesson.ending import ending
from autograd_lens.analysis.lesson.records import (
    Accumulation,
    BackwardRow,
    Gradient,
    Lesson,
    Path,
    StepLesson,
)
from autograd_lens.analysis.lesson.regression import Regression, recognise
from autograd_lens.errors import NotRecordedError
from autograd_lens.trace.graph import operator_name, tensors
from autograd_lens.trace.info import RunInfo
from autograd_lens.trace.records import (
    Backward,
    Event,
    Kernel,
    Node,
    NodeRun,
    Parameter,
    Step,
    TensorUse,
)
from autograd_lens.trace.values import Value

__all__ = ["TraceLike", "lesson", "step_lesson"]

_FOLLOWED = 6  # numbers that are followed over the run
_PLAYED = 24  # full steps that a page can hold
_SILENT = frozenset(
    {"_local_scalar_dense", "alias", "detach", "empty", "empty_like", "lift_fresh", "t", "view"}
)


class TraceLike(Protocol):
    """The part of a trace that a lesson is made from."""

    @property
    def info(self) -> RunInfo:
        """The run."""

    @property
    def parameters(self) -> Mapping[str, Parameter]:
        """All parameters."""

    @property
    def steps(self) -> Sequence[Step]:
        """All steps."""

    @property
    def full_steps(self) -> tuple[int, ...]:
        """Steps at full level."""

    @property
    def losses(self) -> npt.NDArray[np.float64]:
        """(steps,)."""

    @property
    def events(self) -> tuple[Event, ...]:
        """What happened."""

    def parameter(self, name: str) -> Any:  # noqa: ANN401  ParameterHistory, or a stand-in
        """One parameter's history."""

    def source(self, file: str) -> str | None:
        """Stored source text."""


def lesson(trace: TraceLike, steps: Sequence[int]) -> Lesson:
    """All that a handout says about a run.

    Args:
        trace: The run.
        steps: The steps to show; the first of them at full level is gone through in detail.

    Raises:
        NotRecordedError: The run has no step.
    """
    if not len(trace.steps) or not steps:
        msg = "The recording has no step, so there is nothing to teach with."
        raise NotRecordedError(msg, hint="Record a program that calls backward() at least once.")
    shown = _in_detail_first(trace, steps)
    first = shown[0].step
    played = [step_lesson(trace.steps[index]) for index in _spread(trace.full_steps, _PLAYED)]
    regression = recognise(first)
    path = _path(trace, regression)
    return Lesson(
        program=PurePath(trace.info.program).name,
        status=trace.info.status,
        count=len(trace.steps),
        parameters=tuple(_first_values(trace)),
        inputs=tuple(_inputs(first)),
        code=code_blocks(first, trace.source, PurePath(trace.info.program).name),
        steps=shown,
        played=tuple(played),
        accumulation=tuple(_accumulations(trace, path.names)),
        path=path,
        regression=regression,
        ending=ending(regression, path, [each.step for each in played], first),
        events=trace.events,
    )


def _in_detail_first(trace: TraceLike, steps: Sequence[int]) -> tuple[StepLesson, ...]:
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
    return tuple(step_lesson(trace.steps[step]) for step in order)


def _spread(steps: Sequence[int], most: int) -> list[int]:
    if len(steps) <= most:
        return list(steps)
    places = np.unique(np.linspace(0, len(steps) - 1, most).round().astype(int))
    return [steps[place] for place in places]


def _first_values(trace: TraceLike) -> Iterator[tuple[Parameter, Value | None]]:
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


# --- one step ------------------------------------------------------------------------------


def step_lesson(step: Step) -> StepLesson:
    """One step, ordered for reading."""
    backward = step.backwards[-1] if step.backwards else None
    forward = [kernel for kernel in step.kernels if kernel.phase == "forward"]
    return StepLesson(
        step=step,
        forward=tuple(each for each in forward if operator_name(each) not in _SILENT),
        backward=tuple(_rows(step, backward)) if backward and backward.graph else (),
        writes=backward.grad_writes if backward else (),
        call=backward.source if backward else None,
    )


def _rows(step: Step, backward: Backward) -> Iterator[BackwardRow]:
    graph = backward.graph
    nodes = graph.nodes if graph else ()
    writes = {write.parameter: write for write in backward.grad_writes}
    for run in backward.node_runs:
        node = nodes[run.node]
        made = node.forward_kernel
        kernel = step.kernels[made] if made is not None and made < len(step.kernels) else None
        yield BackwardRow(
            run=run,
            node=node,
            kernel=kernel,
            incoming=tuple(_incoming(run, node, kernel)),
            outgoing=tuple(_outgoing(run, node, kernel, backward)),
            write=writes.get(node.variable) if node.variable else None,
        )


def _incoming(run: NodeRun, node: Node, kernel: Kernel | None) -> Iterator[Gradient]:
    outputs = kernel.outputs if kernel else ()
    for position, value in enumerate(run.grad_outputs):
        use = outputs[position] if position < len(outputs) else None
        if value is not None:
            yield Gradient(use, node.variable or "", value)


def _outgoing(
    run: NodeRun, node: Node, kernel: Kernel | None, backward: Backward
) -> Iterator[Gradient]:
    graph = backward.graph
    edges = graph.edges if graph else ()
    to = {edge.input_position: edge.to_node for edge in edges if edge.from_node == node.index}
    names = [name for pair in node.formula for name in pair[0].split(", ")]
    given = {each.name: each.value for each in kernel.inputs} if kernel else {}
    for position, value in enumerate(run.grad_inputs):
        receiver = to.get(position)
        if receiver is None:
            continue  # an input that needs no gradient
        use = given.get(names[position]) if position < len(names) else None
        name = graph.nodes[receiver].variable if graph else None
        known = use if isinstance(use, TensorUse) else None
        yield Gradient(known, name or "", value, receiver)


# --- the whole run -------------------------------------------------------------------------


def _path(trace: TraceLike, regression: Regression | None) -> Path:
    columns: dict[str, tuple[npt.NDArray[Any], npt.NDArray[Any]]] = {}
    for name in _order(trace, regression):
        for label, *pair in _elements(trace, name, _FOLLOWED - len(columns)):
            columns[label] = (pair[0], pair[1])
    count = len(trace.steps)
    values = [pair[0] for pair in columns.values()]
    grads = [pair[1] for pair in columns.values()]
    return Path(
        names=tuple(columns),
        values=np.stack(values, 1) if values else np.zeros((count + 1, 0)),
        grads=np.stack(grads, 1) if grads else np.zeros((count, 0)),
        losses=np.asarray(trace.losses, np.float64),
    )


def _order(trace: TraceLike, regression: Regression | None) -> list[str]:
    """All parameters; weight and bias first, then the order of the model."""
    front = [regression.weight, regression.bias] if regression else []
    return [*front, *(name for name in trace.parameters if name not in front)]


def _elements(
    trace: TraceLike, name: str, room: int
) -> Iterator[tuple[str, npt.NDArray[Any], npt.NDArray[Any]]]:
    """Elements of a parameter with their histories: all of a small one, the first of a large."""
    parameter = trace.parameters[name]
    size = math.prod(parameter.shape)
    if room <= 0 or not size or parameter.dtype.startswith("complex"):
        return
    history = trace.parameter(name)
    values = np.asarray(history.values, np.float64).reshape(-1, size)
    grads = np.asarray(history.grads, np.float64).reshape(-1, size)
    for place in _telling(values, min(room, 2 if size <= _FOLLOWED else 1)):
        index = ", ".join(map(str, np.unravel_index(place, parameter.shape)))
        label = name if size == 1 else f"{name}[{index}]"
        yield label, values[:, place], grads[:, place]


def _telling(values: npt.NDArray[np.float64], most: int) -> list[int]:
    """The elements that moved most: one that never moves teaches little."""
    with np.errstate(invalid="ignore"):
        moved = np.nan_to_num(np.abs(values[-1] - values[0]), nan=0.0, posinf=0.0)
    return sorted(np.argsort(-moved, kind="stable")[:most].tolist())


def _accumulations(trace: TraceLike, names: Sequence[str]) -> Iterator[Accumulation]:
    if len(trace.steps) < 2:  # noqa: PLR2004
        return
    first, second = trace.steps[0], trace.steps[1]
    for name in names:
        parameter, place = _place(name, trace.parameters)
        one, two = first.parameters.get(parameter), second.parameters.get(parameter)
        numbers = [_element(each.grad if each else None, place) for each in (one, two)]
        if one and two and None not in numbers and _element(one.grad_before, place) in {None, 0.0}:
            before = _element(two.grad_before, place) or 0.0
            g1, g2 = (number for number in numbers if number is not None)
            yield Accumulation(name, g1, g2 - before, bool(one.zeroed))
        if name != parameter:
            return  # one element of a larger parameter shows it well enough


def _place(name: str, parameters: Mapping[str, Parameter]) -> tuple[str, int]:
    """Parameter and element that a followed name means."""
    match = None if name in parameters else re.fullmatch(r"(.*)\[([\d, ]+)\]", name)
    if match is None:
        return name, 0
    index = [int(part) for part in match[2].split(",")]
    return match[1], int(np.ravel_multi_index(index, parameters[match[1]].shape))


def _element(value: Value | None, place: int) -> float | None:
    if value is None or not value.complete or not value.numel:
        return None
    return float(np.real(value.array.ravel()[place]))
