"""A view is used to swap axes.

What it finds:
    A view or reshape whose result has the sizes of its input in another order, as a transpose
    would have, while the numbers stay where they are; features that are split into heads in front
    of the axis of places, or put together over it.

Why it is bad:
    A view reads the numbers in the same order, row by row, and cuts them elsewhere: what were
    channels of one time are now mixed with other times. The shapes fit, and nothing complains.

Evidence it needs:
    A full step: shapes along the way from the data to the loss.

Example:
    x = x.view(batch, channels, time)        # x: (batch, time, channels)

Corrected:
    x = x.transpose(1, 2)

When it is silent:
    Axes of size 1, views that merge or divide axes, or leave their order, and those of PyTorch's
    own layers.

References:
    https://docs.pytorch.org/docs/stable/generated/torch.Tensor.view.html
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

import numpy as np

from autograd_lens.doctor.cases import Case, told
from autograd_lens.doctor.evidence import Evidence
from autograd_lens.doctor.finding import Finding, Rule, shape
from autograd_lens.doctor.tape import training_path
from autograd_lens.trace.graph import TapeIndex, argument, operator_name, tensors
from autograd_lens.trace.records import Kernel, TensorUse

RULE = Rule("AL407", "axes-scrambled", "error", "full")

_VIEWS = frozenset({"view", "_unsafe_view", "reshape", "_reshape_alias"})
_FEWEST = 2  # axes that change places
_PAIR = 2
_IMAGES = 4  # axes
_MOSTLY = 0.9  # of the variance
_HANDED = frozenset({"clone", "contiguous"})


def check(evidence: Evidence) -> Iterator[Finding]:
    """Find the first such view, and grids of rows in front of columns."""
    yield from told(RULE, evidence, lambda tape: map(_grid, tape.kernels))
    for step in evidence.full:
        path, tape = training_path(step), TapeIndex(step)
        for kernel in step.kernels:
            given = next(tensors(kernel.inputs), None)
            if kernel.index not in path or given is None or operator_name(kernel) not in _VIEWS:
                continue
            after = kernel.outputs[0].spec.shape
            own = _asked_for(evidence, kernel)
            before = given.spec.shape
            moved = _swapped(before, after) or _split(before, after) or _split(after, before)
            if own and moved and not _turns(tape, kernel, given):
                yield RULE.finding(
                    title=f"a view makes {shape(after)} of {shape(given.spec.shape)}",
                    message=f"""In step {step.index}, `{evidence.line(kernel.source)}` gives a
                        tensor of shape {shape(given.spec.shape)} the shape {shape(after)}, as
                        a transpose would. No axis is moved: the numbers stay in their order and
                        are cut elsewhere, so that each row holds parts of several.""",
                    fix="x.transpose(1, 2)  # or permute: a view never moves an axis",
                    step=step.index,
                    kernel=kernel,
                )
                return


def _grid(kernel: Kernel) -> Case | None:
    """A grid for ``grid_sample`` whose first number is the row, where x is meant."""
    grid = argument(kernel, "grid") if "grid_sampler" in operator_name(kernel) else None
    value = grid.value if grid is not None else None
    if (
        value is None
        or not value.complete
        or len(value.shape) != _IMAGES
        or value.shape[-1] != _PAIR
    ):
        return None
    places = value.array.astype(np.float64).mean(0)
    down, across = places.shape[:_PAIR]
    if min(down, across) < _FEWEST + 1:
        return None
    by_row, by_column = (_along(places[..., 0], axis) for axis in (0, 1))
    other_row, other_column = (_along(places[..., 1], axis) for axis in (0, 1))
    if min(by_row, other_column) < _MOSTLY or max(by_column, other_row) > 1 - _MOSTLY:
        return None
    return Case(
        kernel,
        "the grid holds (y, x), and grid_sample wants (x, y)",
        """the first of the two numbers of each place grows from row to row and the second from
        column to column: the picture is read with its axes exchanged""",
        "torch.stack([x, y], dim=-1)",
    )


def _along(numbers: np.ndarray, axis: int) -> float:
    """Which share of the variance of numbers lies along an axis."""
    whole = float(numbers.var())
    return float(numbers.mean(1 - axis).var()) / whole if whole else 0.0


def _asked_for(evidence: Evidence, kernel: Kernel) -> bool:
    """Whether the program's own line says so: a layer of PyTorch knows what it views."""
    source = kernel.source
    statement = evidence.code(source).statement(source.line) if source is not None else None
    text = ast.unparse(statement) if statement is not None else "view"
    return any(word in text for word in ("view", "reshape"))


def _swapped(before: tuple[int, ...], after: tuple[int, ...]) -> bool:
    """Whether the first axis stays and others of more than one element change places."""
    old, new = ([one for one in sizes if one > 1] for sizes in (before, after))
    same = len(before) == len(after) and sorted(old) == sorted(new) and old[:1] == new[:1]
    return same and sum(one != other for one, other in zip(old, new, strict=True)) >= _FEWEST


def _split(short: tuple[int, ...], long: tuple[int, ...]) -> bool:
    """Whether the last axis of one is two axes of the other, around the one in front of it.

    So ``(b, s, h * d)`` and ``(b, h, s, d)``: heads are split from the features, and the axis of
    places would have to be moved past them.
    """
    if len(long) != len(short) + 1 or len(short) < _FEWEST + 1:
        return False
    places, features, (heads, after, size) = short[-2], short[-1], long[-3:]
    moved = after == places and heads * size == features and min(heads, size, places) > 1
    return moved and heads != places and short[:-2] == long[:-3]


def _turns(tape: TapeIndex, kernel: Kernel, given: TensorUse) -> bool:
    """Whether the numbers were moved before, so that the view only names the axes anew."""
    maker = tape.maker(given.tensor, kernel.index)
    while maker is not None and operator_name(maker) in _HANDED:
        base = next(tensors(maker.inputs), None)
        maker = tape.maker(base.tensor, maker.index) if base else None
    return maker is not None and operator_name(maker) in ("transpose", "permute", "t")
