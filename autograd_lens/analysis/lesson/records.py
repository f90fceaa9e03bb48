"""What a handout tells, as frozen records: numbers and code, no words and no layout."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from autograd_lens.analysis.lesson.regression import Regression
from autograd_lens.trace.records import (
    Event,
    GradWrite,
    Kernel,
    Node,
    NodeRun,
    Parameter,
    Source,
    Step,
    TensorUse,
)
from autograd_lens.trace.values import Value

__all__ = [
    "Accumulation",
    "BackwardRow",
    "CodeBlock",
    "Ending",
    "Gradient",
    "Lesson",
    "OtherRate",
    "Path",
    "StepLesson",
    "TriedRate",
]

Floats = npt.NDArray[np.float64]


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
class Gradient:
    """A gradient on its way through one node.

    Attributes:
        use: The tensor it is the gradient of, where the tape knows it.
        parameter: The parameter it belongs to, or ``""``.
        value: The gradient.
        to_node: For one that goes out, the node that receives it, else None.
    """

    use: TensorUse | None
    parameter: str
    value: Value | None
    to_node: int | None = None


@dataclass(frozen=True, slots=True)
class BackwardRow:
    """One node as the engine ran it.

    Attributes:
        run: Its run.
        node: The node.
        kernel: The forward kernel whose derivative it is, or None.
        incoming: Gradients of the forward's outputs.
        outgoing: Gradients of the forward's inputs; those that need none are left out.
        write: What it wrote into a ``.grad``, or None.
    """

    run: NodeRun
    node: Node
    kernel: Kernel | None
    incoming: tuple[Gradient, ...]
    outgoing: tuple[Gradient, ...]
    write: GradWrite | None


@dataclass(frozen=True, slots=True)
class StepLesson:
    """One step, ordered for reading.

    Attributes:
        step: The step.
        forward: Forward kernels that compute something, in order; empty at light level.
        backward: Nodes of the last backward in the engine's order; empty at light level.
        writes: Writes to ``.grad`` of the last backward.
        call: The line that called backward, or None.
    """

    step: Step
    forward: tuple[Kernel, ...]
    backward: tuple[BackwardRow, ...]
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


@dataclass(frozen=True, slots=True)
class Path:
    """Numbers followed over the whole run.

    Attributes:
        names: What is followed: parameters of one element, or single elements.
        values: (steps + 1, names).
        grads: (steps, names).
        losses: (steps,).
    """

    names: tuple[str, ...]
    values: Floats
    grads: Floats
    losses: Floats


@dataclass(frozen=True, slots=True)
class OtherRate:
    """The same descent with another learning rate, computed from the data of the run.

    Attributes:
        rate: The learning rate.
        steps: Steps taken; fewer than the run's where it ran away.
        weight: Where it ended.
        bias: Where it ended.
        loss: The loss there.
        diverged: Whether it ran away.
        points: Positions on the way: (some, 2).
    """

    rate: float
    steps: int
    weight: float
    bias: float
    loss: float
    diverged: bool
    points: Floats


@dataclass(frozen=True, slots=True)
class Ending:
    """Where a linear regression ended, against least squares.

    Attributes:
        weight: Last weight.
        bias: Last bias.
        loss: Loss there.
        best_weight: Least squares.
        best_bias: Least squares.
        best_loss: Loss of least squares.
        rate: Learning rate of the run; None where the update is no plain gradient descent.
        limit: Largest learning rate that still converges.
        deviation: Largest difference between the recorded path and the same path computed in
            float64; None where it was not computed.
        others: Other learning rates; empty where the recorded path was not reproduced.
    """

    weight: float
    bias: float
    loss: float
    best_weight: float
    best_bias: float
    best_loss: float
    rate: float | None
    limit: float
    deviation: float | None
    others: tuple[OtherRate, ...]


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
        regression: The linear regression that this run is, else None.
        ending: Where it ended; None where the run is no linear regression on fixed data.
        events: What happened to the run.
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
    regression: Regression | None
    ending: Ending | None
    events: tuple[Event, ...]

    @property
    def first(self) -> StepLesson:
        """The step that is gone through in detail."""
        return self.steps[0]
