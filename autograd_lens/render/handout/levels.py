"""Level lines of a loss that was computed over a grid."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from contourpy import LineType, contour_generator

from autograd_lens.render.plots.field import make_field
from autograd_lens.trace.kept import Surface

__all__ = ["Levels", "level_lines"]

Floats = npt.NDArray[np.float64]


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
