"""The whole run in characters: its steps on one line, the loss, the path over two numbers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from rich.text import Text

from autograd_lens.render.layout import QUIET, cut
from autograd_lens.render.numbers import scalar
from autograd_lens.trace.values import Floats

__all__ = [
    "LEGEND",
    "Descent",
    "Marks",
    "loss_lines",
    "map_lines",
    "sparkline",
    "thinned",
    "timeline",
]

Steps = Sequence[int] | npt.NDArray[np.intp]

LEGEND = "● here  ! NaN, Inf or error  ▼ finding  ◆ break  ◦ match  · in full"

_BLOCKS = "▁▂▃▄▅▆▇█"
_SHADES = " ·░▒▓"
_MARKS = "  ● here  S start"
_MARGIN = 0.15
_DOTS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))  # of a braille character


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


# --- pictures --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class Descent:
    """What the two pictures are drawn from: some thousands of steps say all there is to see.

    Attributes:
        losses: One for each step that was looked at: (steps,).
        names: Names of the two numbers, or ``()`` where the run has not just two.
        path: Where each of them began: (steps, 2).
        height: The loss over points (..., 2), or None where it is not known.
    """

    losses: Floats
    names: tuple[str, ...] = ()
    path: Floats | None = None
    height: Callable[[Floats], Floats] | None = None


def loss_lines(descent: Descent, here: float, width: int, height: int) -> list[Text]:
    """The loss over the steps, on a logarithmic scale where that is possible.

    Args:
        descent: The run.
        here: How far into the run we are, from 0 to 1.
        width: Columns.
        height: Lines, the label below included.
    """
    losses = descent.losses
    finite = losses[np.isfinite(losses)]
    rows = max(height - 1, 1)
    if not len(finite):
        return [Text("No step has a loss that is a finite number.", style=QUIET)]
    log = bool(finite.min() > 0 and finite.max() / finite.min() > 10)  # a decade
    scale = np.log10 if log else np.asarray
    with np.errstate(all="ignore"):
        shown = thinned(np.asarray(scale(losses), np.float64), width * 2)
    grid = _curve(shown, rows, (width * 2, rows * 4))
    lines = [Text("".join(row), style="cyan") for row in grid]
    place = int(here * (len(shown) - 1) / 2)
    for line in lines:
        line.stylize("magenta reverse", place, place + 1)
    scaled = "log scale, " if log else ""
    words = f"{scaled}{scalar(float(finite.max()), 3)} to {scalar(float(finite.min()), 3)}"
    return [*lines, Text(f"loss  {words}"[:width], style=QUIET)]


def _curve(shown: Floats, rows: int, size: tuple[int, int]) -> list[list[str]]:
    """A curve in braille: each character holds 2 by 4 dots."""
    finite = shown[np.isfinite(shown)]
    low, span = float(finite.min()), float(np.ptp(finite)) or 1.0
    dots = np.zeros((size[1], size[0]), np.bool_)
    previous = None
    for x, number in enumerate(shown.tolist()):
        if not np.isfinite(number):
            previous = None
            continue
        y = round((1 - (number - low) / span) * (size[1] - 1))
        first, last = sorted((y, y if previous is None else previous))
        dots[first : last + 1, x] = True
        previous = y
    return _braille(dots, rows)


def _braille(dots: npt.NDArray[np.bool_], rows: int) -> list[list[str]]:
    codes = np.zeros((rows, dots.shape[1] // 2), np.int64)
    for down, pair in enumerate(_DOTS):
        for right, bit in enumerate(pair):
            codes |= np.where(dots[down::4, right::2], bit, 0)
    return [[chr(0x2800 + code) if code else " " for code in row] for row in codes.tolist()]


def map_lines(descent: Descent, here: float, width: int, height: int) -> list[Text]:
    """The path over two numbers, darker where the loss is higher, ● where we are.

    Args:
        descent: The run.
        here: How far into the run we are, from 0 to 1.
        width: Columns.
        height: Lines, the label below included.
    """
    path = descent.path
    if path is None or not np.isfinite(path).all(1).any():
        return [Text("No map: this run has just one number, or too many to read.", style=QUIET)]
    rows = max(height - 1, 1)
    low, high = _extent(path)
    cells = _shaded(descent, low, high, (width, rows))
    for x, y in _places(path, low, high, (width, rows)):
        cells[y][x] = ("•", "bold cyan")
    for point, mark, style in _marks(path, here):
        for x, y in _places(point, low, high, (width, rows)):
            cells[y][x] = (mark, style)
    across, up = _range(low[0], high[0]), _range(low[1], high[1])
    text = f"→ {descent.names[0]} {across}  ↑ {descent.names[1]} {up}"
    if len(text) > width:  # of directions, which is enough
        names = [name.partition(" of the path")[0].partition(" (")[0] for name in descent.names]
        text = f"→ {names[0]}  ↑ {names[1]}"
    text += _MARKS if len(text) + len(_MARKS) <= width else ""
    return [Text.assemble(*row) for row in cells] + [cut(Text(text, style=QUIET), width)]


def _marks(path: Floats, here: float) -> list[tuple[Floats, str, str]]:
    now = round(here * (len(path) - 1))
    return [(path[:1], "S", "bold"), (path[now : now + 1], "●", "bold magenta")]


def _range(low: float, high: float) -> str:
    return f"{scalar(low, 2)}…{scalar(high, 2)}"


def _extent(path: Floats) -> tuple[Floats, Floats]:
    known = path[np.isfinite(path).all(1)]
    low, high = known.min(0), known.max(0)
    margin = np.where(high > low, high - low, 1.0) * _MARGIN
    return low - margin, high + margin


def _places(
    points: Floats, low: Floats, high: Floats, size: tuple[int, int]
) -> list[tuple[int, int]]:
    known = points[np.isfinite(points).all(1)]
    shares = (known - low) / (high - low)
    x = (shares[:, 0] * (size[0] - 1)).round().astype(np.intp)
    y = ((1 - shares[:, 1]) * (size[1] - 1)).round().astype(np.intp)
    return list(dict.fromkeys(zip(x.tolist(), y.tolist(), strict=True)))


def _shaded(
    descent: Descent, low: Floats, high: Floats, size: tuple[int, int]
) -> list[list[tuple[str, str]]]:
    """The loss as shades, on a logarithmic scale so that the valley shows."""
    width, rows = size
    if descent.height is None:
        return [[(" ", "")] * width for _ in range(rows)]
    across = np.linspace(low[0], high[0], width)
    up = np.linspace(high[1], low[1], rows)
    heights = descent.height(np.stack(np.meshgrid(across, up), -1))
    heights = np.where(np.isfinite(heights), heights, np.nan)
    if np.isnan(heights).all():
        return [[(" ", "")] * width for _ in range(rows)]
    with np.errstate(all="ignore"):
        low_loss, span = np.nanmin(heights), np.nanmax(heights) - np.nanmin(heights)
        scaled = np.log(heights - low_loss + span * 1e-4)
        scaled -= np.nanmin(scaled)
        share = np.nan_to_num(scaled / (np.nanmax(scaled) or 1.0))
    level = np.clip((share * len(_SHADES)).astype(np.intp), 0, len(_SHADES) - 1)
    return [[(_SHADES[each], QUIET) for each in row] for row in level.tolist()]
