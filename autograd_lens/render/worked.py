"""An update worked out with numbers: ``1.541 - 0.01 * (-5.55848) = 1.59658``."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from autograd_lens.render.numbers import scalar
from autograd_lens.trace.graph import tensors
from autograd_lens.trace.records import Kernel, ParameterUpdate
from autograd_lens.trace.values import Value

__all__ = ["worked"]

_LEADING = re.compile(r"^\((-[^()]*)\)(?= [-+])")  # no brackets needed at the very start
# A name that no number was found for, a part of a tensor, or a product of matrices, of which
# one element alone says nothing.
_UNKNOWN = re.compile(r"(?<![\w.])[^\W\d][\w.]*(?![\w.]*\()|@|[\[\]]|\b(?!sqrt|abs)[^\W\d]\w*\(")


def worked(update: ParameterUpdate, kernels: Sequence[Kernel]) -> tuple[str, str, str] | None:
    """The update's arithmetic with numbers put in, for its first element.

    Args:
        update: The update.
        kernels: The step's tape.

    Returns:
        Element (``""`` for a parameter of one element, else ``"[0, 0]"``), expression with
        numbers, result; None where a value is missing or shapes differ.
    """
    if update.after is None or not update.after.complete or not update.after.numel:
        return None
    values = _values(update, kernels)
    if not values:
        return None
    text = _names(values).sub(lambda name: _first(values[name[0]]), update.expression)
    used = [values[name] for name in _names(values).findall(update.expression)]
    if not used or _UNKNOWN.search(text) or any(not _fits(value, update.after) for value in used):
        return None
    element = "" if update.after.numel == 1 else f"[{', '.join('0' * len(update.after.shape))}]"
    return element, _LEADING.sub(r"\1", text), _plain(update.after)


def _values(update: ParameterUpdate, kernels: Sequence[Kernel]) -> Mapping[str, Value]:
    """What each name in the expression stood for before the update."""
    known = {update.parameter: update.before, f"{update.parameter}.grad": update.grad}
    owners: dict[str, set[int]] = {}
    for index in update.kernels:
        for use in tensors(kernels[index].inputs):
            owners.setdefault(use.spec.name, set()).add(use.tensor)
            known.setdefault(use.spec.name, use.value)
    return {
        name: value
        for name, value in known.items()
        if name
        and value is not None
        and value.complete
        and value.numel
        and _is_one(name, owners, update)
    }


def _is_one(name: str, owners: Mapping[str, set[int]], update: ParameterUpdate) -> bool:
    """Whether a name means one tensor: each parameter may have an ``exp_avg``."""
    own = {update.parameter, f"{update.parameter}.grad"}
    return name in own or len(owners.get(name, ())) == 1


def _names(values: Mapping[str, Value]) -> re.Pattern[str]:
    """Any of the names as a whole; the longest first, for ``w`` is a part of ``w.grad``."""
    longest = sorted(values, key=len, reverse=True)
    return re.compile(rf"(?<![\w.])(?:{'|'.join(map(re.escape, longest))})(?![\w.(])")


def _fits(value: Value, whole: Value) -> bool:
    return value.numel == 1 or value.shape == whole.shape


def _plain(value: Value) -> str:
    return scalar(value.array.ravel()[0].item())


def _first(value: Value) -> str:
    text = _plain(value)
    return f"({text})" if text.startswith("-") else text
