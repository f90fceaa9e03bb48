"""What of a run is drawn in each panel of the path figure, gathered once.

Axis letters: t points of the path (steps + 1).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from matplotlib.colors import LogNorm, Normalize

from autograd_lens.analysis.plane import Plane
from autograd_lens.analysis.quadratic import Minimum
from autograd_lens.render.plots.field import Field
from autograd_lens.render.plots.style import number
from autograd_lens.render.plots.thinning import thin_path

__all__ = ["Journey", "make_journey"]

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Journey:
    """A path that is ready to be drawn.

    Attributes:
        plane: The plane.
        field: The surface, or None.
        minimum: The lowest point where it is exactly known, or None.
        points: u and v of the points that are drawn, NaN in gaps: (t, 2).
        steps: Which points of the run they are, 0 before the first step: (t,).
        heights: Their heights on the scale of the surface, else their losses: (t,).
        norm: From point of the run (counted from 1) to colour.
        last: Number of the last point of the run.
    """

    plane: Plane
    field: Field | None
    minimum: Minimum | None
    points: Floats
    steps: npt.NDArray[np.intp]
    heights: Floats
    norm: Normalize
    last: int

    @property
    def is_log(self) -> bool:
        """Whether colours count steps in powers of ten."""
        return isinstance(self.norm, LogNorm)

    def place(self, point: tuple[float, float] | Floats) -> str:
        """Coordinates for the legend: empty along directions, where they say nothing."""
        if self.plane.kind == "directions":
            return ""
        low, high = np.nanmin(self.points, axis=0), np.nanmax(self.points, axis=0)
        tiny = 1e-9 * (high - low)
        u, v = (number(float(x) if abs(x) > t else 0.0) for x, t in zip(point, tiny, strict=True))
        return u if self.plane.kind == "line" else f"({u}, {v})"


def make_journey(
    plane: Plane, field: Field | None, minimum: Minimum | None, losses: Floats
) -> Journey:
    """Choose what is drawn of a path.

    Args:
        plane: The plane with the path.
        field: The surface, or None.
        minimum: Its lowest point, or None.
        losses: The loss of each step: (t - 1,).
    """
    chosen = thin_path(_looks(plane.path))
    points = plane.path[chosen]
    if field is not None and plane.kind != "line":
        heights = field.along(points)
    else:
        heights = np.concatenate([losses, [np.nan]])[np.minimum(chosen, len(losses))]
    last = len(plane.path) - 1
    front = _is_over_early(plane.path)
    norm = LogNorm(1, last + 1) if front else Normalize(1, max(last + 1, 2))
    return Journey(plane, field, minimum, points, chosen, heights, norm, last)


def _looks(path: Floats) -> Floats:
    """The path in units of its own extent, in which distances look alike."""
    finite = path[np.isfinite(path).all(axis=1)]
    spans = np.ptp(finite, axis=0) if len(finite) else np.ones(2)
    return path / np.where(spans > 0, spans, 1.0)


def _is_over_early(path: Floats) -> bool:
    """Whether half of the way is behind after a tenth of the steps."""
    if len(path) < 30:  # noqa: PLR2004  a short run has colours enough
        return False
    lengths = np.nan_to_num(np.linalg.norm(np.diff(_looks(path), axis=0), axis=1))
    return bool(lengths[: len(lengths) // 10].sum() > lengths.sum() / 2)
