"""One page of a run, to explore in a browser: what a command writes and a notebook shows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import product
from math import prod
from typing import TYPE_CHECKING

import numpy as np

from autograd_lens.errors import LensError

if TYPE_CHECKING:
    from autograd_lens.analysis.lesson import Lesson, OtherDescent
    from autograd_lens.render.handout.figures import Levels
    from autograd_lens.trace.reader import Trace

    Others = tuple[OtherDescent, ...]

__all__ = ["RunPages", "drawn", "levels_of", "run_page"]

_STEPS = 40  # of a run with another rate
_FACTORS = tuple((10 ** np.linspace(-1, 1, 21)).tolist())  # in the middle the run's own
_STARTS = 5  # along each axis, of a run of two numbers
_MOST_KERNELS = 25_000  # that are executed for this: some seconds


def run_page(trace: Trace, steps: Sequence[int] = (), language: str = "en") -> str:
    """The page of a run, as HTML that asks the network for nothing.

    Args:
        trace: The run; steps that were not recorded in full need one that replays.
        steps: Steps to open besides those that were recorded in full.
        language: ``"en"`` or ``"zh"``.
    """
    return RunPages(trace, language).page(steps)


class RunPages:
    """Pages of one run with different steps open; what takes long is computed once.

    Args:
        trace: The run.
        language: ``"en"`` or ``"zh"``.
    """

    def __init__(self, trace: Trace, language: str = "en") -> None:
        self.trace = trace
        self._language = language
        self._others: tuple[Others, Others] | None = None
        self._lines: Levels | None = None
        self._drawn = False

    def page(self, steps: Sequence[int] = ()) -> str:
        """The page with these steps open besides those that were recorded in full."""
        from autograd_lens.analysis.lesson import lesson
        from autograd_lens.render.handout import PageOptions, player, view
        from autograd_lens.render.handout.page import subset
        from autograd_lens.render.handout.texts import texts

        found = lesson(self.trace, steps or (0,), play=steps)
        if self._others is None:
            self._others = _others(self.trace, found)
        rates, starts = self._others
        found = replace(found, others=rates, starts=starts)
        made = player(found, self.trace, texts(self._language), draw=drawn, whole=True)
        options = PageOptions(made, levels=self._levels(found))
        text = view(found, self._language, options)
        if self._language == "zh" and (font := subset(text)) is not None:
            return view(found, self._language, replace(options, font=font))
        return text

    def _levels(self, found: Lesson) -> Levels | None:
        if not self._drawn:
            self._lines, self._drawn = levels_of(self.trace, found), True
        return self._lines


def _others(trace: Trace, found: Lesson) -> tuple[Others, Others]:
    """The start of a run with other learning rates, and from elsewhere, each executed again.

    Returns:
        The rates from low to high and, of a run of two numbers, the starts. Nothing where the run
        has no single rate, where its updates are not proved to be those of its tape, or where the
        reader would wait.
    """
    full = next(iter(trace.full_steps), None)
    if full is None or found.count < 2:
        return (), ()
    kernels = max(len(trace.steps[full].kernels), 1)
    steps = min(found.count, _STEPS, _MOST_KERNELS // (kernels * len(_FACTORS)))
    if steps < 5:  # fewer show nothing
        return (), ()
    rates, starts = _rates(trace), _starts(trace, found)
    try:
        made = tuple(_descents(trace, found, steps, [*rates, *starts]))
    except (LensError, RuntimeError):
        return (), ()
    return made[: len(rates)], made[len(rates) :]


def _rates(trace: Trace) -> list[dict[str, float]]:
    from autograd_lens.analysis.rates import find_rates

    used = find_rates(trace).used
    if len(used) != 1 or used[0] <= 0:
        return []
    return [
        {"lr": used[0] if factor == 1 else float(f"{used[0] * factor:.3g}")} for factor in _FACTORS
    ]


def _starts(trace: Trace, found: Lesson) -> list[dict[str, float]]:
    """Starts all over the picture of the descent, where it shows all numbers of the run."""
    from autograd_lens.render.handout.figures import best_point, descent_axes

    axes = descent_axes(found.path, best_point(found))
    if axes is None or sum(prod(each.shape) for each in trace.parameters.values()) != 2:
        return []
    columns = [np.linspace(*edges, _STARTS + 2)[1:-1].tolist() for edges in (axes.x, axes.y)]
    return [dict(zip(found.path.names, start, strict=True)) for start in product(*columns)]


def _descents(
    trace: Trace, found: Lesson, steps: int, changes: Sequence[Mapping[str, float]]
) -> Iterator[OtherDescent]:
    from autograd_lens.analysis.lesson import OtherDescent
    from autograd_lens.replay.whatif import descents

    followed = found.path.followed[:2]
    for change, made in zip(changes, descents(trace, 0, steps, changes), strict=True):
        columns = [
            made.values[one.parameter].reshape(steps + 1, -1)[:, one.flat]
            for one in followed
            if one.parameter in made.values
        ]
        points = np.stack(columns, axis=1) if len(columns) == 2 else np.zeros((0, 2))
        yield OtherDescent(change.get("lr"), points.astype(np.float64), made.losses)


def levels_of(trace: Trace, found: Lesson) -> Levels | None:
    """The loss around the first two numbers, where nothing simpler tells it."""
    if found.ending is not None or len(found.path.names) < 2:
        return None
    from autograd_lens.analysis.plane import find_plane
    from autograd_lens.landscape import find_surface
    from autograd_lens.render.handout.figures import level_lines

    try:
        plane = find_plane(trace, ",".join(found.path.names[:2]))
    except LensError:  # the path is drawn without it
        return None
    surface, _ = find_surface(trace, plane, seconds=2)
    return level_lines(surface) if surface else None


def drawn(dot: str) -> str:
    """DOT as SVG, by the first engine that is installed."""
    from autograd_lens.render.engines import render_dot

    return render_dot(dot, "svg").decode()
