"""Places in a run, as the command line and the doctor write them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, get_args

from autograd_lens.errors import SelectionError
from autograd_lens.trace.records import Phase
from autograd_lens.trace.selection import select_step

if TYPE_CHECKING:
    from autograd_lens.tui.session import Session

__all__ = ["Place"]


@dataclass(frozen=True, slots=True)
class Place:
    """A step, and something in it.

    Attributes:
        step: The step.
        phase: Its phase to start at, or None.
        kernel: The kernel to start at, or None.
    """

    step: int
    phase: Phase | None = None
    kernel: int | None = None

    @classmethod
    def parse(cls, text: str, steps: int) -> Place:
        """The place that a text names: ``12``, ``last``, ``12:backward``, ``12:k7``.

        Args:
            text: What the user wrote.
            steps: How many steps the run has.

        Raises:
            SelectionError: It names no place.
        """
        step, _, inside = text.partition(":")
        number = select_step(step, steps) if steps else 0
        if not inside:
            return cls(number)
        if kernel := re.fullmatch(r"k(\d+)", inside):
            return cls(number, kernel=int(kernel[1]))
        for phase in get_args(Phase):
            if inside == phase:
                return cls(number, phase=phase)
        msg = f"{inside!r} is no place in a step."
        names = ", ".join(get_args(Phase))
        raise SelectionError(msg, hint=f"Write one of {names}, or k7 for kernel 7.")

    def go(self, session: Session) -> None:
        """Go there, as near as the step allows: a light step has no kernels."""
        session.to_step(self.step)
        if self.phase is not None:
            session.to_phase(self.phase)
        if self.kernel is not None:
            session.to_kernel(self.kernel)
