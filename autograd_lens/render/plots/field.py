"""A loss surface made ready to be coloured: levels, scale, heights along a path, contours.

Axis letters: n positions along u, m along v, t points of the path.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.contour import ContourSet
from matplotlib.ticker import MaxNLocator

from autograd_lens.render.plots.style import SURFACE, number, number_in
from autograd_lens.trace.kept import Surface, between
from autograd_lens.trace.values import Floats

__all__ = ["Field", "draw_field", "loss_text", "loss_ticks", "make_field"]

_LEVELS = 15
_DECADE = 1.0
_ASKS_FOR_LOG = 30.0  # ratio of a high to a low loss
_FLAT = 1e-9  # relative; a surface that is less uneven is shown in one colour
_DECADES = 8.0  # of the logarithmic scale, at most: an exact fit has loss 0


@dataclass(frozen=True, slots=True, eq=False)
class Field:
    """Heights of a surface on the scale they are drawn on.

    Attributes:
        u: Positions along the first direction: (n,).
        v: Positions along the second direction: (m,).
        height: The loss, its logarithm to base 10 where ``log``; NaN where there is none: (m, n).
        levels: Rising heights of the contours.
        log: Whether heights are logarithms.
        holes: Whether the loss is not finite at some point.
    """

    u: Floats
    v: Floats
    height: Floats
    levels: Floats
    log: bool
    holes: bool

    def along(self, path: Floats) -> Floats:
        """The surface's height under each point, bilinear, NaN outside: (t,)."""
        return between(self.u, self.v, self.height, path)


def make_field(surface: Surface, *, log: bool | None = None) -> Field | None:
    """The field of a surface over a plane; None where it is nowhere finite.

    Args:
        surface: The surface, of 2 positions or more along each direction.
        log: Whether to scale logarithmically; by default where the range asks for it.
    """
    finite = surface.loss[np.isfinite(surface.loss)]
    if not len(finite):
        return None
    low, high = float(finite.min()), float(np.quantile(finite, 0.995))
    asks = low >= 0 and high > _ASKS_FOR_LOG * max(low, float(np.finfo(float).tiny))
    as_log = asks if log is None else log and high > 0
    levels = np.linspace(*_range(finite, high, log=as_log), _LEVELS)
    height = np.where(np.isfinite(surface.loss), surface.loss, np.nan)
    if as_log:
        with np.errstate(divide="ignore"):
            height = np.log10(np.maximum(height, 0.0))
    height = np.clip(height, levels[0], levels[-1])
    return Field(surface.u, surface.v, height, levels, as_log, len(finite) < surface.loss.size)


def _range(finite: Floats, high: float, *, log: bool) -> tuple[float, float]:
    """The lowest and highest level, on the scale that is drawn."""
    low = float(finite.min())
    if log:
        high = float(np.log10(high))
        low = max(float(np.log10(finite[finite > 0].min())), high - _DECADES)
    if high - low > _FLAT * max(abs(low), abs(high)):
        return low, high
    room = max(0.5, abs(low) * _FLAT)  # large numbers do not change where little is added
    return low - room, low + room


def loss_ticks(field: Field) -> list[float]:
    """Heights to write losses at: powers of ten and their thirds, or round numbers."""
    low, high = float(field.levels[0]), float(field.levels[-1])
    if not field.log:
        return [t for t in MaxNLocator(6).tick_values(low, high) if low <= t <= high]
    wide = high - low > 4  # decades
    steps = (1,) if wide else (1, 3) if high - low > 1.5 else (1, 2, 5)
    powers = range(int(np.floor(low)), int(np.ceil(high)) + 1)
    ticks = [float(np.log10(step)) + power for power in powers for step in steps]
    return [tick for tick in ticks if low <= tick <= high]


def loss_text(field: Field, height: float) -> str:
    """The loss at a height, in words."""
    if field.log and field.levels[-1] - field.levels[0] > _DECADE:
        return number(10**height, 3)
    ends = (float(level) for level in field.levels[[0, -1]])
    return number_in(*(10**h if field.log else h for h in (height, *ends)))


def draw_field(axes: Axes, field: Field) -> ContourSet:
    """Filled contours, with fine lines between them."""
    filled = axes.contourf(field.u, field.v, field.height, field.levels, cmap=SURFACE)
    axes.contour(
        field.u,
        field.v,
        field.height,
        field.levels,
        colors="white",
        linewidths=0.5,
        linestyles="solid",
        alpha=0.8,
    )
    axes.grid(visible=False)
    return filled
