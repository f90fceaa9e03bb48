"""One page of a run, to explore in a browser: what a command writes and a notebook shows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from autograd_lens.errors import LensError

if TYPE_CHECKING:
    from autograd_lens.analysis.lesson import Lesson
    from autograd_lens.render.handout.figures import Levels
    from autograd_lens.trace.reader import Trace

__all__ = ["drawn", "levels_of", "run_page"]


def run_page(trace: Trace, steps: Sequence[int] = (), language: str = "en") -> str:
    """The page of a run, as HTML that asks the network for nothing.

    Args:
        trace: The run; steps that were not recorded in full need one that replays.
        steps: Steps to open besides those that were recorded in full.
        language: ``"en"`` or ``"zh"``.
    """
    from autograd_lens.analysis.lesson import lesson
    from autograd_lens.render.handout import PageOptions, player, view
    from autograd_lens.render.handout.page import subset
    from autograd_lens.render.handout.texts import texts

    found = lesson(trace, steps or (0,), play=steps)
    made = player(found, trace, texts(language), draw=drawn, whole=True)
    options = PageOptions(made, levels=levels_of(trace, found))
    text = view(found, language, options)
    if language == "zh" and (font := subset(text)) is not None:
        return view(found, language, replace(options, font=font))
    return text


def levels_of(trace: Trace, found: Lesson) -> Levels | None:
    """The loss around the first two numbers, where nothing simpler tells it."""
    if found.ending is not None or len(found.path.names) < 2:  # noqa: PLR2004
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
