"""What replaying a run came to: a verification, a stretch with something changed; as records."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from autograd_lens.trace.values import Array, Floats

__all__ = [
    "Care",
    "CheckResult",
    "Cure",
    "Descent",
    "Disturbance",
    "Laboratory",
    "Mismatch",
    "Skipped",
    "Slope",
    "Treatment",
    "Trial",
    "Verification",
    "WhatIf",
]

_FALLS = 0.01


@dataclass(frozen=True, slots=True)
class Mismatch:
    """Something that is not what was recorded.

    Attributes:
        step: The step.
        name: What it is: ``"loss"``, ``"w1.grad"``, ``"kernel 3, aten.sub.Tensor"``.
        by: How much: ``"1.2e-07 at [0, 0]"``; ``""`` where that is not known.
    """

    step: int
    name: str
    by: str = ""


@dataclass(frozen=True, slots=True)
class Skipped:
    """Why some steps were not checked.

    Attributes:
        reason: One sentence.
        steps: The steps.
    """

    reason: str
    steps: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class CheckResult:
    """One sort of check over all steps.

    Attributes:
        name: For example ``"gradients"``.
        how: What was compared with what, in a few words.
        steps: How many steps it held for or failed in.
        mismatches: What differs.
        skipped: What was not checked, and why.
    """

    name: str
    how: str
    steps: int
    mismatches: tuple[Mismatch, ...] = field(default=())
    skipped: tuple[Skipped, ...] = field(default=())


@dataclass(frozen=True, slots=True)
class Verification:
    """The checks of one recording.

    Attributes:
        steps: How many steps were asked for.
        checks: The checks.
        seconds: How long they took.
    """

    steps: int
    checks: tuple[CheckResult, ...]
    seconds: float = 0.0

    @property
    def differs(self) -> bool:
        """Whether anything differs."""
        return any(check.mismatches for check in self.checks)

    @property
    def complete(self) -> bool:
        """Whether everything that was asked for was checked."""
        return not any(check.skipped for check in self.checks)


@dataclass(frozen=True, slots=True, eq=False)
class Descent:
    """A way through the space of parameters.

    Attributes:
        values: Each parameter at each point, by name: (steps + 1, *shape).
        losses: The loss of each step: (steps,).
    """

    values: Mapping[str, Array]
    losses: Floats


@dataclass(frozen=True, slots=True, eq=False)
class WhatIf:
    """A recorded stretch beside the one with something changed.

    Attributes:
        first: The step it begins with.
        recorded: What was recorded; may be shorter, where the recording ends.
        changed: What it would have been.
        changes: What was changed, for example ``{"lr": "1.7"}``.
        originals: What these were in the recording.
        proof: One sentence: on what it rests.
    """

    first: int
    recorded: Descent
    changed: Descent
    changes: Mapping[str, str]
    originals: Mapping[str, str]
    proof: str


@dataclass(frozen=True, slots=True)
class Care:
    """What is done otherwise on a way that is gone again, besides numbers.

    Attributes:
        clip: The norm that all gradients together are clipped to behind each backward.
        without: Steps whose batch is left out: nothing is updated in them.
    """

    clip: float | None = None
    without: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True, eq=False)
class Treatment:
    """One thing that is done otherwise.

    Attributes:
        name: What it is, in a few words.
        changes: New values of constants by name.
        care: What else.
    """

    name: str
    changes: Mapping[str, float] = field(default_factory=dict)
    care: Care = Care()


@dataclass(frozen=True, slots=True, eq=False)
class Trial:
    """What came of one treatment.

    Attributes:
        name: What was done otherwise.
        losses: The loss of each step: (steps,); empty where it could not be tried.
        made: Which of them were made, and not left out: (steps,).
        finite: Whether every loss and every parameter is a finite number.
        missing: Why it could not be tried; ``""`` where it was.
    """

    name: str
    losses: Floats
    made: npt.NDArray[np.bool_]
    finite: bool
    missing: str = ""

    @property
    def known(self) -> Floats:
        """The losses of the steps that were made: (steps made,)."""
        return self.losses[self.made]

    @property
    def falls(self) -> bool:
        """Whether its last quarter lies below its first, by a hundredth at least."""
        known = self.known
        part = max(1, len(known) // 4)
        if not self.finite or len(known) <= 1:
            return False
        begins, ends = float(np.median(known[:part])), float(np.median(known[-part:]))
        return ends < begins - _FALLS * abs(begins)


@dataclass(frozen=True, slots=True, eq=False)
class Cure:
    """A stretch of a run gone again with one thing at a time done otherwise.

    Attributes:
        step: The step that went wrong.
        first: The step at which each trial begins.
        steps: How many steps each makes.
        recorded: The recorded losses of these steps, as far as there are: (steps,).
        proof: On what it rests.
        trials: What was tried; the first one changes nothing.
        precise: The loss of that step in float64, NaN where it is none; None where it could not
            be computed.
    """

    step: int
    first: int
    steps: int
    recorded: Floats
    proof: str
    trials: tuple[Trial, ...]
    precise: float | None


@dataclass(frozen=True, slots=True)
class Disturbance:
    """One row of a tensor overwritten with another, in the middle of a step.

    Attributes:
        step: The step.
        kernel: The kernel in front of which it happens.
        tensor: Id of the tensor, which that kernel reads.
        axis: The axis of its rows.
        reader: The kernel that reads what comes of it.
        result: Id of the tensor that is looked at.
        row: The row that is overwritten.
        other: The row that it becomes.
        along: The axis of the result's rows.
    """

    step: int
    kernel: int
    tensor: int
    axis: int
    reader: int
    result: int
    row: int = 0
    other: int = 1
    along: int = 0


@dataclass(frozen=True, slots=True)
class Slope:
    """A gradient of a custom Function against that of its forward, where they differ most.

    Attributes:
        function: The Function.
        kernel: Position of the last kernel of its forward.
        position: Which of its inputs.
        given: What its backward gave.
        right: What autograd gives for the kernels of its forward.
        scale: The largest gradient that autograd gives for that input.
    """

    function: str
    kernel: int
    position: int
    given: float
    right: float
    scale: float


@dataclass(frozen=True, slots=True)
class Laboratory:
    """What can be tried with a trace by executing it again; each raises a ReplayError or not.

    Attributes:
        descend: From a step on, so many steps, with constants or parameters changed.
        spread: The rows that change when one row is overwritten; takes the seconds there are.
        slopes: A step's custom Functions, as far as their forward is smooth; the same.
    """

    descend: Callable[[int, int, Mapping[str, float]], WhatIf]
    spread: Callable[[Disturbance, float], tuple[int, ...]]
    slopes: Callable[[int, float], tuple[Slope, ...]]
