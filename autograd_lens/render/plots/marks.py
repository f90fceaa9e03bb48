"""What is drawn of a path in two and in three dimensions alike: pieces, markers, colours."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from autograd_lens.render.plots.journey import Journey
from autograd_lens.render.plots.style import INK, PATH

__all__ = ["draw_step_colours", "finite", "mark", "optimum_name", "segments"]

Floats = npt.NDArray[np.float64]
Axes3D = Any  # mpl_toolkits has no types

_MARKS = {  # shape, size, filling, edge, order
    "optimum": ("X", 11, "#ffd400", 1.3, 6),
    "start": ("o", 9, "white", 2, 7),
    "end": ("s", 8, INK, 0, 8),
}


def draw_step_colours(figure: Figure, axes: Axes, journey: Journey) -> None:
    """What the colours of the path say."""
    bar = figure.colorbar(ScalarMappable(journey.norm, PATH), cax=axes)
    ticks = _step_ticks(journey)
    bar.set_ticks([tick + 1 for tick in ticks], labels=[f"{tick:,}" for tick in ticks])
    bar.minorticks_off()
    axes.tick_params(labelsize=8.5, color="#9aa3ab", labelcolor=INK, length=2)
    axes.set_title("step", fontsize=9, color=INK, pad=5)
    axes.spines[:].set_visible(False)


def _step_ticks(journey: Journey) -> list[int]:
    last = max(journey.last, 1)
    if journey.is_log:
        powers = [0, *(10**k for k in range(int(np.log10(last)) + 1))]
        return [*(p for p in powers if p < last / 3), last]
    inner = [
        int(t) for t in MaxNLocator(5, integer=True).tick_values(0, last) if 0 <= t < last * 0.9
    ]
    return [*inner, last]


def segments(points: Floats, journey: Journey) -> tuple[Floats, Floats]:
    """Line pieces between neighbouring points that are both finite, and their colours."""
    pieces = np.stack([points[:-1], points[1:]], axis=1)
    there = finite(points)[:-1] & finite(points)[1:]
    middle = (journey.steps[:-1] + journey.steps[1:]) / 2 + 1
    return pieces[there], middle[there]


def finite(points: Floats) -> npt.NDArray[np.bool_]:
    """Which points have all coordinates."""
    return np.logical_and.reduce(np.isfinite(points), axis=1)  # type: ignore[no-any-return]


def mark(axes: Axes | Axes3D, place: Floats, what: str, label: str = "") -> None:
    """One marker, in two or three dimensions."""
    shape, size, fill, edge, order = _MARKS[what]
    axes.plot(
        *place[:, None],
        marker=shape,
        markersize=size,
        markerfacecolor=fill,
        markeredgecolor=INK,
        markeredgewidth=edge,
        linestyle="none",
        label=label,
        zorder=order,
    )


def optimum_name(journey: Journey) -> str:
    """What the lowest point is called."""
    whole = journey.plane.kind in {"line", "parameters"}
    return "least-squares optimum" if whole else "lowest point of this plane"
