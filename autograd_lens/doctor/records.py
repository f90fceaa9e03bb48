"""What the doctor says."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from autograd_lens.trace.records import Source

__all__ = ["Finding", "Level", "Rule", "Severity"]

_KERNEL = re.compile(r"kernel (\d+) ")

Severity = Literal["error", "warning"]
Level = Literal["light", "full", "event"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong, with the evidence for it.

    Attributes:
        code: For example ``"AL101"``.
        name: The pattern, for example ``"stale-gradient"``.
        severity: ``"error"`` where the training cannot be right, else ``"warning"``.
        title: What happened, one short line.
        message: What happened and why it is bad, a paragraph with the run's own numbers.
        fix: The corrected line or lines of code.
        step: The step to look at, or None.
        events: What in that step shows it, for example ``("kernel 12",)``.
        source: The line of the program, or None.
        line: Its text.
        look: The command that shows it, with ``{file}`` for the trace.
    """

    code: str
    name: str
    severity: Severity
    title: str
    message: str
    fix: str
    step: int | None = None
    events: tuple[str, ...] = ()
    source: Source | None = None
    line: str = ""
    look: str = ""


@dataclass(frozen=True, slots=True)
class Rule:
    """What a rule is.

    Attributes:
        code: Its code.
        name: Its name, that of its file with dashes.
        severity: How bad what it finds is.
        level: What it reads: ``"light"`` steps, ``"full"`` steps, or the ``"event"`` of an error.
        explains: Codes of rules whose findings follow from this one's and are left out.
    """

    code: str
    name: str
    severity: Severity
    level: Level
    explains: tuple[str, ...] = ()

    def finding(  # noqa: PLR0913  the fields of a finding, by keyword
        self,
        *,
        title: str,
        message: str,
        fix: str,
        step: int | None = None,
        events: tuple[str, ...] = (),
        source: Source | None = None,
        line: str = "",
        look: str = "",
    ) -> Finding:
        """A finding of this rule; see ``Finding``.

        Where nothing else is to be looked at, it is the step, at the first event's kernel.
        """
        if not look and step is not None:
            kernel = _KERNEL.match(events[0]) if events else None
            place = f"{step}:k{kernel[1]}" if kernel else f"{step}"
            look = f"autograd-lens step {{file}} --at {place}"
        return Finding(
            self.code,
            self.name,
            self.severity,
            title,
            " ".join(message.split()),
            fix,
            step,
            events,
            source,
            line,
            look,
        )
