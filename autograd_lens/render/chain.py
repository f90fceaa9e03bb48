"""The first step in which something holds, and what led to it, for terminals and as data."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from rich.console import Group
from rich.text import Text

from autograd_lens.doctor.chain import Link
from autograd_lens.render.layout import NAME, QUIET, folded, headed
from autograd_lens.render.numbers import scalar
from autograd_lens.trace.values import Floats

__all__ = ["link_json", "render_chain"]


def render_chain(
    condition: str,
    steps: Sequence[int],
    losses: Floats,
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
    head = Text(f"step {link.step}  ", style=NAME)
    yield from headed(head, link.text, link.source, link.line, width)


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
