"""Processes that trained together, for terminals and as data."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from rich.console import Group
from rich.text import Text

from autograd_lens.analysis.ranks import Rank, Ranks, Remark
from autograd_lens.render.layout import NAME, QUIET, folded, headed, table
from autograd_lens.render.numbers import scalar

__all__ = ["ranks_json", "render_ranks"]

_GRADIENTS = 6  # full steps whose gradients are shown


def render_ranks(found: Ranks, *, width: int = 80) -> Group:
    """A row for each process, what is not as it has to be, and their own gradients.

    Args:
        found: The processes side by side.
        width: Columns.
    """
    head = f"{len(found.ranks)} of {found.size} processes that trained together."
    lines = [*folded(head, width, NAME), Text(), *_processes(found), Text()]
    if not found.remarks:
        text = "What has to be the same on all of them is: parameters, gradients, collectives."
        lines += folded(text, width, "bold green")
    for remark in found.remarks:
        lines += [*_remark(remark, "bold red" if found.faulty else NAME, width), Text()]
    return Group(*lines, *_gradients(found))


def _processes(found: Ranks) -> list[Text]:
    head = ("rank", "steps", "ended", "first loss", "last loss", "own work", "slowest in")
    rows = [[Text(cell, style=QUIET) for cell in head]]
    for rank in found.ranks:
        slow = f"{rank.slowest} of {found.timed}" if found.timed else "not known"
        cells = (
            str(rank.number), f"{rank.steps:,}", rank.status, *map(scalar, rank.losses),
            _time(rank), slow,
        )  # fmt: skip
        rows.append([Text(cell) for cell in cells])
    return table(rows)


def _time(rank: Rank) -> str:
    return "not known" if math.isnan(rank.own) else f"{1000 * rank.own:.3g} ms a step"


def _remark(remark: Remark, style: str, width: int) -> Iterator[Text]:
    head = Text(f"{remark.kind}  ", style=style)
    yield from headed(head, remark.text, remark.source, remark.line, width)


def _gradients(found: Ranks) -> Iterator[Text]:
    """The norms of each rank's own gradients in some full steps."""
    known = [one for one in found.gradients if not all(map(math.isnan, one[1]))]
    if not known:
        return
    yield Text("Norm of each rank's own gradients, before they are averaged:", style=QUIET)
    head = ["step", *(f"rank {rank.number}" for rank in found.ranks)]
    rows = [[Text(cell, style=QUIET) for cell in head]]
    for step, norms in known[:_GRADIENTS]:
        rows.append([Text(f"{step:,}"), *(Text(scalar(norm)) for norm in norms)])
    yield from table(rows)


def ranks_json(found: Ranks) -> dict[str, Any]:
    """The same as plain data."""
    return {
        "size": found.size,
        "ranks": [
            {
                "rank": one.number,
                "steps": one.steps,
                "status": one.status,
                "losses": [_number(loss) for loss in one.losses],
                "seconds": _number(one.own),
                "slowest_in": one.slowest,
            }
            for one in found.ranks
        ],
        "timed_steps": found.timed,
        "remarks": [
            {
                "kind": one.kind,
                "step": one.step,
                "ranks": list(one.ranks),
                "text": one.text,
                "file": None if one.source is None else one.source.file,
                "line": None if one.source is None else one.source.line,
                "code": one.line,
            }
            for one in found.remarks
        ],
        "gradients": [
            {"step": step, "norms": [_number(norm) for norm in norms]}
            for step, norms in found.gradients
        ],
    }


def _number(value: float) -> float | None:
    return value if math.isfinite(value) else None
