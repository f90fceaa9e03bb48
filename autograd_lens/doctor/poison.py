"""When a run's numbers stopped being finite."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from autograd_lens.doctor.contents import finite
from autograd_lens.doctor.evidence import Evidence
from autograd_lens.trace.rows import LightRow
from autograd_lens.trace.values import Value, as_value

__all__ = ["Poisoned", "poisoned"]


@dataclass(frozen=True, slots=True)
class Poisoned:
    """The first sign of a NaN or Inf that stays.

    Attributes:
        step: The step in which it came into being.
        what: What it was seen in: ``"the loss"``, or a parameter's name.
    """

    step: int
    what: str


def poisoned(evidence: Evidence) -> Poisoned | None:
    """The first step whose loss or update is not finite, or None."""
    loss = _first_loss(evidence)
    parameter = _first_parameter(evidence)
    known = [one for one in (loss, parameter) if one is not None]
    return min(known, key=lambda one: one.step, default=None)


def _first_loss(evidence: Evidence) -> Poisoned | None:
    """Steps without a loss, or with a complex one, are NaN in the array, too: rows decide."""
    bad = np.flatnonzero(~np.isfinite(evidence.losses))
    for step in bad[:64].tolist():
        rows = evidence.trace.rows
        found = [rows.row(place) for place in rows.of_step(step)]
        if not all(finite(_loss(evidence, row)) for row in found):
            name = _spoiled_already(evidence, found[0])
            return Poisoned(step - 1, name) if name and step else Poisoned(step, "the loss")
    return None


def _loss(evidence: Evidence, row: LightRow) -> Value | None:
    graph = evidence.trace.graph(row.graph)
    return None if graph.loss is None else as_value(row.loss, *graph.roots[graph.loss])


def _spoiled_already(evidence: Evidence, row: LightRow) -> str:
    """A parameter that was not finite when the step began: the step before made it so."""
    for entry, parameter in zip(row.values, evidence.parameters, strict=False):
        if not finite(as_value(entry, parameter.dtype, parameter.shape)):
            return parameter.name
    return ""


def _first_parameter(evidence: Evidence) -> Poisoned | None:
    found: list[Poisoned] = []
    for index, parameter in enumerate(evidence.parameters):
        for gaps in evidence.gaps(index):
            bad = (gap for gap in gaps if finite(gap.value) and not finite(gap.after))
            gap = next(bad, None)
            if gap is not None:
                found.append(Poisoned(gap.run.row.step, parameter.name))
                break
    return min(found, key=lambda one: one.step, default=None)
