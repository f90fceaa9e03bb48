"""What the doctor says: findings, rules, and numbers and names in sentences."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from autograd_lens.trace.records import Kernel, Source, Step
from autograd_lens.trace.values import Value

__all__ = [
    "Finding",
    "Level",
    "Rule",
    "Severity",
    "largest_difference",
    "listed",
    "number",
    "plural",
    "replayed",
    "shape",
    "size",
]

_KERNEL = re.compile(r"kernel (\d+)\b")
_OPENED = "the step was opened by replay"
_SHOWN = "Shown by executing step"  # how a message begins to tell of an experiment

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
        line: Its text; ``examine`` fills it in.
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

    @property
    def kernel(self) -> int | None:
        """The first kernel of its step that shows it, or None."""
        found = filter(None, map(_KERNEL.match, self.events))
        return next((int(each[1]) for each in found), None)

    @property
    def executed(self) -> bool:
        """Whether it rests on recorded steps that were executed again."""
        return _OPENED in self.events or _SHOWN in self.message


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
        kernel: Kernel | None = None,
        source: Source | None = None,
        line: str = "",
        look: str = "",
    ) -> Finding:
        """A finding of this rule; see ``Finding``.

        A kernel stands for its event and its line. Where nothing else is to be looked at, it is
        the step, at the first event's kernel.
        """
        if kernel is not None:
            events = events or (f"kernel {kernel.index} {kernel.op}",)
            source = source or kernel.source
        if not look and step is not None:
            first = _KERNEL.match(events[0]) if events else None
            place = f"{step}:k{first[1]}" if first else f"{step}"
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


_NAMED = 3


def number(value: float) -> str:
    """A number with four digits that count."""
    return "NaN" if math.isnan(value) else f"{value:.4g}"


def size(value: Value | None) -> str:
    """The number of a one-element tensor, else its norm."""
    if value is None:
        return "None"
    if value.numel == 1 and value.complete:
        single = value.item()
        return number(float(single.real)) if not isinstance(single, complex) else str(single)
    return f"norm {number(value.norm)}"


def shape(sizes: Sequence[int]) -> str:
    """Sizes as PyTorch's users write them."""
    return f"({sizes[0]},)" if len(sizes) == 1 else f"({', '.join(map(str, sizes))})"


def listed(names: Sequence[str]) -> str:
    """``w1``, ``w1 and b1``, ``w1, b1 and 3 more``."""
    names = list(dict.fromkeys(names))
    if len(names) <= _NAMED:
        return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]])) if names else "none"
    return f"{', '.join(names[: _NAMED - 1])} and {len(names) - _NAMED + 1} more"


def plural(count: int, word: str) -> str:
    """``1 step``, ``3 steps``."""
    return f"{count:,} {word}{'' if count == 1 else 's'}"


def replayed(step: Step) -> tuple[str, ...]:
    """What to add to the evidence of a step that was not recorded in full."""
    return () if step.provenance == "recorded" else (_OPENED,)


def largest_difference(before: Value, after: Value) -> float:
    """The largest absolute difference of two values' elements; NaN where it cannot be told."""
    if not (before.complete and after.complete) or before.shape != after.shape:
        return math.nan
    apart = np.abs(before.array.astype(np.float64) - after.array.astype(np.float64))
    return float(apart.max(initial=0.0))
