"""What was tried to keep a run finite, for terminals and as data."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from rich.console import Group
from rich.text import Text

from autograd_lens.render.layout import NAME, QUIET, folded, table
from autograd_lens.render.numbers import scalar
from autograd_lens.trace.outcomes import Cure, Trial
from autograd_lens.trace.values import Floats

__all__ = ["cure_json", "cure_sentence", "render_cure"]

_BLOCKS = "▁▂▃▄▅▆▇█"
_CURVE, _SHORTEST = 16, 9  # columns


def cure_sentence(found: Cure) -> str:
    """Which treatments keep the run finite and its loss falling."""
    tried = [one for one in found.trials[1:] if not one.missing]
    good = [one.name for one in tried if one.falls]
    finite = [one.name for one in tried if one.finite and not one.falls]
    if not tried:
        return "Nothing could be tried."
    if good:
        return f"Finite, and its loss falls, with: {'; '.join(good)}."
    if finite:
        return f"Finite, though its loss does not fall, with: {'; '.join(finite)}."
    return "None of what was tried keeps it finite."


def render_cure(found: Cure, *, width: int = 80) -> Group:
    """What was tried, what came of it, and the curve of each.

    Args:
        found: The trials.
        width: Columns.
    """
    head = (
        f"Step {found.step}. From step {found.first} on {found.steps} steps were executed again, "
        f"with one thing at a time done otherwise. {found.proof}"
    )
    lines = [*folded(head, width), Text(), *_trials(found, width), Text()]
    lines += folded(cure_sentence(found), width, NAME)
    lines += folded(_precise(found), width)
    for one in found.trials:
        if one.missing:
            lines += folded(f"Not tried: {one.name}. {one.missing}", width, QUIET)
    return Group(*lines)


def _trials(found: Cure, width: int) -> list[Text]:
    """A row for each; where there is little room, without the first losses, which are alike."""
    head = ("", "first loss", "last loss", "")
    rows = [[Text(cell, style=QUIET) for cell in head]]
    shown = [one for one in found.trials if not one.missing and len(one.known)]
    for one in shown:
        losses = scalar(float(one.known[0])), scalar(float(one.known[-1]))
        style = "bold green" if one.falls else ""
        cells = (one.name, *losses, _verdict(one, found.first))
        rows.append([Text(cell, style=style) for cell in cells])
    room = width - _wide(rows)
    if room < _SHORTEST:
        rows = [[name, *rest] for name, _, *rest in rows]
        room = width - _wide(rows)
    curves = ["loss, log", *(_curve(one.known, max(room, _SHORTEST)) for one in shown)]
    pairs = zip(rows, curves, strict=True)
    return table([[*row, Text(curve, row[0].style)] for row, curve in pairs])


def _wide(rows: list[list[Text]]) -> int:
    """The columns that a table takes, with a gap behind it."""
    return max((row.cell_len for row in table(rows)), default=0) + 2


def _verdict(one: Trial, first: int) -> str:
    if one.finite:
        return "falls" if one.falls else "finite"
    bad = np.flatnonzero(~np.isfinite(one.losses) & one.made)
    return f"breaks in step {first + int(bad[0])}" if bad.size else "ends not finite"


def _curve(losses: Floats, room: int) -> str:
    """A loss over its steps in a few blocks; × where it is no finite number."""
    places = np.linspace(0, len(losses) - 1, min(_CURVE, room, len(losses))).astype(int)
    with np.errstate(divide="ignore", invalid="ignore"):
        heights = np.log(np.abs(losses[places]))
    known = heights[np.isfinite(heights)]
    if not known.size:
        return "×" * len(places)
    low, high = float(known.min()), float(known.max())
    scaled = (heights - low) / ((high - low) or 1.0) * (len(_BLOCKS) - 1)
    return "".join(
        _BLOCKS[round(float(one))] if math.isfinite(one) else "×" for one in scaled.tolist()
    )


def _precise(found: Cure) -> str:
    if found.precise is None:
        return "That step could not be executed in float64."
    if not math.isfinite(found.precise):
        return f"In float64 the loss of step {found.step} is no finite number either."
    loss = f"the loss of step {found.step} is {found.precise:.6g}"
    return f"In float64, from the same parameters, {loss}."


def cure_json(found: Cure) -> dict[str, Any]:
    """The same as plain data."""
    return {
        "step": found.step,
        "first": found.first,
        "steps": found.steps,
        "proof": found.proof,
        "sentence": cure_sentence(found),
        "recorded": [_number(one) for one in found.recorded.tolist()],
        "precise": None if found.precise is None else _number(found.precise),
        "trials": [
            {
                "name": one.name,
                "finite": one.finite,
                "falls": one.falls,
                "missing": one.missing,
                "losses": [_number(loss) for loss in one.losses.tolist()],
            }
            for one in found.trials
        ],
    }


def _number(value: float) -> float | None:
    return value if math.isfinite(value) else None
