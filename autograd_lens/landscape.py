"""The loss around a run: its surface and its curvature, as they are kept, else measured now.

What is kept in the run's file is read without torch. This stands above the rooms, because planes
come from ``analysis`` and losses from ``replay``, which is imported where something is measured.
"""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from autograd_lens.analysis.plane import Plane, find_plane, grid, stored_surface
from autograd_lens.analysis.quadratic import Minimum, quadratic_minimum
from autograd_lens.errors import LensError, ReplayError
from autograd_lens.trace.kept import (
    CURVATURE,
    SURFACE,
    Curvature,
    Curvatures,
    Surface,
    stored_curvatures,
)
from autograd_lens.trace.reader import Trace
from autograd_lens.trace.records import Step
from autograd_lens.trace.values import Floats
from autograd_lens.trace.writer import TraceWriter

__all__ = [
    "cheap_landscape",
    "compute_surface",
    "find_curvatures",
    "find_surface",
    "keep_curvatures",
    "keep_extras",
    "measure_curvatures",
    "stay_on_one_thread",
]

Positions = Callable[[int, tuple[float, float] | None], tuple[Floats, Floats]]

_SECONDS = 5.0  # that what was asked for may take
_UNASKED = 1.0  # and what was not
_ELEMENTS = 100_000  # of a model that is measured unasked
_GLANCE = 3  # positions along each direction that tell how long a point takes
_COARSE = 9  # of a first look, where there is time for one
_COARSEST, _FINE, _FINEST = 11, 121, 201  # _FINE: 118 kB in a file
_NEAR = 1.0  # how far the optimum may lie outside of the first look, in its widths, to be shown


# -- the surface ------------------------------------------------------------------------------


def find_surface(
    trace: Trace, plane: Plane, *, seconds: float = _SECONDS, keep: bool = False
) -> tuple[Surface | None, str]:
    """The surface over a plane, or why there is none.

    Args:
        trace: The run.
        plane: The plane.
        seconds: About how long it may take.
        keep: Whether one that is computed now is kept in the run's file.
    """
    surface = stored_surface(trace, plane)
    if surface is None:
        try:
            surface = compute_surface(trace, plane, seconds=seconds)
        except (ReplayError, RuntimeError) as error:
            return None, str(error)
        if keep:
            keep_extras(trace.path, {SURFACE: surface.to_bytes()})
    return surface, ""


def compute_surface(  # noqa: PLR0913  each is a choice of its own
    trace: Trace,
    plane: Plane,
    *,
    batch_of: int | None = None,
    window: Floats | None = None,
    seconds: float = _SECONDS,
    finest: int = _FINEST,
) -> Surface:
    """The loss of one step's batch over a plane, as fine as the time allows.

    Args:
        trace: The run.
        plane: The plane.
        batch_of: The step; by default the last that was recorded in full.
        window: Lowest and highest u and v: (2, 2); by default what covers the path, and the
            optimum where there is one nearby.
        seconds: About how long it may take.
        finest: Positions along each direction, at most.

    Raises:
        ReplayError: No step was recorded in full, or its tape cannot be executed.
    """
    step = _last_full_step(trace) if batch_of is None else _wanted(trace, batch_of)
    positions = _positions(plane, window)
    _look(step, plane, positions(_GLANCE, None))  # what is set up once is not counted
    _, a_point = _look(step, plane, positions(_GLANCE, None))
    include = None
    if a_point * _COARSE**2 < 2 * seconds:  # few points take longer each than many together
        coarse, a_point = _look(step, plane, positions(_COARSE, None))
        include = _nearby(quadratic_minimum(coarse), coarse)
    size = finest if plane.kind == "line" else int((seconds / max(a_point, 1e-9)) ** 0.5)
    size = min(max(size, _COARSEST), finest)
    return _look(step, plane, positions(size, include))[0]


