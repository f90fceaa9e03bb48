"""The descent as a moving picture: the point on its way, the loss, the numbers.

NOTE 1 [Speed and size]: what does not move is drawn once; each frame restores it and draws the
few artists that move. All frames share one palette of 64 colours, made from the last frame,
so that the file stores only what changed.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.text import Text
from PIL import Image

from autograd_lens.analysis.lesson import Lesson
from autograd_lens.errors import RenderError
from autograd_lens.render.layout import short
from autograd_lens.render.numbers import scalar
from autograd_lens.render.plots.field import Field
from autograd_lens.render.plots.language import say, spoken, translate
from autograd_lens.trace.values import Floats

__all__ = ["Ground", "animation_steps", "frames", "gif"]

_FRAMES = 100
_LEVELS = 14
_COLOURS = 64
_LAST = 1500  # milliseconds that the end stays
_INK, _BLUE, _RED, _GREEN = "#1c1e21", "#1f5fae", "#b4301f", "#1c7a3d"


@dataclass(frozen=True, slots=True, eq=False)
class Ground:
    """Where the point walks, where that is not a plane of the first two numbers.

    Attributes:
        path: Position of each point in the plane: (steps + 1, 2).
        labels: What to write at the two axes.
        field: The loss over the plane, None where it is not known.
    """

    path: Floats
    labels: tuple[str, str]
    field: Field | None = None


def animation_steps(
    lesson: Lesson, ground: Ground | None = None, count: int = _FRAMES
) -> list[int]:
    """About ``count`` positions along the run, chosen where the point or the loss moves.

    A position is a number of steps done, from 0 to the number of steps.
    """
    points = _points(lesson, ground)
    usable = np.flatnonzero(np.isfinite(points).all(axis=1))
    if not len(usable):
        return []
    last = int(usable[-1])
    moved = _share(np.linalg.norm(np.diff(_scaled(points[: last + 1]), axis=0), axis=1))
    positive = np.maximum(np.nan_to_num(lesson.path.losses[:last], nan=1.0, posinf=1.0), 1e-30)
    fell = _share(np.abs(np.diff(np.log(positive), append=np.log(positive[-1:]))))
    way = np.concatenate([[0.0], np.cumsum(moved + fell + 0.2 / max(last, 1))])
    places = np.searchsorted(way, np.linspace(0, way[-1], count)).clip(0, last)
    return [int(place) for place in np.unique(np.append(places, [0, last]))]


def _points(lesson: Lesson, ground: Ground | None) -> Floats:
    return lesson.path.values[:, :2] if ground is None else ground.path


def _scaled(points: Floats) -> Floats:
    spans = np.nanmax(points, axis=0) - np.nanmin(points, axis=0)
    scaled: Floats = np.nan_to_num(points / np.where(spans > 0, spans, 1.0))
    return scaled


def _share(parts: Floats) -> Floats:
    total = float(parts.sum())
    return parts / total if total > 0 else parts


def frames(
    lesson: Lesson, ground: Ground | None = None, language: str = "en"
) -> Iterator[Image.Image]:
    """The pictures, one after the other, 600 by 450.

    Args:
        lesson: The run.
        ground: Where the point walks; by default its first two numbers.
        language: ``"en"`` or ``"zh"``.

    Raises:
        RenderError: The run has fewer than two numbers to follow.
    """
    steps = animation_steps(lesson, ground)
    if len(lesson.path.names) < 2 or not steps:
        msg = "A descent needs two numbers that move; this run has fewer."
        raise RenderError(msg, hint="Record a program with at least two trained numbers.")
    stage = _Stage.of(lesson, ground, language)
    for step in steps:
        yield stage.frame(step)


def gif(pictures: list[Image.Image], milliseconds: int = 60) -> bytes:
    """All pictures as one GIF that repeats (NOTE 1), each shown so long."""
    palette = pictures[-1].quantize(_COLOURS)
    indexed = [each.quantize(palette=palette, dither=Image.Dither.NONE) for each in pictures]
    made = io.BytesIO()
    times = [milliseconds] * (len(indexed) - 1) + [max(_LAST, milliseconds)]
    indexed[0].save(
        made, "GIF", save_all=True, append_images=indexed[1:], duration=times, loop=0, optimize=True
    )
    return made.getvalue()


@dataclass(frozen=True)
class _Stage:
    """The picture without what moves, and what moves."""

    lesson: Lesson
    points: Floats
    canvas: Any  # matplotlib leaves its canvas untyped
    background: object
    trail: Line2D
    point: Line2D
    cursor: Line2D
    text: Text
    language: str

    @classmethod
    def of(cls, lesson: Lesson, ground: Ground | None, language: str) -> _Stage:
        figure = Figure(figsize=(6, 4.5), dpi=100, facecolor="white")
        canvas: Any = FigureCanvasAgg(figure)
        map_ = figure.add_axes((0.14, 0.13, 0.47, 0.73))
        curve = figure.add_axes((0.73, 0.13, 0.24, 0.38))
        _draw_map(map_, lesson, ground)
        _draw_losses(curve, lesson)
        trail = map_.plot([], [], color=_RED, linewidth=1.6)[0]
        point = map_.plot([], [], "o", color=_RED, markersize=8, markeredgecolor="white")[0]
        cursor = curve.plot([], [], "o", color=_RED, markersize=6)[0]
        text = figure.text(0.66, 0.86, "", va="top", family="monospace", fontsize=9, color=_INK)
        for each in (trail, point, cursor, text):
            each.set_animated(True)
        spoken(figure, language)
        canvas.draw()
        background = canvas.copy_from_bbox(figure.bbox)
        points = _points(lesson, ground)
        return cls(lesson, points, canvas, background, trail, point, cursor, text, language)

    def frame(self, step: int) -> Image.Image:
        """The picture after some steps."""
        values, losses = self.points, self.lesson.path.losses
        at = min(step, len(losses) - 1)
        self.trail.set_data(values[: step + 1, 0], values[: step + 1, 1])
        self.point.set_data(values[step : step + 1, 0], values[step : step + 1, 1])
        self.cursor.set_data([at], [losses[at]])
        say(self.text, self._words(step, float(losses[at])), self.language)
        self.canvas.restore_region(self.background)
        for each in (self.trail, self.point, self.cursor, self.text):
            each.axes.draw_artist(each) if each.axes else each.draw(self.canvas.get_renderer())
        return Image.fromarray(np.asarray(self.canvas.buffer_rgba())[..., :3].copy())

    def _words(self, step: int, loss: float) -> str:
        path = self.lesson.path
        names = [short(name) for name in path.names[:2]]
        width = max(4, *(len(name) for name in names))
        said = [translate(word, self.language) for word in ("step", "loss")]
        rows = [(said[0], f"{step:,}"), (said[1], scalar(loss, 5))]
        rows += [(name, scalar(float(path.values[step, at]), 5)) for at, name in enumerate(names)]
        return "\n".join(f"{name:<{width}}  {number}" for name, number in rows)


def _draw_map(axes: Axes, lesson: Lesson, ground: Ground | None) -> None:
    points = _points(lesson, ground)
    points = points[np.isfinite(points).all(axis=1)]
    best = None
    if lesson.ending and ground is None:
        best = (lesson.ending.best_weight, lesson.ending.best_bias)
    reach = np.vstack([points, best]) if best else points
    low, high = reach.min(axis=0), reach.max(axis=0)
    room = np.where(high > low, high - low, 1.0) * 0.15
    low, high = low - room, high + room
    if lesson.regression and best:
        _draw_levels(axes, lesson, low, high)
        axes.plot(*best, "+", color=_INK, markersize=13, markeredgewidth=2)
        axes.annotate(
            "least squares", best, (0, 9), textcoords="offset points", ha="center", fontsize=8
        )
    if ground is not None and ground.field is not None:
        _draw_field(axes, ground.field)
    axes.plot(*points[0], "o", color=_INK, markersize=4)
    axes.set(xlim=(low[0], high[0]), ylim=(low[1], high[1]))
    labels = lesson.path.names[:2] if ground is None else ground.labels
    axes.set_xlabel(labels[0])
    axes.set_ylabel(labels[1])
    axes.set_title(
        f"{lesson.program or 'Descent'}: {lesson.count:,} steps", fontsize=10, loc="left"
    )


def _draw_field(axes: Axes, field: Field) -> None:
    surface = (field.u, field.v, field.height, field.levels)
    axes.contourf(*surface, cmap="Blues", alpha=0.8, extend="both")
    axes.contour(*surface, colors="white", linewidths=0.5)


def _draw_levels(axes: Axes, lesson: Lesson, low: Floats, high: Floats) -> None:
    regression = lesson.regression
    if regression is None or lesson.ending is None:
        return
    across, up = (np.linspace(low[side], high[side], 121) for side in (0, 1))
    first = across[None, :] - lesson.ending.best_weight
    second = up[:, None] - lesson.ending.best_bias
    hessian = regression.hessian
    bowl = 0.5 * hessian[0, 0] * first**2 + hessian[0, 1] * first * second
    bowl = bowl + 0.5 * hessian[1, 1] * second**2
    levels = np.geomspace(bowl.max() / 1e4, bowl.max(), _LEVELS)
    norm = LogNorm(levels[0], levels[-1])
    axes.contourf(across, up, bowl, levels, cmap="Blues", norm=norm, alpha=0.8)
    axes.contour(across, up, bowl, levels, colors="white", linewidths=0.5)


def _draw_losses(axes: Axes, lesson: Lesson) -> None:
    losses = lesson.path.losses
    finite = losses[np.isfinite(losses)]
    if len(finite) and finite.min() > 0:
        axes.set_yscale("log")
    axes.plot(losses, color=_BLUE, linewidth=1.4)
    axes.set_title("loss", fontsize=9, loc="left")
    axes.set_xlabel("step", fontsize=8)
    axes.tick_params(labelsize=7)
    axes.locator_params(axis="x", nbins=3)
    axes.grid(color="#d9dce1", linewidth=0.5)
