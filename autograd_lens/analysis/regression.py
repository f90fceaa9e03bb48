"""Recognise a linear regression on the tape, do its mathematics, and say where it ended.

NOTE 1 [What is recognised]: ``loss = scale * mean((w x + b - y)²)`` with one weight and one
bias, however it is spelled: ``mm`` and ``add``, ``addmm`` as ``nn.Linear`` runs it, or ``mul``;
squares as ``pow`` or ``mul``; ``mse_loss``. The walk goes back from the loss and only
proposes. It is believed when the proposed formula, in float64 on the recorded data, gives the
recorded loss and both recorded gradients.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from autograd_lens.trace.expression import learning_rate
from autograd_lens.trace.graph import operator_name
from autograd_lens.trace.records import Constant, Kernel, Step, TensorUse
from autograd_lens.trace.values import Floats

__all__ = ["Ending", "OtherRate", "Regression", "ending", "recognise"]

_SAME = frozenset({"t", "view", "reshape", "squeeze", "unsqueeze", "expand", "alias", "numpy_T"})
_CLOSE = 1e-3  # relative; float32 sums over many points differ from float64 by less
_LARGE = 1e6


@dataclass(frozen=True, slots=True, eq=False)
class Regression:
    """``loss = scale * mean((w x + b - y)²)`` over n points.

    Attributes:
        weight: Name of the weight.
        bias: Name of the bias.
        x: (n,).
        y: (n,).
        scale: The factor before the mean; a half in textbooks.
        prediction: Id of the tensor that holds the predictions in its step.
    """

    weight: str
    bias: str
    x: Floats
    y: Floats
    scale: float
    prediction: int

    def residual(self, weight: float, bias: float) -> Floats:
        """Prediction minus truth: (n,)."""
        return self.x * weight + bias - self.y

    def loss(self, weight: float, bias: float) -> float:
        """The loss at a point."""
        return float(self.scale * np.mean(self.residual(weight, bias) ** 2))

    def gradient(self, weight: float, bias: float) -> tuple[float, float]:
        """Derivatives by weight and bias."""
        residual = self.residual(weight, bias)
        factor = 2 * self.scale
        return float(factor * np.mean(residual * self.x)), float(factor * np.mean(residual))

    @property
    def hessian(self) -> Floats:
        """Second derivatives: (2, 2), the same everywhere."""
        columns = np.stack([self.x, np.ones_like(self.x)], axis=1)
        hessian: Floats = 2 * self.scale * (columns.T @ columns) / len(self.x)
        return hessian

    @property
    def optimum(self) -> tuple[float, float]:
        """Least squares."""
        columns = np.stack([self.x, np.ones_like(self.x)], axis=1)
        solution = np.linalg.lstsq(columns, self.y, rcond=None)[0]
        return float(solution[0]), float(solution[1])

    @property
    def limit(self) -> float:
        """The largest learning rate with which gradient descent still converges."""
        return float(2 / np.linalg.eigvalsh(self.hessian)[-1])

    def descend(self, start: tuple[float, float], rate: float, steps: int) -> Floats:
        """Gradient descent in float64: (steps taken + 1, 2), cut where it runs away."""
        best, hessian = np.array(self.optimum), self.hessian
        shrink = np.eye(2) - rate * hessian
        points = [np.array(start) - best]
        for _ in range(steps):
            points.append(shrink @ points[-1])
            if not np.abs(points[-1]).max() < _LARGE:
                break
        path: Floats = np.array(points) + best
        return path


def recognise(step: Step) -> Regression | None:
    """The linear regression that a full step computes, or None (NOTE 1)."""
    walk = _Walk.of(step)
    found = walk.loss() if walk else None
    return found if found is not None and _holds(found, step) else None


def _holds(found: Regression, step: Step) -> bool:
    start = [_scalar(step, name) for name in (found.weight, found.bias)]
    grads = _incoming(step, found)
    if step.loss is None or None in start or grads is None:
        return False
    weight, bias = (float(number) for number in start if number is not None)
    pairs = zip(
        (found.loss(weight, bias), *found.gradient(weight, bias)),
        (step.loss, *grads),
        strict=True,
    )
    size = max(1e-9, float(np.abs(found.residual(weight, bias)).mean()))
    return all(
        math.isclose(mine, theirs, rel_tol=_CLOSE, abs_tol=_CLOSE * size) for mine, theirs in pairs
    )


def _scalar(step: Step, name: str) -> float | None:
    known = step.parameters.get(name)
    value = known.before if known else None
    return None if value is None or not value.complete else float(np.real(value.item()))


def _incoming(step: Step, found: Regression) -> tuple[float, float] | None:
    writes = {write.parameter: write for write in step.backwards[step.main_backward].grad_writes}
    numbers = []
    for name in (found.weight, found.bias):
        write = writes.get(name)
        if write is None or write.incoming is None or write.incoming.numel != 1:
            return None
        numbers.append(float(np.real(write.incoming.item())))
    return numbers[0], numbers[1]


@dataclass(frozen=True, slots=True)
class _Walk:
    """Goes back along the forward, from the loss."""

    makers: Mapping[int, Kernel]
    root: Kernel

    @classmethod
    def of(cls, step: Step) -> _Walk | None:
        graph = step.backwards[step.main_backward].graph if step.backwards else None
        root = graph.nodes[0].forward_kernel if graph and graph.nodes else None
        if root is None or root >= len(step.kernels):
            return None
        forward = [kernel for kernel in step.kernels if kernel.phase == "forward"]
        makers = {use.tensor: kernel for kernel in forward for use in kernel.outputs}
        return cls(makers, step.kernels[root])

    def loss(self) -> Regression | None:
        """Factors and the mean, in any order, then the square."""
        kernel: Kernel | None = self.root
        scale, meant = 1.0, False
        while kernel is not None and operator_name(kernel) in {"mean", "div", "mul", "neg"}:
            if operator_name(kernel) == "mean":
                if meant or not _over_all(kernel):
                    return None
                meant = True
            elif (factor := _factor(kernel)) is not None:
                scale *= factor
            else:
                break  # mul of a tensor with itself: the square
            kernel = self._maker(_uses(kernel)[0])
        return None if kernel is None else self._square(kernel, scale, meant=meant)

    def _square(self, kernel: Kernel, scale: float, *, meant: bool) -> Regression | None:
        uses = _uses(kernel)
        name = operator_name(kernel)
        if name == "mse_loss" and not meant and _constant(kernel, "reduction", 1) == 1:
            return self._difference(uses, scale)
        squared = (name == "pow" and _constant(kernel, "exponent", 0) == 2) or (
            name in {"mul", "square"} and len({use.tensor for use in uses}) == 1
        )
        inner = self._maker(uses[0]) if squared and uses and meant else None
        if inner is None or operator_name(inner) != "sub" or _constant(inner, "alpha", 1) != 1:
            return None
        return self._difference(_uses(inner), scale)

    def _difference(self, uses: list[TensorUse], scale: float) -> Regression | None:
        if len(uses) != 2:
            return None
        for predicted, truth in (uses, uses[::-1]):
            line = self._line(predicted)
            y = _numbers(truth)
            if line and y is not None and len(y) == len(line[2]):
                weight, bias, x = line
                if truth.spec.shape == predicted.spec.shape:
                    return Regression(weight, bias, x, y, scale, predicted.tensor)
        return None

    def _line(self, predicted: TensorUse) -> tuple[str, str, Floats] | None:
        """Weight, bias and x of ``w x + b``."""
        kernel = self._maker(predicted)
        if kernel is None or operator_name(kernel) not in {"add", "addmm"}:
            return None
        uses = _uses(kernel)
        if operator_name(kernel) == "addmm":
            product = self._product(uses[1:])
            bias = self._parameter(uses[0])
            return (product[0], bias, product[1]) if product and bias else None
        for inner, other in (uses, uses[::-1]) if len(uses) == 2 else ():
            maker, bias = self._maker(inner), self._parameter(other)
            if maker and bias and operator_name(maker) in {"mm", "mul", "matmul"}:
                product = self._product(_uses(maker))
                return (product[0], bias, product[1]) if product else None
        return None

    def _product(self, uses: list[TensorUse]) -> tuple[str, Floats] | None:
        for x_use, w_use in (uses, uses[::-1]) if len(uses) == 2 else ():
            name, x = self._parameter(w_use), _numbers(x_use)
            if name and x is not None and x_use.spec.role != "parameter":
                return name, x
        return None

    def _parameter(self, use: TensorUse) -> str:
        """The name of the one-element parameter that this is, seen through views."""
        while use.spec.role != "parameter":
            maker = self._maker(use)
            if maker is None or operator_name(maker) not in _SAME:
                return ""
            use = _uses(maker)[0]
        return use.spec.name if math.prod(use.spec.shape) == 1 else ""

    def _maker(self, use: TensorUse) -> Kernel | None:
        return self.makers.get(use.tensor)


def _uses(kernel: Kernel) -> list[TensorUse]:
    return [each.value for each in kernel.inputs if isinstance(each.value, TensorUse)]


def _constants(kernel: Kernel) -> Iterator[tuple[str, object]]:
    for each in kernel.inputs:
        if isinstance(each.value, Constant):
            yield each.name, each.value.value


def _constant(kernel: Kernel, name: str, default: float) -> object:
    return dict(_constants(kernel)).get(name, default)


def _factor(kernel: Kernel) -> float | None:
    """What the kernel multiplies by, or None."""
    if operator_name(kernel) == "neg":
        return -1.0
    other = _constant(kernel, "other", math.nan)
    if not isinstance(other, int | float) or math.isnan(other) or not other:
        return None
    return 1 / other if operator_name(kernel) == "div" else float(other)


def _over_all(kernel: Kernel) -> bool:
    return bool(kernel.outputs) and math.prod(kernel.outputs[0].spec.shape) == 1


def _numbers(use: TensorUse) -> Floats | None:
    """All elements, where each point has one."""
    value = use.value
    if value is None or not value.complete or value.numel not in {1, *value.shape[:1]}:
        return None
    return np.asarray(value.array, np.float64).ravel()


# --- where it ended ------------------------------------------------------------------------

_REPRODUCED = 1e-3  # of the length of the path
_KEPT = 400  # positions of another descent that are kept


@dataclass(frozen=True, slots=True)
class OtherRate:
    """The same descent with another learning rate, computed from the data of the run.

    Attributes:
        rate: The learning rate.
        steps: Steps taken; fewer than the run's where it ran away.
        weight: Where it ended.
        bias: Where it ended.
        loss: The loss there.
        diverged: Whether it ran away.
        points: Positions on the way: (some, 2).
    """

    rate: float
    steps: int
    weight: float
    bias: float
    loss: float
    diverged: bool
    points: Floats


@dataclass(frozen=True, slots=True)
class Ending:
    """Where a linear regression ended, against least squares.

    Attributes:
        weight: Last weight.
        bias: Last bias.
        loss: Loss there.
        best_weight: Least squares.
        best_bias: Least squares.
        best_loss: Loss of least squares.
        rate: Learning rate of the run; None where the update is no plain gradient descent.
        limit: Largest learning rate that still converges.
        deviation: Largest difference between the recorded path and the same path computed in
            float64; None where it was not computed.
        others: Other learning rates; empty where the recorded path was not reproduced.
    """

    weight: float
    bias: float
    loss: float
    best_weight: float
    best_bias: float
    best_loss: float
    rate: float | None
    limit: float
    deviation: float | None
    others: tuple[OtherRate, ...]


def ending(
    regression: Regression | None, path: Floats, full: Sequence[Step], first: Step
) -> Ending | None:
    """Where the run ended; None where it is no linear regression on the same data throughout.

    Args:
        regression: What the first step shown was recognised as.
        path: Weight and bias over the run: (steps + 1, 2).
        full: Steps at full level.
        first: The first step shown.
    """
    if regression is None or not all(_same_data(regression, step) for step in full):
        return None
    last = path[-1]
    if not np.isfinite(last).all():
        return None
    best = regression.optimum
    rate = learning_rate(first, (regression.weight, regression.bias))
    deviation = _deviation(regression, path, rate) if rate else None
    reach = float(np.abs(path - path[0]).max())
    proved = deviation is not None and deviation <= _REPRODUCED * reach
    return Ending(
        weight=float(last[0]),
        bias=float(last[1]),
        loss=regression.loss(last[0], last[1]),
        best_weight=best[0],
        best_bias=best[1],
        best_loss=regression.loss(*best),
        rate=rate,
        limit=regression.limit,
        deviation=deviation,
        others=tuple(_others(regression, path, rate)) if proved and rate else (),
    )


def _same_data(regression: Regression, step: Step) -> bool:
    other = recognise(step)
    return (
        other is not None
        and np.array_equal(other.x, regression.x)
        and np.array_equal(other.y, regression.y)
    )


def _deviation(regression: Regression, path: Floats, rate: float) -> float | None:
    start = (float(path[0, 0]), float(path[0, 1]))
    mine = regression.descend(start, rate, len(path) - 1)
    if len(mine) != len(path):
        return None
    return float(np.abs(mine - path).max())


def _others(regression: Regression, path: Floats, rate: float) -> Iterator[OtherRate]:
    """A tenth, ten times, and a little more than the limit."""
    start = (float(path[0, 0]), float(path[0, 1]))
    rates = [rate / 10, rate * 10, 1.05 * regression.limit]
    for other in (float(f"{each:.3g}") for each in rates):
        points = regression.descend(start, other, len(path) - 1)
        weight, bias = (float(number) for number in points[-1])
        kept = np.unique(np.geomspace(1, len(points), _KEPT).astype(int)) - 1
        yield OtherRate(
            rate=other,
            steps=len(points) - 1,
            weight=weight,
            bias=bias,
            loss=regression.loss(weight, bias),
            diverged=other >= regression.limit,
            points=points[kept],
        )
