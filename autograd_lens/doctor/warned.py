"""What torch warned the program of while it ran."""

from __future__ import annotations

from autograd_lens.doctor.evidence import Evidence
from autograd_lens.trace.records import Event, Source

__all__ = ["warned"]


def warned(evidence: Evidence, beginning: str) -> tuple[Event, Source | None] | None:
    """The first warning that begins so, with the program's line; None where there was none."""
    for event in evidence.trace.events:
        if event.kind == "warning" and event.message.startswith(beginning):
            return event, _place(event)
    return None


def _place(event: Event) -> Source | None:
    """The line that the first line of the detail names: ``file:line: Category``."""
    file, _, line = event.detail.partition("\n")[0].rpartition(": ")[0].rpartition(":")
    return Source(file, int(line), int(line), -1, -1, "") if line.isdigit() else None
