"""The pictures of a handout: data, descent and loss as SVG, with classes in place of colours."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape

import numpy as np
import numpy.typing as npt
from contourpy import LineType, contour_generator

from autograd_lens.analysis.lesson import Lesson, Path
from autograd_lens.analysis.regression import Regression
from autograd_lens.render.numbers import scalar
from autograd_lens.render.plots.field import make_field
from autograd_lens.trace.kept import Surface
from autograd_lens.trace.values import Floats

__all__ = [
    "DARK",
    "LIGHT",
    "PICTURE_RULES",
    "Axes",
    "Levels",
    "best_point",
    "descent",
    "descent_axes",
    "graph_on_paper",
    "level_lines",
    "loss_axes",
    "loss_curve",
    "on_paper",
    "scatter",
    "thinned",
]

Words = Mapping[str, str]

_BANDS = 10
_RATIO = 2.4  # of neighbouring levels: even steps would leave the valley bare
_HEIGHT = 265
_LETTERS = 13  # height of a line of words
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
    places = [float(axes.up(line[1])) + (-8 if name == "first" else 32) for name, line in lines]
    if len(places) > 1 and abs(places[0] - places[1]) < _LETTERS:
        places[0] += 2 * _LETTERS  # below its line: beside the other's words they would overlap
    for (name, _), place in zip(lines, places, strict=True):
        parts.append(
            f'<text class="note {name}" x="{axes.width - 18}" y="{place:.1f}" text-anchor="end">'
            f"{escape(words[f'line_{name}'])}</text>"
        )
    return picture(axes.width, axes.height, "scatter", words["scatter_words"], parts)


def best_point(lesson: Lesson) -> tuple[float, float] | None:
    """Least squares, where it is known."""
    return (lesson.ending.best_weight, lesson.ending.best_bias) if lesson.ending else None


def descent_axes(path: Path, ending: tuple[float, float] | None) -> Axes | None:
    """The frame around the path of the first two numbers; None where neither moved."""
    if len(path.names) < 2:
        return None
    points = path.values[:, :2]
    finite = points[np.isfinite(points).all(axis=1)]
    if not len(np.unique(finite, axis=0)) > 1:
        return None  # nothing moved, or nothing is known
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
        side = 9 if across[at] < 300 else -9  # stays inside the frame
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


# --- level lines that were computed over a grid ---------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class Levels:
    """Lines of equal loss in the plane of the first two numbers that are followed.

    Attributes:
        lines: The points of each line: (points, 2).
        step: The step whose batch the loss was computed with.
    """

    lines: tuple[Floats, ...]
    step: int


def level_lines(surface: Surface) -> Levels | None:
    """The level lines of a surface; None where it is nowhere finite.

    Args:
        surface: A surface whose u and v are the two numbers themselves.
    """
    field = make_field(surface)
    if field is None:
        return None
    masked = np.ma.masked_invalid(field.height)
    generator = contour_generator(
        field.u, field.v, masked, line_type=LineType.Separate, name="serial"
    )
    lines = [line for level in field.levels[1:-1] for line in generator.lines(float(level))]
    return Levels(tuple(np.asarray(line, np.float64) for line in lines), surface.step)


# --- drawing -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Axes:
    """A frame that maps numbers to places in the picture.

    Attributes:
        x: Lowest and highest number across.
        y: Lowest and highest number upwards.
        log: Whether ``y`` is on a logarithmic scale.
        width: Of the whole picture.
        height: Of the whole picture.
        labels: What stands at the axes.
    """

    x: tuple[float, float]
    y: tuple[float, float]
    labels: tuple[str, str]
    log: bool = False
    width: int = 420
    height: int = 300
    left: int = 52
    right: int = 12
    top: int = 12
    bottom: int = 42

    def across(self, number: npt.ArrayLike) -> Floats:
        """Places of numbers on the x axis."""
        low, high = self.x
        span = self.width - self.left - self.right
        return self.left + (np.asarray(number, np.float64) - low) / (high - low) * span

    def up(self, number: npt.ArrayLike) -> Floats:
        """Places of numbers on the y axis."""
        low, high = self.y
        given = np.asarray(number, np.float64)
        if self.log:
            with np.errstate(divide="ignore", invalid="ignore"):
                given, low, high = np.log10(given), math.log10(low), math.log10(high)
        span = self.height - self.top - self.bottom
        return self.height - self.bottom - (given - low) / (high - low) * span

    def frame(self) -> str:
        """Grid, ticks and labels."""
        parts = [*self._ticks_across(), *self._ticks_up()]
        middle = (self.left + self.width - self.right) / 2
        height = (self.top + self.height - self.bottom) / 2
        across, up = (escape(label) for label in self.labels)
        turned = f'transform="translate(13 {height:.1f}) rotate(-90)"'
        flat = f'x="{middle:.1f}" y="{self.height - 6}"'
        for place, text in ((flat, across), (turned, up)):
            parts.append(f'<text class="label" {place} text-anchor="middle">{text}</text>')
        return "".join(parts)

    def area(self) -> str:
        """The rectangle that is drawn in."""
        across, down = self.width - self.left - self.right, self.height - self.top - self.bottom
        return f'x="{self.left}" y="{self.top}" width="{across}" height="{down}"'

    def _ticks_across(self) -> Iterator[str]:
        bottom = self.height - self.bottom
        for tick in ticks(*self.x):
            place = float(self.across(tick))
            yield f'<path class="grid" d="M{place:.1f} {self.top}V{bottom}"/>'
            yield (
                f'<text class="tick" x="{place:.1f}" y="{bottom + 15}" text-anchor="middle">'
                f"{_label(tick)}</text>"
            )

    def _ticks_up(self) -> Iterator[str]:
        found = _decades(*self.y) if self.log else ticks(*self.y)
        for tick in found:
            place = float(self.up(tick))
            yield f'<path class="grid" d="M{self.left} {place:.1f}H{self.width - self.right}"/>'
            yield (
                f'<text class="tick" x="{self.left - 5}" y="{place + 4:.1f}" text-anchor="end">'
                f"{_label(tick)}</text>"
            )


def ticks(low: float, high: float, most: int = 6) -> list[float]:
    """Round numbers between two numbers, at most about ``most``."""
    rough = (high - low) / max(most - 1, 1)
    if not math.isfinite(rough) or rough <= 0:
        return []
    power = 10.0 ** math.floor(math.log10(rough))
    step = next((m * power for m in (1, 2, 5, 10) if m * power >= rough), 10 * power)
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [float(f"{place * step:.12g}") for place in range(first, last + 1)]


def _decades(low: float, high: float) -> list[float]:
    bounds = math.ceil(math.log10(low) - 1e-9), math.floor(math.log10(high) + 1e-9)
    decades = [10.0**power for power in range(bounds[0], bounds[1] + 1)]
    if len(decades) < 2:  # one decade alone says no scale
        fine = [m * 10.0**p for p in range(bounds[0] - 1, bounds[1] + 1) for m in (1, 2, 5)]
        return [tick for tick in fine if low <= tick <= high]
    return decades[:: math.ceil(len(decades) / 7)]


def _label(tick: float) -> str:
    return scalar(tick).replace("-", "−")


def polyline(name: str, across: Floats, up: Floats) -> str:
    """A line; it is broken where a number is missing."""
    commands, pen = [], "M"
    for x, y in zip(across.tolist(), up.tolist(), strict=True):
        if not (math.isfinite(x) and math.isfinite(y)):
            pen = "M"
            continue
        commands.append(f"{pen}{x:.1f} {y:.1f}")
        pen = "L"
    return f'<path class="{name}" d="{"".join(commands)}"/>'


def circle(name: str, across: float, up: float, radius: float, title: str = "") -> str:
    """A dot, with words that show when the pointer rests on it."""
    if not (math.isfinite(across) and math.isfinite(up)):
        return ""
    words = f"<title>{escape(title)}</title>" if title else ""
    place = f'cx="{across:.1f}" cy="{up:.1f}" r="{radius}"'
    return f'<circle class="{name}" {place}>{words}</circle>'


def picture(width: int, height: int, name: str, words: str, parts: Sequence[str]) -> str:
    """The whole picture with its description."""
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="figure" id="{name}" '
        f'viewBox="0 0 {width} {height}" role="img" aria-label="{escape(words)}">'
        f"{''.join(part for part in parts if part)}</svg>"
    )


# --- colours: names for the page, fixed ones for paper --------------------------------------

LIGHT: Mapping[str, str] = {
    "ink": "#1c1e21",
    "quiet": "#5a6068",
    "paper": "#ffffff",
    "panel": "#f5f6f8",
    "rule": "#d9dce1",
    "blue": "#1f5fae",
    "red": "#b4301f",
    "green": "#1c7a3d",
    "amber": "#8a5a00",
    "band": "#2f6db5",
    "glow": "#ffe9a8",
}
DARK: Mapping[str, str] = {
    "ink": "#e7e9ec",
    "quiet": "#a7aeb8",
    "paper": "#15171a",
    "panel": "#1f2226",
    "rule": "#3a3f46",
    "blue": "#86b7f5",
    "red": "#ff9182",
    "green": "#7fd39a",
    "amber": "#e5b55c",
    "band": "#5a9be6",
    "glow": "#5c4a12",
}
PICTURE_RULES = """
.figure text{font:11px var(--face);fill:var(--ink)}
.figure .tick{font-size:10px;fill:var(--quiet)}
.figure .label{font-style:italic}
.figure .grid{stroke:var(--rule);stroke-width:.6;fill:none}
.figure .data{fill:var(--blue);fill-opacity:.55}
.figure .line,.figure .loss,.figure .path{fill:none;stroke-width:1.8;stroke-linejoin:round}
.figure .line.first{stroke:var(--red);stroke-dasharray:5 4}
.figure .line.last{stroke:var(--green)}
.figure .loss{stroke:var(--blue)}
.figure .path{stroke:var(--red)}
.figure .band{fill:var(--band);fill-opacity:.09}
.figure .band{stroke:var(--band);stroke-opacity:.5;stroke-width:.6}
.figure .level{fill:none;stroke:var(--band);stroke-opacity:.6;stroke-width:.7}
.figure .mark{fill:var(--paper);stroke:var(--red);stroke-width:1.2}
.figure .start{fill:var(--red)}
.figure .end{fill:var(--green)}
.figure path.best{stroke:var(--ink);stroke-width:2;fill:none}
.figure text.note{font-weight:bold;paint-order:stroke;stroke:var(--paper);stroke-width:3px}
.figure text.first{fill:var(--red)}
.figure text.last{fill:var(--green)}
.figure .cursor{visibility:hidden}
"""


def on_paper(svg: str, face: str) -> str:
    """A picture with the colours of paper, for setting outside a page.

    Args:
        svg: The picture.
        face: The names of its fonts.
    """
    rules = PICTURE_RULES.replace("var(--face)", face)
    for name, colour in LIGHT.items():
        rules = rules.replace(f"var(--{name})", colour)
    cut = svg.index(">", svg.index("<svg")) + 1
    return f"{svg[:cut]}<style>{rules}</style>{svg[cut:]}"


def graph_on_paper(svg: str, face: str) -> str:
    """A small graph with values in blue, gradients in red, as a page's styles have them.

    Args:
        svg: The graph.
        face: A font of one width.
    """
    svg = re.sub(r'font-family="[^"]*Courier[^"]*"', f'font-family="{face}"', svg)
    return re.sub(r'<g [^>]*class="node.*?</g>', _coloured, svg, flags=re.DOTALL)


def _coloured(node: re.Match[str]) -> str:
    colours = iter((LIGHT["ink"], LIGHT["blue"], LIGHT["red"]))
    plain = r"<text(?![^>]*\bfill=)"  # letters of a folded graph have colours of their own
    return re.sub(plain, lambda _: f'<text fill="{next(colours, LIGHT["ink"])}"', node[0])
