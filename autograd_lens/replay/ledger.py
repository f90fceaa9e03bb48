"""Adds up what verification finds, check by check."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from autograd_lens.replay.check import Difference
from autograd_lens.trace.outcomes import CheckResult, Mismatch, Skipped

__all__ = ["Ledger"]


@dataclass
class Ledger:
    """One sort of check, while it goes on.

    Attributes:
        name: Its name.
        how: What is compared with what.
    """

    name: str
    how: str
    _steps: int = 0
    _mismatches: list[Mismatch] = field(default_factory=list)
    _skipped: dict[str, list[int]] = field(default_factory=dict)

    def passed(self, steps: int) -> None:
        """So many steps are right."""
        self._steps += steps

    def checked(self, step: int, differences: Iterable[Difference]) -> None:
        """A step was checked."""
        self._steps += 1
        for one in differences:
            text = str(one).removeprefix(one.name).removeprefix(" by ")
            self._mismatches.append(Mismatch(step, one.name, text))

    def skip(self, step: int, reason: str) -> None:
        """A step could not be checked."""
        general = re.sub(r"\b[Ss]tep \d+\b", "the step", reason)
        self._skipped.setdefault(general[:1].upper() + general[1:], []).append(step)

    def result(self) -> CheckResult:
        """The finished check."""
        skipped = (Skipped(reason, tuple(steps)) for reason, steps in self._skipped.items())
        return CheckResult(
            self.name, self.how, self._steps, tuple(self._mismatches), tuple(skipped)
        )
