"""Traces for programs and notebooks: the recorded data, with its figures at hand."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from autograd_lens.errors import ReplayError
from autograd_lens.notebooks import join
from autograd_lens.trace.reader import Trace as RecordedTrace

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from autograd_lens.analysis.plane import Plane
    from autograd_lens.trace.curvature import Curvatures
    from autograd_lens.trace.records import Step
    from autograd_lens.trace.surface import Surface

__all__ = ["Trace", "open", "replaying"]


class Trace(RecordedTrace):
    """An open trace that draws itself; see ``autograd_lens.trace.reader.Trace`` for the rest."""

    def plot_path(self, axes: str | None = None, *, step: int | None = None) -> Figure:
        """Draw the descent path on the loss surface.

        The surface is taken from the file; where it is not there it is computed with torch,
        from the recorded tape, and kept in the file where that can be written.

        Args:
            axes: Two scalars to draw over, for example ``"w1,b1"``; by default the two
                parameters, or the two main directions of the path, which are always drawn
                over with ``"directions"``.
            step: The step whose batch the surface is the loss of, and whose values all other
                parameters have; by default the last that was recorded in full, and the end.

        Raises:
            ReplayError: The loss of ``step`` cannot be computed elsewhere.
            SelectionError: ``axes`` names no two scalars of this run.
        """
        from autograd_lens.analysis.plane import find_plane
        from autograd_lens.analysis.rates import find_rates
        from autograd_lens.render.path import PathOptions, path_figure
        from autograd_lens.render.rates import rates_sentence
        from autograd_lens.surfaces import stored_surface

        if step is not None:
            return self._plot_path_at(step, axes)
        plane = find_plane(self, axes)
        why = ""
        surface = stored_surface(self, plane)
        if surface is None:
            surface, why = self._new_surface(plane, keep=axes is None)
        curvatures = self._curvatures(measure=surface is not None)
        options = PathOptions(rates=rates_sentence(find_rates(self, curvatures)))
        options = replace(options, missing=why) if why else options
        return path_figure(self, plane, surface, options)

    def _plot_path_at(self, step: int, axes: str | None) -> Figure:
        """The path on the loss of one step's batch, with the curvature there."""
        from autograd_lens.analysis.plane import find_plane
        from autograd_lens.analysis.rates import find_rates
        from autograd_lens.landscape import measure_curvatures
        from autograd_lens.render.path import PathOptions, path_figure
        from autograd_lens.render.rates import rates_sentence
        from autograd_lens.surfaces import compute_surface

        plane = find_plane(self, axes, through=step)
        surface = compute_surface(self, plane, batch_of=step)
        rates = find_rates(self, measure_curvatures(self, steps=(step,), seconds=5.0))
        return path_figure(self, plane, surface, PathOptions(rates=rates_sentence(rates)))

    def _repr_html_(self) -> str:
        """What is in it, as notebooks show it."""
        from autograd_lens.analysis.rates import find_rates
        from autograd_lens.render.repr_html import trace_html
        from autograd_lens.trace.curvature import stored_curvatures

        return trace_html(self, find_rates(self, stored_curvatures(self)))

    def _curvatures(self, *, measure: bool) -> Curvatures | None:
        """The kept curvatures; measured now and kept where nobody did, and it can be done."""
        from autograd_lens.trace.curvature import stored_curvatures

        found = stored_curvatures(self)
        if found is None and measure:
            from autograd_lens.landscape import keep_curvatures, measure_curvatures

            found = measure_curvatures(self, seconds=5.0)
            keep_curvatures(self.path, found)
        return found

    def _new_surface(self, plane: Plane, *, keep: bool) -> tuple[Surface | None, str]:
        """The surface over a plane, or why there is none."""
        from autograd_lens.surfaces import compute_surface, keep_surface

        try:
            surface = compute_surface(self, plane)
        except (ReplayError, RuntimeError) as error:
            return None, str(error)
        if keep:
            keep_surface(self.path, surface)
        return surface, ""


def open(path: str | os.PathLike[str]) -> Trace:  # noqa: A001  read as lens.open
    """Open a recorded run for reading.

    Args:
        path: The file; it may still be recorded into.

    Raises:
        TraceError: There is no such file, or it is not a trace.
    """
    join()
    return replaying(Trace(path))


def replaying(trace: Trace, on_way: Callable[[int | None, int], None] | None = None) -> Trace:
    """Let a trace open its light steps in full, by executing them again.

    Torch is imported when the first of them is asked for.

    Args:
        trace: The trace.
        on_way: Called while that takes its time: with the step that is replayed, None once it
            is there, and with the step that was asked for.
    """
    provider: Callable[[int], Step] | None = None

    def replay(step: int) -> Step:
        nonlocal provider
        if provider is None:
            from autograd_lens.replay.replayer import Provider

            provider = Provider(trace, on_way)
        return provider(step)

    trace.replayer = replay
    return trace
