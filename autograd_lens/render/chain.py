"""The first step in which something holds, and what led to it, for terminals and as data."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from rich.console import Group
from rich.text import Text

from autograd_lens.doctor.chain import Link
from autograd_lens.render.layout import CODE, NAME, QUIET, folded
from autograd_lens.render.numbers import scalar

__all__ = ["link_json", "render_chain"]


def render_chain(
    condition: str,
    steps: Sequence[int],
    losses: npt.NDArray[np.float64],
    links: Sequence[Link],
    *,
    width: int = 80,
) -> Group:
    """When a condition holds first, and the chain behind it, the latest first.

    Args:
        condition: As it was written.
        steps: The steps in which it holds, in order.
        losses: The loss of every step of the run: (steps,).
        links: What led to the first of them.
        width: Columns.
    """
    if not steps:
        text = f"{condition} holds in none of {len(losses):,} steps."
        return Group(*folded(text, width, "bold yellow"))
    first = steps[0]
    more = f", and in {len(steps) - 1:,} more" if len(steps) > 1 else ""
    lines = [*folded(f"{condition} holds first in step {first}{more}.", width, "bold")]
    around = range(max(0, first - 2), min(len(losses), first + 2))
    told = ", ".join(f"step {at}: {scalar(float(losses[at]))}" for at in around)
    lines += folded(f"loss  {told}", width, QUIET)
    for link in links:
        lines += [Text(), *_link(link, width)]
    return Group(*lines)


def _link(link: Link, width: int) -> Iterator[Text]:
    head = f"step {link.step}  "
    indent = " " * len(head)
    for number, part in enumerate(folded(link.text, width - len(head))):
        yield Text(indent if number else head, style=NAME).append_text(part)
    if link.line and link.source is not None:
        place = f"{link.source.file.rsplit('/', 1)[-1]}:{link.source.line}  "
        for part in folded(place + link.line, width - len(head), CODE):
            yield Text(indent).append_text(part)


def link_json(link: Link) -> dict[str, Any]:
    """One link as plain data."""
    source = link.source
    return {
        "step": link.step,
        "text": link.text,
        "file": None if source is None else source.file,
        "line": None if source is None else source.line,
        "code": link.line,
    }
