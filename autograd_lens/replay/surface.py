"""The loss over a plane of parameters: one step's tape, executed at many points.

Axis letters: n points along u, m points along v, p elements of all parameters together.
"""

from __future__ import annotations

import contextlib
import itertools
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch

from autograd_lens.errors import ReplayError
from autograd_lens.replay.loss import LossFunction
from autograd_lens.replay.values import to_double
from autograd_lens.trace.kept import Surface
from autograd_lens.trace.records import Step
from autograd_lens.trace.values import Floats

__all__ = ["PlaneLike", "evaluate_surface"]

LossAt = Callable[[torch.Tensor], torch.Tensor]

_CHUNK = 1 << 24  # bytes: four times as many no longer fit a cache, and take twice as long
_AGREES = 1e-3  # relative; what another number of threads or another machine may change


class PlaneLike(Protocol):
    """A plane through parameter space; see ``trace.surface.Surface`` for its fields."""

    @property
    def origin(self) -> Floats:
        """The point at u = v = 0: (p,)."""

    @property
    def first(self) -> Floats:
        """The direction of u: (p,)."""

    @property
    def second(self) -> Floats:
        """The direction of v: (p,)."""

    @property
    def names(self) -> tuple[str, ...]:
        """The parameters that the flat arrays are made of."""

    @property
    def shapes(self) -> tuple[tuple[int, ...], ...]:
        """Their shapes."""


