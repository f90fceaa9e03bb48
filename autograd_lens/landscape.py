"""The loss around a finished run: measured once with torch, then kept in the run's file.

What is kept is read without torch. This stands above the rooms, because traces are read in
``trace`` and tapes are executed in ``replay``.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator, Sequence
from pathlib import Path

from autograd_lens.analysis.plane import find_plane
from autograd_lens.api import Trace
from autograd_lens.errors import LensError, ReplayError
from autograd_lens.surfaces import STORED as SURFACE
from autograd_lens.surfaces import compute_surface
from autograd_lens.trace.curvature import STORED, Curvature, Curvatures
from autograd_lens.trace.writer import TraceWriter

__all__ = [
    "cheap_landscape",
    "keep",
    "keep_curvatures",
    "keep_landscape",
    "measure_curvatures",
]

_ELEMENTS = 100_000  # of a model that is measured unasked
_SECONDS = 1.0
_FINEST = 121  # positions along each side of a surface that is kept unasked: 118 kB


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
            points.append(_measure(trace, step, seconds))
        except (ReplayError, RuntimeError, NotImplementedError) as error:
            missing = str(error).partition("\n")[0]
    return Curvatures(tuple(points), "" if points else missing)


def _measure(trace: Trace, step: int, seconds: float) -> Curvature:
    from autograd_lens.replay.curvature import curvature  # noqa: PLC0415  imports torch

    return curvature(trace.steps[step], seconds=seconds)


def keep_curvatures(path: Path, found: Curvatures) -> None:
    """Keep curvatures in the file of their run."""
    keep(path, {STORED: found.to_bytes()})


def keep_landscape(path: Path) -> None:
    """Measure and keep what is cheap to measure."""
    with contextlib.suppress(LensError), Trace(path) as trace:
        keep(path, dict(cheap_landscape(trace)))


def cheap_landscape(trace: Trace) -> Iterator[tuple[str, bytes]]:
    """What may be measured unasked: nothing of large models, or of a run in progress.

    A run of two numbers gets its loss surface, too.

    Yields:
        Name and bytes of what belongs into the file.
    """
    elements = sum(math.prod(one.shape) for one in trace.parameters.values())
    if trace.info.status != "finished" or not 0 < elements <= _ELEMENTS:
        return
    yield STORED, measure_curvatures(trace, seconds=_SECONDS / 2).to_bytes()
    if elements == 2:  # noqa: PLR2004  a plane
        with contextlib.suppress(ReplayError, RuntimeError):
            surface = compute_surface(trace, find_plane(trace), seconds=_SECONDS, finest=_FINEST)
            yield SURFACE, surface.to_bytes()


def keep(path: Path, extras: dict[str, bytes]) -> None:
    """Put measured bytes into the file of their run, where that can be written and is finished."""
    with contextlib.suppress(LensError), Trace(path) as trace:
        status = trace.info.status
        if status == "running":
            return
        writer = TraceWriter.reopen(path)
        for key, data in extras.items():
            writer.extra(key, data)  # noqa: S610  no Django query
        writer.close(status)
