"""Whether parameters move at all: what several rules about updates ask first."""

from __future__ import annotations

from collections.abc import Sequence

from autograd_lens.doctor.evidence import Evidence, is_zero

__all__ = ["ever_reached", "piling_up", "reached", "standing_still"]

_FEWEST_RUNS = 3


def ever_reached(evidence: Evidence) -> set[int]:
    """Parameters that any backward of the whole run wrote a gradient to."""
    return {index for graph in evidence.graphs for index in graph.reached}


def reached(evidence: Evidence) -> list[int]:
    """Parameters that got a gradient other than zero; none where the engine ran once or twice."""
    runs = list(evidence.runs)
    if len(runs) < _FEWEST_RUNS:
        return []
    return [index for index in sorted(ever_reached(evidence)) if _has_gradient(evidence, index)]


def _has_gradient(evidence: Evidence, index: int) -> bool:
    return any(
        gap.written and not is_zero(gap.grad) for gaps in evidence.gaps(index) for gap in gaps
    )


def standing_still(evidence: Evidence, indexes: Sequence[int]) -> bool:
    """Whether none of these parameters ever changed, and all of them were there all the time."""
    for index in indexes:
        for gaps in evidence.gaps(index):
            if any(gap.updated or gap.after is None for gap in gaps):
                return False
    return True


def piling_up(evidence: Evidence, indexes: Sequence[int]) -> bool:
    """Whether gradients of all these parameters were left as they were between runs."""
    for index in indexes:
        gaps = [gap for gaps in evidence.gaps(index) for gap in gaps if gap.written]
        if not gaps or not all(gap.kept or is_zero(gap.grad) for gap in gaps):
            return False
    return True
