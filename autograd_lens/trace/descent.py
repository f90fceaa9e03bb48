"""A stretch of a run and what it would have been, as frozen records."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["Descent", "WhatIf"]


@dataclass(frozen=True, slots=True, eq=False)
class Descent:
    """A way through the space of parameters.

    Attributes:
        values: Each parameter at each point, by name: (steps + 1, *shape).
        losses: The loss of each step: (steps,).
    """

    values: Mapping[str, npt.NDArray[Any]]
    losses: npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class WhatIf:
    """A recorded stretch beside the one with something changed.

    Attributes:
        first: The step it begins with.
        recorded: What was recorded; may be shorter, where the recording ends.
        changed: What it would have been.
        changes: What was changed, for example ``{"lr": "1.7"}``.
        originals: What these were in the recording.
        proof: One sentence: on what it rests.
    """

    first: int
    recorded: Descent
    changed: Descent
    changes: Mapping[str, str]
    originals: Mapping[str, str]
    proof: str
