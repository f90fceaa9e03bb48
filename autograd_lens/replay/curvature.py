"""Curvature of the loss on a step's tape: how steep, how curved, how large a step may be.

Axis letter: p elements of all parameters together, in the order of ``names``.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import torch

from autograd_lens.errors import ReplayError
from autograd_lens.replay.loss import LossFunction
from autograd_lens.trace.kept import Curvature
from autograd_lens.trace.records import Step
from autograd_lens.trace.values import Floats

__all__ = ["curvature", "hessian"]

_ROUNDS = 64
_ENOUGH = 1e-10  # relative change of the largest eigenvalue between two rounds
_WHOLE = 64  # elements up to which the whole Hessian is computed


def curvature(step: Step, *, seconds: float = float("inf")) -> Curvature:
    """Gradient norm and largest Hessian eigenvalue at a step's parameters, in float64.

    Args:
        step: The step in full.
        seconds: About how long it may take; one execution of the tape is made in any case.

    Raises:
        ReplayError: The tape cannot be executed, or not be differentiated twice, or its numbers
            are not finite, or time ran out.
    """
    end = time.monotonic() + seconds
    point = _Point.of(step)
    norm = float(torch.linalg.vector_norm(point.gradient()))
    if not np.isfinite(norm):
        msg = f"The gradient of step {step.index} is not finite."
        raise ReplayError(msg)
    if point.size <= _WHOLE:
        values = np.linalg.eigvalsh(_finite(point.hessian()))
        largest = float(values[np.argmax(np.abs(values))]) if values.size else 0.0
        return Curvature(step.index, norm, largest, 0)
    largest, rounds = _lanczos(point.product, point.size, end)
    return Curvature(step.index, norm, largest, rounds)


def hessian(step: Step) -> Floats:
    """The whole Hessian of a step's loss: (p, p).

    Args:
        step: The step in full, of a small model.

    Raises:
        ReplayError: The tape cannot be executed, or not be differentiated twice.
    """
    return _Point.of(step).hessian()


@dataclass(frozen=True, slots=True)
class _Point:
    """A step's tape in float64, differentiated once and ready to be differentiated again.

    Attributes:
        leaves: The parameters that backward reached.
        slopes: The gradient of each, with its own graph.
    """

    leaves: Mapping[str, torch.Tensor]
    slopes: tuple[torch.Tensor, ...]

    @classmethod
    def of(cls, step: Step) -> _Point:
        tape = LossFunction.from_step(step).double()
        values = tape.recorded_parameters()
        reached = {
            write.parameter for write in step.backwards[step.main_backward].grad_writes
        } or set(values)
        leaves = {
            name: value.requires_grad_()
            for name, value in values.items()
            if name in reached and value.is_floating_point()
        }
        loss = tape.forward(values)
        if loss.numel() != 1 or loss.is_complex() or not leaves:
            msg = f"The loss of step {step.index} is no real number that follows from parameters."
            raise ReplayError(msg)
        slopes = torch.autograd.grad(
            loss.reshape(()), list(leaves.values()), create_graph=True, materialize_grads=True
        )
        return cls(leaves, slopes)

    @property
    def size(self) -> int:
        """Elements of all parameters."""
        return sum(leaf.numel() for leaf in self.leaves.values())

    def gradient(self) -> torch.Tensor:
        """The gradient: (p,)."""
        return _flat(self.slopes).detach()

    def product(self, direction: torch.Tensor) -> torch.Tensor:
        """The Hessian times a direction: (p,)."""
        slope = _flat(self.slopes)
        if not slope.requires_grad:  # the loss is linear in all parameters
            return torch.zeros_like(direction)
        try:
            found = torch.autograd.grad(
                slope @ direction,
                list(self.leaves.values()),
                retain_graph=True,
                materialize_grads=True,
            )
        except (RuntimeError, NotImplementedError) as error:
            msg = f"The tape cannot be differentiated twice: {str(error).partition(chr(10))[0]}"
            raise ReplayError(msg) from error
        return _flat(found).detach()

    def hessian(self) -> Floats:
        """The whole Hessian: (p, p)."""
        rows = [self.product(unit) for unit in torch.eye(self.size, dtype=torch.float64)]
        found = torch.stack(rows).numpy()
        return np.asarray((found + found.T) / 2)


def _finite(numbers: Floats) -> Floats:
    if not np.isfinite(numbers).all():
        msg = "The second derivatives of the loss are not finite."
        raise ReplayError(msg)
    return numbers


def _flat(tensors: tuple[torch.Tensor, ...]) -> torch.Tensor:
    return torch.cat([tensor.reshape(-1) for tensor in tensors])


def _lanczos(
    product: Callable[[torch.Tensor], torch.Tensor], size: int, end: float
) -> tuple[float, int]:
    """The eigenvalue of largest magnitude, and the rounds it took.

    All earlier directions are kept and made orthogonal to: there are few, and without that
    rounding brings copies of an eigenvalue back.
    """
    generator = torch.Generator().manual_seed(0)
    start = torch.randn(size, dtype=torch.float64, generator=generator)
    basis = [start / torch.linalg.vector_norm(start)]
    diagonal: list[float] = []
    beside: list[float] = []
    largest = 0.0
    for _ in range(min(_ROUNDS, size)):
        if time.monotonic() > end:
            msg = "The largest curvature was not found in the time it was given."
            raise ReplayError(msg, hint="autograd-lens info --curvature takes the time it needs.")
        found = product(basis[-1])
        diagonal.append(float(found @ basis[-1]))
        _finite(np.asarray(diagonal[-1]))
        together = torch.stack(basis)
        for _again in range(2):
            found = found - together.T @ (together @ found)
        values = np.linalg.eigvalsh(np.diag(diagonal) + np.diag(beside, 1) + np.diag(beside, -1))
        before, largest = largest, float(values[np.argmax(np.abs(values))])
        length = float(torch.linalg.vector_norm(found))
        if length < _ENOUGH or abs(largest - before) <= _ENOUGH * abs(largest):
            break
        beside.append(length)
        basis.append(found / length)
    return largest, len(diagonal)
