"""Small pictures as SVG, with classes in place of colours."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape

import numpy as np
import numpy.typing as npt

from autograd_lens.render.numbers import scalar

__all__ = ["Axes", "circle", "picture", "polyline", "ticks"]

Floats = npt.NDArray[np.float64]


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
    if len(decades) < 2:  # noqa: PLR2004  one decade alone says no scale
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
