"""What replaying a run came to: a verification, a stretch with something changed; as records."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["CheckResult", "Descent", "Mismatch", "Skipped", "Verification", "WhatIf"]


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

    values: Mapping[str, npt.NDArray[Any]]
    losses: npt.NDArray[np.float64]


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
