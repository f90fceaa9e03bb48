"""What a verification found, as frozen records."""

from __future__ import annotations

from dataclasses import dataclass, field

__all__ = ["CheckResult", "Mismatch", "Skipped", "Verification"]


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
