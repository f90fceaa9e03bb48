"""Traces for programs and notebooks: the recorded data, with its figures at hand."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Literal, TypeAlias

from autograd_lens.doctor.finding import Finding
from autograd_lens.trace.outcomes import Laboratory
from autograd_lens.trace.reader import Trace as RecordedTrace
from autograd_lens.trace.records import Graph, Step
from autograd_lens.trace.values import Entry

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from autograd_lens.analysis.comparison import Comparison
    from autograd_lens.capture import Limits, Recording
    from autograd_lens.replay.replayer import Provider
    from autograd_lens.testing import LensRun

__all__ = ["Run", "Trace", "assert_same", "diff", "open", "record", "replaying", "trace_of"]

Run: TypeAlias = "RecordedTrace | Recording | LensRun"
"""An open trace, or a recording that has ended."""

_METHOD = "_repr_html_"


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
        from autograd_lens.landscape import (
            compute_surface,
            find_curvatures,
            find_surface,
            measure_curvatures,
        )
        from autograd_lens.render.plots.path import PathOptions, path_figure
        from autograd_lens.render.rates import rates_sentence

        plane, why = find_plane(self, axes, through=step), ""
        if step is None:
            surface, why = find_surface(self, plane, keep=axes is None)
            curvatures = find_curvatures(self, measure=surface is not None)
        else:
            surface = compute_surface(self, plane, batch_of=step)
            curvatures = measure_curvatures(self, steps=(step,), seconds=5.0)
        options = PathOptions(rates=rates_sentence(find_rates(self, curvatures)))
        options = replace(options, missing=why) if why else options
        return path_figure(self, plane, surface, options)

    def _repr_html_(self) -> str:
        """What is in it, as notebooks show it."""
        from autograd_lens.analysis.rates import find_rates
        from autograd_lens.render.repr_html import trace_html
        from autograd_lens.trace.kept import stored_curvatures

        return trace_html(self, find_rates(self, stored_curvatures(self)))


def open(path: str | os.PathLike[str]) -> Trace:  # noqa: A001  read as lens.open
    """Open a recorded run for reading.

    Args:
        path: The file; it may still be recorded into.

    Raises:
        TraceError: There is no such file, or it is not a trace.
    """
    _show_in_notebooks()
    return replaying(Trace(path))


def record(  # noqa: PLR0913  one keyword for each choice
    path: str | os.PathLike[str],
    *,
    full: str = "default",
    force: bool = False,
    limits: Limits | None = None,
    stop_on: str | None = None,
    last: int = 0,
) -> Recording:
    """Record what happens inside a ``with`` block.

    Args:
        path: Where the trace is written, by custom ``*.lens``.
        full: Which steps are recorded in full: ``default``, ``none``, ``all``, ``every:N``, or
            steps and ranges.
        force: Whether to replace an existing file.
        limits: How much is kept of large values.
        stop_on: Leave the block with ``StopConditionMet`` at the first step that meets this, and
            keep that step whole: ``"nan"``, or a condition such as ``"loss > 10"``.
        last: Keep so many steps, the newest ones, and of the others the loss; 0 keeps all.

    Returns:
        A context manager; inside it offers ``watch`` and ``steps``, and after it the
        recorded run (``run.trace``, ``run.parameter("w1")``, ...).

    Raises:
        ConditionError: ``stop_on`` is no condition on what is known while a step runs.
        SelectionError: ``full`` is no choice of steps.
        TraceExistsError: The file exists and ``force`` is false (on entering).
    """
    from autograd_lens import capture, stopping

    stop = None if stop_on is None else stopping.stop_on(stop_on)
    if last:
        limits = replace(limits or capture.Limits(), last=last)
    return capture.record(path, full=full, force=force, limits=limits, stop=stop)


def replaying(
    trace: Trace,
    on_way: Callable[[int | None, int], None] | None = None,
    *,
    whole: bool = True,
) -> Trace:
    """Let a trace open its light steps in full, by executing them again.

    Torch is imported when the first of them is asked for.

    Args:
        trace: The trace.
        on_way: Called while that takes its time: with the step that is replayed, None once it
            is there, and with the step that was asked for.
        whole: Whether full steps are executed again, too, where they hold digests of large
            values, so that these are there whole.
    """
    provider: Provider | None = None

    def provide() -> Provider:
        nonlocal provider
        if provider is None:
            from autograd_lens.replay.replayer import Provider

            provider = Provider(trace, on_way)
        return provider

    def replay(step: int) -> Step:
        return provide()(step)

    def complete(step: int) -> Sequence[Entry]:
        return provide().slots(step)

    trace.replayer = replay
    trace.completer = complete if whole else None
    trace.laboratory = _laboratory(trace)
    return trace


def trace_of(run: Run) -> RecordedTrace:
    """The trace of a recording; a trace itself."""
    return run if isinstance(run, RecordedTrace) else run.trace


def diff(one: Run, other: Run, *, tolerance: float = 0.0) -> Comparison:
    """Lay two runs beside each other, and find where they first part.

    Args:
        one: An open trace, or a recording that has ended.
        other: Another.
        tolerance: Absolute differences up to this count as none.
    """
    from autograd_lens.analysis.comparison import compare

    return compare(trace_of(one), trace_of(other), _judge, tolerance)


def assert_same(one: Run, other: Run, *, tolerance: float | Literal["derived"] = "derived") -> None:
    """Fail where two runs are not the same; for tests of training code.

    Args:
        one: An open trace, or a recording that has ended.
        other: Another.
        tolerance: Absolute differences up to this count as none; ``"derived"`` lets rounding
            pass, where executing the step again in float64 shows that it is no more.

    Raises:
        AssertionError: They differ; the message says where first, and in what.
    """
    derived = tolerance == "derived"
    found = diff(one, other, tolerance=0.0 if isinstance(tolerance, str) else tolerance)
    if found.equal or (derived and found.rounding):
        return
    from autograd_lens.render.diff import sentence

    raise AssertionError(sentence(found))


def _judge(one: Step, other: Step, partners: Mapping[str, str]) -> tuple[bool | None, str]:
    from autograd_lens.replay.precise import agree_in_float64

    return agree_in_float64(one, other, partners)


def _laboratory(trace: RecordedTrace) -> Laboratory:
    """What the doctor can try; torch is imported with the first experiment."""

    def real() -> Laboratory:
        from autograd_lens.replay.experiments import laboratory

        return laboratory(trace)

    return Laboratory(
        lambda first, steps, changes: real().descend(first, steps, changes),
        lambda disturbance, seconds: real().spread(disturbance, seconds),
        lambda step, seconds: real().slopes(step, seconds),
    )


def _show_in_notebooks() -> None:
    """Give steps, graphs and findings the method that notebooks look for.

    Records are data and know nothing of drawing; what draws is imported when a notebook asks.
    """
    for kind, show in ((Step, _step), (Graph, _graph), (Finding, _finding)):
        setattr(kind, _METHOD, show)


def _step(step: Step) -> str:
    from autograd_lens.render.repr_html import step_html

    return step_html(step)


def _graph(graph: Graph) -> str:
    from autograd_lens.render.repr_html import graph_html

    return graph_html(graph)


def _finding(finding: Finding) -> str:
    from autograd_lens.render.repr_html import finding_html

    return finding_html(finding)
