"""The loss surface that a run's path is drawn on: as it was stored, else computed now.

This stands above the rooms, because a plane comes from ``analysis`` and losses from ``replay``.
"""

from __future__ import annotations

import contextlib
import time
from pathlib import Path

import numpy as np

from autograd_lens.analysis.plane import Plane, grid
from autograd_lens.analysis.quadratic import Minimum, quadratic_minimum
from autograd_lens.errors import LensError, NotATraceError, ReplayError
from autograd_lens.trace.reader import Trace
from autograd_lens.trace.records import Step
from autograd_lens.trace.surface import STORED, Surface
from autograd_lens.trace.writer import TraceWriter

__all__ = ["STORED", "compute_surface", "keep_surface", "stored_surface"]

_GLANCE = 3  # positions along each direction that tell how long a point takes
_COARSE = 9  # of a first look, where there is time for one
_FINEST = 201
_COARSEST = 11
_NEAR = 1.0  # how far the optimum may lie outside of the first look, in its widths, to be shown


def stored_surface(trace: Trace, plane: Plane) -> Surface | None:
    """The surface kept in the trace, where it is one of this plane; needs no torch."""
    data = trace.extra(STORED)  # noqa: S610  no Django query
    if data is None:
        return None
    try:
        surface = Surface.from_bytes(data)
    except NotATraceError:
        return None
    same = surface.names == plane.names and all(
        np.array_equal(getattr(surface, name), getattr(plane, name))
        for name in ("origin", "first", "second")
    )
    return surface if same else None


def compute_surface(
    trace: Trace,
    plane: Plane,
    *,
    batch_of: int | None = None,
    seconds: float = 5.0,
    finest: int = _FINEST,
) -> Surface:
    """The loss of one step's batch over a plane.

    The grid covers the path, and the optimum where there is one nearby. It is as fine as the
    time allows.

    Args:
        trace: The run.
        plane: The plane.
        batch_of: The step; by default the last that was recorded in full.
        seconds: About how long it may take.
        finest: Positions along each direction, at most.

    Raises:
        ReplayError: No step was recorded in full, or its tape cannot be executed.
    """
    from autograd_lens.replay.surface import evaluate_surface  # noqa: PLC0415  imports torch

    step = _last_full_step(trace) if batch_of is None else _wanted(trace, batch_of)
    _look(step, plane, _GLANCE)  # what is set up once is not counted
    _, a_point = _look(step, plane, _GLANCE)
    include = None
    if a_point * _COARSE**2 < 2 * seconds:  # few points take longer each than many together
        coarse, a_point = _look(step, plane, _COARSE)
        include = _nearby(quadratic_minimum(coarse), coarse)
    size = finest if plane.kind == "line" else int((seconds / max(a_point, 1e-9)) ** 0.5)
    size = min(max(size, _COARSEST), finest)
    return evaluate_surface(step, plane, *grid(plane, size, include=include))


def _look(step: Step, plane: Plane, size: int) -> tuple[Surface, float]:
    """A coarse surface, and how many seconds each of its points took."""
    from autograd_lens.replay.surface import evaluate_surface  # noqa: PLC0415  imports torch

    began = time.perf_counter()
    surface = evaluate_surface(step, plane, *grid(plane, size))
    return surface, (time.perf_counter() - began) / surface.loss.size


def keep_surface(path: Path, surface: Surface) -> None:
    """Keep a surface in the file of its run, where that can be written and is finished."""
    with contextlib.suppress(LensError), Trace(path) as trace:
        if trace.info.status == "running":
            return
        status = trace.info.status
        writer = TraceWriter.reopen(path)
        writer.extra(STORED, surface.to_bytes())  # noqa: S610  no Django query
        writer.close(status)


def _last_full_step(trace: Trace) -> Step:
    for number in reversed(trace.full_steps):
        step = trace.steps[number]
        if step.backwards:
            return step
    msg = "No step of this run was recorded in full, so its loss cannot be computed elsewhere."
    raise ReplayError(msg, hint="Record with --full 0 or more.")


def _wanted(trace: Trace, number: int) -> Step:
    step = trace.steps[number]
    if step.level != "full":
        msg = f"The loss of step {number} cannot be computed elsewhere. {' '.join(step.omitted)}"
        raise ReplayError(msg.strip())
    if step.backwards:
        return step
    msg = f"Step {number} calls no backward(), so it has no loss to compute elsewhere."
    raise ReplayError(msg, hint="Choose another step.")


def _nearby(minimum: Minimum | None, surface: Surface) -> tuple[float, float] | None:
    if minimum is None:
        return None
    for place, axis in ((minimum.u, surface.u), (minimum.v, surface.v)):
        width = float(axis[-1] - axis[0])
        if not axis[0] - _NEAR * width <= place <= axis[-1] + _NEAR * width:
            return None
    return minimum.u, minimum.v
