"""How curved the loss is along a run, as it is kept in the run's file."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass
from typing import Any, Protocol

from autograd_lens.trace.schema import damaged

__all__ = ["STORED", "Curvature", "Curvatures", "Extras", "stored_curvatures"]

STORED = "curvature"
"""Where a trace keeps its curvatures: ``writer.extra(STORED, bytes)``."""


class Extras(Protocol):
    """What is needed of a trace."""

    def extra(self, key: str) -> bytes | None:
        """The bytes kept under a name, or None."""


@dataclass(frozen=True, slots=True)
class Curvature:
    """The loss of one step's batch around the parameters of that step.

    Attributes:
        step: The step.
        gradient_norm: Euclidean norm of the gradient.
        largest: The Hessian's eigenvalue of largest magnitude; its sign says whether the loss
            curves up or down there.
        rounds: Rounds of Lanczos' method it took; 0 where the whole Hessian was computed.
    """

    step: int
    gradient_norm: float
    largest: float
    rounds: int

    @property
    def stable_rate(self) -> float:
        """The largest learning rate at which plain gradient descent does not diverge here.

        Infinite where the loss does not curve up.
        """
        return 2 / self.largest if self.largest > 0 else math.inf


@dataclass(frozen=True, slots=True)
class Curvatures:
    """The curvature at some steps of a run.

    Attributes:
        points: The steps at which it is known, in order.
        missing: Why it is known at none, one sentence; ``""`` where there are points.
    """

    points: tuple[Curvature, ...]
    missing: str = ""

    def to_bytes(self) -> bytes:
        """Everything as JSON."""
        points = [asdict(point) for point in self.points]
        return json.dumps({"points": points, "missing": self.missing}).encode()

    @classmethod
    def from_bytes(cls, data: bytes) -> Curvatures:
        """What ``to_bytes`` wrote.

        Raises:
            NotATraceError: It is damaged.
        """
        try:
            plain = json.loads(data)
            return cls(tuple(map(_point, plain["points"])), str(plain["missing"]))
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            damaged("its curvature cannot be read", error)


def _point(plain: dict[str, Any]) -> Curvature:
    return Curvature(
        int(plain["step"]),
        float(plain["gradient_norm"]),
        float(plain["largest"]),
        int(plain["rounds"]),
    )


def stored_curvatures(trace: Extras) -> Curvatures | None:
    """What a trace keeps of its curvature; None where nobody measured it.

    Raises:
        NotATraceError: What it keeps is damaged.
    """
    data = trace.extra(STORED)  # noqa: S610  no Django query
    return None if data is None else Curvatures.from_bytes(data)
