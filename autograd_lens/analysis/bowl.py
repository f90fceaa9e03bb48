"""A bowl through the gradients of a run of two numbers.

Near a minimum, and everywhere for least squares, a gradient is ``H (point - lowest)``. Fitted
to the recorded gradients this gives the shape of the loss around the path, with no program to
call; ``fit`` tells how well it describes them.

Axis letters: t steps.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

__all__ = ["Bowl", "fit_bowl"]

Floats = npt.NDArray[np.float64]

_FEWEST = 4


@dataclass(frozen=True, slots=True, eq=False)
class Bowl:
    """A quadratic surface over two numbers.

    Attributes:
        hessian: Its curvature: (2, 2).
        lowest: Where its slope is zero: (2,).
        floor: Its height there.
        fit: How much of the gradients it explains, 1 for all.
    """

    hessian: Floats
    lowest: Floats
    floor: float
    fit: float

    def height(self, points: Floats) -> Floats:
        """The surface over some points of shape (..., 2)."""
        away = points - self.lowest
        height: Floats = self.floor + np.einsum("...i,ij,...j->...", away, self.hessian, away) / 2
        return height


def fit_bowl(points: Floats, grads: Floats, losses: Floats) -> Bowl | None:
    """The bowl whose slopes are nearest to the recorded gradients.

    Args:
        points: Where the gradients were taken: (t, 2).
        grads: The gradients: (t, 2).
        losses: The loss at each point: (t,).

    Returns:
        The bowl, or None where there is too little to go by or the surface is no bowl.
    """
    known = np.isfinite(points).all(1) & np.isfinite(grads).all(1) & np.isfinite(losses)
    points, grads, losses = points[known], grads[known], losses[known]
    if len(points) < _FEWEST:
        return None
    hessian, offset, fit = _slopes(points, grads)
    if np.linalg.eigvalsh(hessian).min() <= 0:
        return None
    bowl = Bowl(hessian, -np.linalg.solve(hessian, offset).astype(np.float64), 0.0, fit)
    floor = float(np.median(losses - bowl.height(points)))
    return replace(bowl, floor=floor)


def _slopes(points: Floats, grads: Floats) -> tuple[Floats, Floats, float]:
    """Symmetric least squares: curvature, slope at the origin, share explained."""
    ones, zeros = np.ones(len(points)), np.zeros(len(points))
    first, second = points.T
    upper = np.stack([first, second, zeros, ones, zeros], 1)
    lower = np.stack([zeros, first, second, zeros, ones], 1)
    rows, wanted = np.concatenate([upper, lower]), grads.T.ravel()
    a, b, c, one, other = np.linalg.lstsq(rows, wanted, rcond=None)[0]
    hessian = np.array([[a, b], [b, c]])
    found = np.concatenate([points @ hessian[0] + one, points @ hessian[1] + other])
    spread = float(np.square(wanted).sum()) or 1.0
    return hessian, np.array([one, other]), 1 - float(np.square(found - wanted).sum()) / spread