def _positions(plane: Plane, window: Floats | None) -> Positions:
    """Gives the positions of a grid of some size; u (n,) and v (m,)."""
    if window is None:
        return lambda size, include: grid(plane, size, include=include)

    def within(size: int, _include: tuple[float, float] | None) -> tuple[Floats, Floats]:
        u, v = (np.linspace(low, high, size) for low, high in window.T.tolist())
        return u, np.zeros(1) if plane.kind == "line" else v

    return within


def _look(step: Step, plane: Plane, at: tuple[Floats, Floats]) -> tuple[Surface, float]:
    """A surface, and how many seconds each of its points took."""
    from autograd_lens.replay.surface import evaluate_surface  # imports torch

    began = time.perf_counter()
    surface = evaluate_surface(step, plane, *at)
    return surface, (time.perf_counter() - began) / surface.loss.size


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


# -- its curvature ----------------------------------------------------------------------------


def find_curvatures(trace: Trace, *, measure: bool) -> Curvatures | None:
    """The kept curvatures; measured now and kept where nobody did and it is wanted, else None."""
    found = stored_curvatures(trace)
    if found is None and measure:
        found = measure_curvatures(trace, seconds=_SECONDS)
        keep_curvatures(trace.path, found)
    return found


def measure_curvatures(
    trace: Trace, *, steps: Sequence[int] = (), seconds: float = float("inf")
) -> Curvatures:
    """The curvature at some steps.

    Args:
        trace: The run.
        steps: The steps; by default the first and the last that were recorded in full.
        seconds: About how long it may take.
    """
    if not steps:
        full = [step for step in trace.full_steps if trace.steps[step].backwards]
        if not full:
            return Curvatures((), "No step with a backward was recorded in full.")
        steps = (full[0], full[-1])
    points: list[Curvature] = []
    missing = ""
    for step in dict.fromkeys(steps):
        try:
            points.append(_measured(trace, step, seconds))
        except (ReplayError, RuntimeError, NotImplementedError) as error:
            missing = str(error).partition("\n")[0]
    return Curvatures(tuple(points), "" if points else missing)


def _measured(trace: Trace, step: int, seconds: float) -> Curvature:
    from autograd_lens.replay.curvature import curvature  # imports torch

    found = curvature(trace.steps[step], seconds=seconds)
    if not math.isfinite(found.largest):
        msg = f"The curvature of step {step} is not finite."
        raise ReplayError(msg)
    return found


# -- keeping both -----------------------------------------------------------------------------


def stay_on_one_thread() -> None:
    """For a forked child that measures: torch's pool did not come along, and is waited for."""
    from autograd_lens.replay.replayer import stay_on_one_thread as stay

    stay()


def keep_curvatures(path: Path, found: Curvatures) -> None:
    """Keep curvatures in the file of their run, where that can be written and is finished."""
    keep_extras(path, {CURVATURE: found.to_bytes()})


def cheap_landscape(trace: Trace) -> Iterator[tuple[str, bytes]]:
    """What may be measured unasked: nothing of large models, or of a run in progress.

    A run of two numbers gets its loss surface, too.

    Yields:
        Name and bytes of what belongs into the file.
    """
    elements = sum(math.prod(one.shape) for one in trace.parameters.values())
    if trace.info.status != "finished" or not 0 < elements <= _ELEMENTS:
        return
    yield CURVATURE, measure_curvatures(trace, seconds=_UNASKED / 2).to_bytes()
    if elements == 2:  # a plane
        with contextlib.suppress(ReplayError, RuntimeError):
            plane = find_plane(trace)
            surface = compute_surface(trace, plane, seconds=_UNASKED, finest=_FINE)
            yield SURFACE, surface.to_bytes()


def keep_extras(path: Path, extras: Mapping[str, bytes]) -> None:
    """Put measured bytes into the file of their run, where that can be written and is finished."""
    with contextlib.suppress(LensError), Trace(path) as trace:
        status = trace.info.status
        if status == "running":
            return
        writer = TraceWriter.reopen(path)
        for key, data in extras.items():
            with contextlib.suppress(LensError):  # too large to be kept: it is computed again
                writer.extra(key, data)
        writer.close(status)
