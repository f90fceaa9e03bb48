"""All steps of a run on one line: where we are, where it breaks, what was found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from rich.text import Text

from autograd_lens.render.layout import QUIET

__all__ = ["LEGEND", "Marks", "sparkline", "thinned", "timeline"]

Floats = npt.NDArray[np.float64]
Steps = Sequence[int] | npt.NDArray[np.intp]

LEGEND = "● here  ! NaN, Inf or error  ▼ finding  ◆ break  ◦ match  · in full"

_BLOCKS = "▁▂▃▄▅▆▇█"


@dataclass(frozen=True, slots=True)
class Marks:
    """Steps that are worth a mark.

    Attributes:
        full: Recorded in full.
        matches: Found by the search.
        breaks: A breakpoint holds there.
        bad: With a NaN, an Inf or an error.
        findings: The doctor says something of them.
    """

    full: Steps = ()
    matches: Steps = ()
    breaks: Steps = ()
    bad: Steps = ()
    findings: Steps = ()


def timeline(steps: int, here: int, width: int, marks: Marks) -> Text:
    """A line of marks; where several steps share a column, the most urgent mark is seen.

    Args:
        steps: Number of steps.
        here: The current step.
        width: Columns.
        marks: What to mark.
    """
    cells = ["─"] * width
    styles = [QUIET] * width
    layers = (
        (marks.full, "·", ""),
        (marks.matches, "◦", "bold cyan"),
        (marks.breaks, "◆", "bold yellow"),
        (marks.findings, "▼", "bold yellow"),
        (marks.bad, "!", "bold red"),
        ([here] if steps else [], "●", "bold magenta"),
    )
    for chosen, mark, style in layers:
        for place in np.unique(_columns(chosen, steps, width)).tolist():
            cells[place], styles[place] = mark, style
    return Text.assemble(*zip(cells, styles, strict=True))


def _columns(chosen: Steps, steps: int, width: int) -> npt.NDArray[np.intp]:
    numbers = np.asarray(chosen, np.intp)
    return numbers * (width - 1) // max(steps - 1, 1)


def thinned(numbers: Floats, count: int) -> Floats:
    """At most ``count`` of the numbers, at equal distances, first and last among them."""
    if len(numbers) <= count:
        return numbers
    places = np.linspace(0, len(numbers) - 1, count).round().astype(np.intp)
    return numbers[places]


def sparkline(numbers: Floats, width: int, here: float | None = None) -> Text:
    """Numbers as a row of blocks, lowest to highest; what is no number is a cross.

    Args:
        numbers: The numbers.
        width: Columns, at most.
        here: Where we are, as a share of the row from 0 to 1; marked by an underlined block.
    """
    shown = thinned(numbers, width)
    finite = shown[np.isfinite(shown)]
    low = float(finite.min()) if len(finite) else 0.0
    span = float(np.ptp(finite)) if len(finite) else 0.0
    text = Text()
    for number in shown.tolist():
        if not np.isfinite(number):
            text.append("×", style="bold red")
        else:
            share = (number - low) / span if span > 0 else 0.5
            text.append(_BLOCKS[min(int(share * 8), 7)], style="cyan")
    if here is not None and len(shown):
        place = round(here * (len(shown) - 1))
        text.stylize("bold magenta underline", place, place + 1)
    return text