def evaluate_surface(
    step: Step, plane: PlaneLike, u: Floats, v: Floats, *, memory: int = _CHUNK
) -> Surface:
    """The loss of one step's batch at every point of a grid.

    All points are computed together with ``torch.func.vmap``, in chunks; one by one where an
    operator on the tape has no batching rule. Computed in float64 where the operators can.

    Args:
        step: The step, recorded in full.
        plane: The plane.
        u: Positions along its first direction: (n,).
        v: Positions along its second direction: (m,).
        memory: Bytes that the intermediate tensors of one chunk may take.

    Raises:
        ReplayError: The tape cannot be executed, or does not give the recorded loss.
    """
    tape = LossFunction.from_step(step)
    with torch.no_grad():
        tape = _checked(tape, step.index)
        points = torch.from_numpy(np.stack(np.meshgrid(u, v), axis=-1).reshape(-1, 2))
        chunk = max(1, memory // _bytes_a_point(tape, plane))
        losses, how = _evaluate(_LossOnPlane.of(tape, plane).at, points, chunk)
    grid = losses.to(torch.float64).numpy().reshape(len(v), len(u)).copy()
    return Surface(
        u=np.asarray(u, np.float64),
        v=np.asarray(v, np.float64),
        loss=grid,
        origin=plane.origin,
        first=plane.first,
        second=plane.second,
        names=plane.names,
        shapes=plane.shapes,
        step=step.index,
        provenance=_provenance(tape, step.index, how),
    )


@dataclass(frozen=True, slots=True)
class _LossOnPlane:
    """The loss as a function of a point (u, v).

    Attributes:
        tape: What is executed.
        fixed: Parameters that are the same all over the plane.
        moving: (origin, first, second) of the others, each in the parameter's shape.
        changed: Constants that the tape changes in place: vmap needs one for each point.
    """

    tape: LossFunction
    fixed: Mapping[str, torch.Tensor]
    moving: Mapping[str, tuple[torch.Tensor, torch.Tensor, torch.Tensor]]
    changed: Mapping[int, torch.Tensor]

    @classmethod
    def of(cls, tape: LossFunction, plane: PlaneLike) -> _LossOnPlane:
        fixed = tape.recorded_parameters()
        moving = {}
        for name, parts in _split(plane).items():
            if name in fixed:
                dtype, device = fixed[name].dtype, fixed[name].device
                origin, first, second = (
                    torch.tensor(part, dtype=dtype, device=device) for part in parts
                )
                if first.any() or second.any():
                    del fixed[name]
                    moving[name] = (origin, first, second)
                else:
                    fixed[name] = origin
        changed = {n: tape.constants[n] for n in sorted(tape.changed & tape.constants.keys())}
        return cls(tape, fixed, moving, changed)

    def at(self, point: torch.Tensor) -> torch.Tensor:
        """The loss at one point (u, v); a method, as vmap writes out an object without a name."""
        parameters = dict(self.fixed)
        for name, (origin, first, second) in self.moving.items():
            u, v = point.to(origin.device, origin.dtype)
            parameters[name] = origin + u * first + v * second
        zero = point[0] * 0
        own = {
            n: tensor + zero.to(tensor.device, tensor.dtype) for n, tensor in self.changed.items()
        }
        loss = self.tape.forward(parameters, constants=own)
        if loss.numel() != 1 or loss.is_complex():
            msg = f"The loss has shape {tuple(loss.shape)} and dtype {loss.dtype}."
            raise ReplayError(msg, hint="A surface needs a loss that is one real number.")
        return loss.reshape(())


def _evaluate(loss: LossAt, points: torch.Tensor, chunk: int) -> tuple[torch.Tensor, str]:
    """The losses at all points, and how they were computed."""
    together = torch.func.vmap(loss)
    try:
        with _no_fallback():
            parts = [together(part).cpu() for part in points.split(chunk)]
    except (ReplayError, RuntimeError):
        return torch.stack([loss(point).cpu() for point in points]), "one by one"
    return torch.cat(parts), "together"


@contextlib.contextmanager
def _no_fallback() -> Iterator[None]:
    """Let vmap refuse operators without a batching rule: our own loop is faster than its."""
    functorch: Any = torch._C._functorch
    before = functorch._is_vmap_fallback_enabled()
    functorch._set_vmap_fallback_enabled(False)
    try:
        yield
    finally:
        functorch._set_vmap_fallback_enabled(before)


def _checked(tape: LossFunction, step: int) -> LossFunction:
    """The tape in float64 where its operators can; it must give the recorded loss.

    Raises:
        ReplayError: It gives another one.
    """
    recorded = tape.recorded_loss
    for candidate in (tape.double(), tape):
        try:
            loss = candidate.forward(candidate.recorded_parameters())
        except ReplayError:
            if candidate is tape:
                raise
            continue
        if recorded is None or _agree(loss, recorded):
            return candidate
    msg = f"The tape of step {step} gives the loss {_shown(loss)}, not {_shown(recorded)}."
    raise ReplayError(msg, hint="The loss depends on something that is not on the tape.")


def _agree(loss: torch.Tensor, recorded: torch.Tensor) -> bool:
    loss, recorded = to_double(loss).cpu(), to_double(recorded).cpu()
    return loss.shape == recorded.shape and torch.allclose(
        loss, recorded, rtol=_AGREES, atol=_AGREES * 1e-3, equal_nan=True
    )


def _shown(tensor: torch.Tensor | None) -> str:
    if tensor is None:
        return "unknown"
    return f"{tensor.item():.6g}" if tensor.numel() == 1 else f"of shape {tuple(tensor.shape)}"


def _split(plane: PlaneLike) -> dict[str, tuple[Floats, Floats, Floats]]:
    """origin, first and second of each parameter, in its shape."""
    sizes = [math.prod(shape) for shape in plane.shapes]
    ends = [0, *itertools.accumulate(sizes)]
    flat = (plane.origin, plane.first, plane.second)
    parts = {}
    for name, shape, start, end in zip(plane.names, plane.shapes, ends[:-1], ends[1:], strict=True):
        origin, first, second = (array[start:end].reshape(shape) for array in flat)
        parts[name] = (origin, first, second)
    return parts


def _bytes_a_point(tape: LossFunction, plane: PlaneLike) -> int:
    """Bytes of all tensors that one execution makes, taken as float64."""
    outputs = (tape.plan.specs[number].shape for call in tape.calls for number in call.makes)
    return 8 * (sum(map(math.prod, outputs)) + len(plane.origin) + 1)


def _provenance(tape: LossFunction, step: int, how: str) -> str:
    precision = "in float64" if tape.wide else "in the recorded precision"
    text = f"The loss of step {step}'s batch, by its recorded tape, {precision}, all points {how}."
    if tape.random:
        text += " Random numbers (dropout and the like) are those that the step drew."
    return text
