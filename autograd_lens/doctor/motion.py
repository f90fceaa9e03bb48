"""How all parameters together move from engine run to engine run."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from autograd_lens.doctor.evidence import EngineRun, Evidence, Gap
from autograd_lens.trace.step import read_loss
from autograd_lens.trace.values import Value

__all__ = ["Move", "moves"]

_KEPT = 3  # value, value behind the update, gradient

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Move:
    """One update of all parameters; ``p`` elements together.

    Attributes:
        step: The step.
        loss: The loss before the update.
        change: What the update added to the parameters: (p,).
        grad: Their gradients: (p,).
        value: The parameters before: (p,).
    """

    step: int
    loss: float
    change: Floats
    grad: Floats
    value: Floats

    def cosine(self, other: Move) -> float:
        """Cosine of the angle between two updates; NaN where they cannot be compared."""
        if self.change.shape != other.change.shape:
            return math.nan
        size = float(np.linalg.norm(self.change) * np.linalg.norm(other.change))
        return float(self.change @ other.change) / size if size else math.nan

    def curvature(self, before: Move) -> float:
        """Second derivative along the update that led here, from both gradients."""
        square = float(before.change @ before.change)
        return float((self.grad - before.grad) @ before.change) / square if square else 0.0


def moves(evidence: Evidence) -> Iterator[list[Move]]:
    """The updates of each window; empty where steps have several backwards.

    Parameters that never get a gradient, or that are too large to be kept, are left out.
    """
    columns = [list(evidence.gaps(index)) for index in range(len(evidence.parameters))]
    for number, window in enumerate(evidence.windows):
        runs = window[: len(window) - 1]
        if any(run.row.step == following.row.step for run, following in pairwise(runs)):
            yield []
            continue
        rows = [
            [gaps[number][place] for gaps in columns if place < len(gaps[number])]
            for place in range(len(runs))
        ]
        found = (_move(run, gaps) for run, gaps in zip(runs, rows, strict=True))
        yield [move for move in found if move is not None]


def _move(run: EngineRun, gaps: list[Gap]) -> Move | None:
    graph = run.graph
    if graph is None or graph.loss is None or run.row.loss is None:
        return None
    known = [gap for gap in gaps if _complete(gap)]
    if not known:
        return None
    values = _flat([gap.value for gap in known])
    with np.errstate(all="ignore"):
        change = _flat([gap.after for gap in known]) - values
    grad = _flat([gap.grad for gap in known])
    return Move(run.row.step, read_loss(run.row.loss, graph), change, grad, values)


def _complete(gap: Gap) -> bool:
    kept = [one for one in (gap.value, gap.after, gap.grad) if one is not None and one.complete]
    return len(kept) == _KEPT and len({one.shape for one in kept}) == 1


def _flat(values: list[Value | None]) -> Floats:
    arrays = [value.array.real.astype(np.float64).ravel() for value in values if value]
    return np.concatenate(arrays)
