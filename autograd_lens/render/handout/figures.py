"""The pictures of a handout: data, descent, loss."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

import numpy as np
import numpy.typing as npt

from autograd_lens.analysis.lesson import Lesson, Path, Regression
from autograd_lens.render.handout.svg import Axes, circle, picture, polyline
from autograd_lens.render.numbers import scalar

__all__ = ["best_point", "descent", "descent_axes", "loss_axes", "loss_curve", "scatter", "thinned"]

Floats = npt.NDArray[np.float64]
Words = Mapping[str, str]

_BANDS = 10
_RATIO = 2.4  # of neighbouring levels: even steps would leave the valley bare
_HEIGHT = 265
_POINTS = 500  # of a line: more cannot be told apart


def scatter(regression: Regression, lesson: Lesson, words: Words) -> str:
    """The data, with the first and the last line."""
    x, y = regression.x, regression.y
    ends = np.array([_padded(x)[0], _padded(x)[1]])
    lines = [
        (name, values[0] * ends + values[1])
        for name, values in (("first", lesson.path.values[0]), ("last", lesson.path.values[-1]))
        if np.isfinite(values[:2]).all()
    ]
    reach = np.concatenate([y, *(line for _, line in lines)])
    axes = Axes(_padded(x), _padded(reach), ("x", "y"), height=215)
    parts = [axes.frame()]
    parts += [polyline(f"line {name}", axes.across(ends), axes.up(line)) for name, line in lines]
    parts += [
        circle("data", across, up, 2.2)
        for across, up in zip(axes.across(x).tolist(), axes.up(y).tolist(), strict=True)
    ]
    for name, line in lines:
        place = float(axes.up(line[1])) + (-8 if name == "first" else 32)
        parts.append(
            f'<text class="note {name}" x="{axes.width - 18}" y="{place:.1f}" text-anchor="end">'
            f"{escape(words[f'line_{name}'])}</text>"
        )
    return picture(axes.width, axes.height, "scatter", words["scatter_words"], parts)


def best_point(lesson: Lesson) -> tuple[float, float] | None:
    """Least squares, where it is known."""
    return (lesson.ending.best_weight, lesson.ending.best_bias) if lesson.ending else None


def descent_axes(path: Path, ending: tuple[float, float] | None) -> Axes | None:
    """The frame around the path of the first two numbers; None where there are fewer."""
    if len(path.names) < 2:  # noqa: PLR2004
        return None
    points = path.values[:, :2]
    finite = points[np.isfinite(points).all(axis=1)]
    if not len(finite):
        return None
    if ending is not None:
        finite = np.vstack([finite, ending])
    return Axes(
        _padded(finite[:, 0], 0.12),
        _padded(finite[:, 1], 0.12),
        (path.names[0], path.names[1]),
        height=_HEIGHT,
    )


def descent(lesson: Lesson, words: Words, levels: Sequence[Floats] = ()) -> str:
    """The path of two parameters, on the level lines of the loss where they are known.

    Args:
        lesson: The run.
        words: Its words.
        levels: Level lines that were computed: (points, 2) each.
    """
    best = best_point(lesson)
    axes = descent_axes(lesson.path, best)
    if axes is None:
        return ""
    parts = [axes.frame(), f'<clipPath id="inside"><rect {axes.area()}/></clipPath>']
    if lesson.ending and lesson.regression:
        parts.append(f'<g clip-path="url(#inside)">{_levels(lesson.regression, axes)}</g>')
    elif len(levels):
        drawn = (polyline("level", axes.across(each[:, 0]), axes.up(each[:, 1])) for each in levels)
        parts.append(f'<g clip-path="url(#inside)">{"".join(drawn)}</g>')
    across = axes.across(lesson.path.values[:, 0])
    up = axes.up(lesson.path.values[:, 1])
    parts += [polyline("path", *thinned(across, up)), *_marks(lesson, across, up, words)]
    if best:
        parts.append(_star(float(axes.across(best[0])), float(axes.up(best[1])), words["best"]))
    parts.append(circle("cursor", float(across[0]), float(up[0]), 5.5))
    return picture(axes.width, axes.height, "descent", words["descent_words"], parts)


def _levels(regression: Regression, axes: Axes) -> str:
    """Ellipses of equal loss: the loss is a quadratic form around least squares."""
    best = np.array(regression.optimum)
    sizes, directions = np.linalg.eigh(regression.hessian)
    corners = np.array([(x, y) for x in axes.x for y in axes.y]) - best
    highest = max(float(0.5 * corner @ regression.hessian @ corner) for corner in corners)
    angles = np.linspace(0, 2 * np.pi, 90)
    circle_ = np.stack([np.cos(angles), np.sin(angles)])
    drawn = []
    for band in range(_BANDS, 0, -1):
        excess = highest * _RATIO ** (band - _BANDS)
        radii = np.sqrt(2 * excess / np.maximum(sizes, 1e-12))
        points = best[:, None] + directions @ (radii[:, None] * circle_)
        drawn.append(polyline(f"band b{band}", axes.across(points[0]), axes.up(points[1])))
    return "".join(drawn)


def _marks(lesson: Lesson, across: Floats, up: Floats, words: Words) -> list[str]:
    """Dots at the steps shown, at the start and at the end."""
    marks = [
        circle(
            "mark",
            float(across[each.step.index]),
            float(up[each.step.index]),
            3,
            words["step_n"].format(step=each.step.index),
        )
        for each in lesson.steps
    ]
    ends = (("start", 0), ("end", len(across) - 1))
    marks += [circle(name, float(across[at]), float(up[at]), 4.5, words[name]) for name, at in ends]
    for name, at in ends:
        down = 4 if name == "start" else 17  # beside least squares the words would overlap
        side = 9 if across[at] < 300 else -9  # noqa: PLR2004  stays inside the frame
        anchor = "start" if side > 0 else "end"
        if np.isfinite(across[at]) and np.isfinite(up[at]):
            marks.append(
                f'<text class="note {name}" x="{across[at] + side:.1f}" y="{up[at] + down:.1f}" '
                f'text-anchor="{anchor}">{escape(words[name])}</text>'
            )
    return marks


def _star(across: float, up: float, words: str) -> str:
    arms = f"M{across - 6:.1f} {up:.1f}h12M{across:.1f} {up - 6:.1f}v12"
    return (
        f'<path class="best" d="{arms}"><title>{escape(words)}</title></path>'
        f'<text class="note best" x="{across:.1f}" y="{up - 10:.1f}" text-anchor="middle">'
        f"{escape(words)}</text>"
    )


def loss_axes(losses: Floats, words: Words) -> Axes:
    """The frame of the loss curve: logarithmic where all losses are positive."""
    finite = losses[np.isfinite(losses)]
    low, high = (float(finite.min()), float(finite.max())) if len(finite) else (0.0, 1.0)
    log = low > 0 and high > 3 * low
    bounds = (low / 1.25, high * 1.25) if log else _padded(np.array([low, high]))
    return Axes(
        (0, max(len(losses) - 1, 1)),
        bounds,
        (words["axis_step"], words["axis_loss"]),
        log,
        height=_HEIGHT,
    )


def loss_curve(losses: Floats, words: Words) -> str:
    """The loss over the steps."""
    axes = loss_axes(losses, words)
    across, up = axes.across(np.arange(len(losses))), axes.up(losses)
    line = polyline("loss", *thinned(across, up))
    dot = circle("start", float(across[0]), float(up[0]), 3.5) if len(losses) == 1 else ""
    cursor = f'<path class="cursor" d="M{axes.left} {axes.top}V{axes.height - axes.bottom}"/>'
    known = losses[np.isfinite(losses)]
    spoken = scalar(float(known[0])) if len(known) else "NaN"
    words_ = words["loss_words"].format(first=spoken, last=scalar(float(losses[-1])))
    return picture(axes.width, axes.height, "losses", words_, [axes.frame(), line, dot, cursor])


def thinned(across: Floats, up: Floats) -> tuple[Floats, Floats]:
    """Fewer points of a line, chosen so that it looks the same: by the way along it."""
    if len(across) <= _POINTS:
        return across, up
    missing = ~(np.isfinite(across) & np.isfinite(up))
    steps = np.hypot(np.diff(across), np.diff(up))
    way = np.concatenate([[0.0], np.cumsum(np.where(np.isfinite(steps), steps, 0.0))])
    even = np.searchsorted(way, np.linspace(0, way[-1], _POINTS))
    chosen = np.unique(
        np.concatenate([even.clip(0, len(across) - 1), np.flatnonzero(missing)[:50]])
    )
    return across[chosen], up[chosen]


def _padded(numbers: Floats | Sequence[float], share: float = 0.06) -> tuple[float, float]:
    low, high = float(np.min(numbers)), float(np.max(numbers))
    room = (high - low) * share or max(abs(high) * share, 0.5)
    return low - room, high + room
