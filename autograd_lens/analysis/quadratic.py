"""Losses that are quadratic: the exact lowest point of a surface, a bowl through gradients.

Near a minimum, and everywhere for least squares, a gradient is ``H (point - lowest)``. Fitted
to the recorded gradients this gives the shape of the loss around the path, with no program to
call; ``fit`` tells how well it describes them.

Axis letters: n positions along u, m along v, k coefficients, t steps.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from autograd_lens.trace.kept import Surface
from autograd_lens.trace.values import Floats

__all__ = ["Bowl", "Minimum", "fit_bowl", "quadratic_minimum"]

_LEAST_POINTS = 5  # along each direction: three would fit any surface
_ROUNDING = 64.0  # float steps of the largest loss that evaluating may be off
_FEWEST = 4  # gradients that a bowl is fitted to
_FARTHEST = 10.0  # half widths of the grid; beyond, rounding decides where the optimum is


@dataclass(frozen=True, slots=True)
class Minimum:
    """The lowest point of a quadratic surface.

    Attributes:
        u: Its position along the first direction.
        v: Its position along the second direction; 0 on a line.
        loss: The loss there.
        curvatures: Eigenvalues of the Hessian in (u, v), the largest first.
    """

    u: float
    v: float
    loss: float
    curvatures: tuple[float, ...]


def quadratic_minimum(surface: Surface) -> Minimum | None:
    """The lowest point, where the surface is quadratic to the precision of its numbers.

    A quadratic is fitted to all points of the grid. Only where it reproduces each of them up
    to rounding, and opens upwards in every direction, is there a minimum to speak of.

    Returns:
        The minimum, or None where the surface is anything else.
    """
    line = len(surface.v) == 1
    axes = [surface.u] if line else [surface.u, surface.v]
    if not np.isfinite(surface.loss).all() or min(map(len, axes)) < _LEAST_POINTS:
        return None
    centres = np.array([(axis[0] + axis[-1]) / 2 for axis in axes])
    halves = np.array([(axis[-1] - axis[0]) / 2 for axis in axes])
    if not (halves > 0).all():
        return None
    design = _design([(a - c) / h for a, c, h in zip(axes, centres, halves, strict=True)])
    loss = surface.loss.ravel()
    fitted, *_ = np.linalg.lstsq(design, loss, rcond=None)
    allowed = _ROUNDING * _float_step(loss) * float(np.abs(loss).max())
    if not np.abs(design @ fitted - loss).max() <= allowed:
        return None
    return _lowest(fitted.astype(np.float64), centres, halves, allowed)


def _design(axes: list[Floats]) -> Floats:
    """1, x, xx or 1, x, y, xx, xy, yy at every point: (points, k)."""
    if len(axes) == 1:
        (x,) = axes
        return np.stack([np.ones_like(x), x, x * x], axis=1)
    x, y = (part.ravel() for part in np.meshgrid(*axes))
    return np.stack([np.ones_like(x), x, y, x * x, x * y, y * y], axis=1)


def _float_step(loss: Floats) -> float:
    """The precision that the losses were computed in, seen from the losses themselves."""
    with np.errstate(over="ignore"):
        narrow = bool((loss.astype(np.float32) == loss).all())
    return float(np.finfo(np.float32 if narrow else np.float64).eps)


def _lowest(fitted: Floats, centres: Floats, halves: Floats, allowed: float) -> Minimum | None:
    if len(centres) == 1:
        constant, slope, bend = fitted
        slopes, hessian = np.array([slope]), np.array([[2 * bend]])
    else:
        constant, dx, dy, xx, xy, yy = fitted
        slopes, hessian = np.array([dx, dy]), np.array([[2 * xx, xy], [xy, 2 * yy]])
    # In units of half the grid: a curvature near the rounding of the losses is not known.
    if np.linalg.eigvalsh(hessian)[0] <= 100 * allowed:
        return None
    place = np.linalg.solve(hessian, -slopes)
    if np.abs(place).max() > _FARTHEST:
        return None
    curvatures = np.linalg.eigvalsh(hessian / np.outer(halves, halves))[::-1]
    u, *rest = centres + halves * place
    return Minimum(
        u=float(u),
        v=float(rest[0]) if rest else 0.0,
        loss=float(constant + slopes @ place / 2),
        curvatures=tuple(map(float, curvatures)),
    )


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
