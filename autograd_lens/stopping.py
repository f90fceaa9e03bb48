"""``--stop-on``: a condition that a person wrote, as a test that a recording makes at each step.

This stands above the rooms, because conditions are read in ``analysis`` and asked in ``capture``.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from autograd_lens.analysis.conditions import Condition, Facts, Quantity, names_in, parse_condition

if TYPE_CHECKING:
    from autograd_lens.capture.stopping import StepSoFar, StopOn

__all__ = ["stop_on"]

_FIELDS = ("grad", "value")  # of a parameter, while its step runs


def stop_on(text: str) -> StopOn:
    """What ``text`` asks to stop on.

    Args:
        text: ``nan``, for a loss, a gradient or a parameter that is not finite; or a condition on
            ``loss``, ``step``, parameters and their ``.grad``.

    Raises:
        ConditionError: It is neither.
    """
    if text.strip() != "nan":
        parse_condition(text, names_in(text), _FIELDS)
    from autograd_lens.capture.stopping import StopOn, not_finite

    return StopOn(text, not_finite if text.strip() == "nan" else _test(text))


class _Asked:
    """What a condition asked of one step, and was told.

    Args:
        found: The step.

    Attributes:
        told: Single numbers and norms, in words.
    """

    def __init__(self, found: StepSoFar) -> None:
        self._found = found
        self.told: dict[str, str] = {}

    def parameter(self, name: str, field: str) -> Quantity:
        """A quantity, as ``Facts`` gives it."""
        found = self._found.quantity(name, field)
        if found is None:
            return Quantity(np.full((1, 1), np.nan), np.zeros(1, np.bool_))
        shown = name if field == "value" else f"{name}.{field}"
        if found.size == 1:
            self.told[shown] = f"{shown} is {found.ravel()[0]:g}"
        else:
            wide = found.astype(np.complex128 if np.iscomplexobj(found) else np.float64)
            self.told[shown] = f"the norm of {shown} is {np.linalg.norm(wide):g}"
        return Quantity(found.reshape(1, -1), np.ones(1, np.bool_), found.shape)


def _test(text: str) -> Callable[[StepSoFar], str]:
    @lru_cache(maxsize=1)
    def understood(names: tuple[str, ...]) -> Condition:
        return parse_condition(text, names, _FIELDS)

    asks_loss = re.search(r"\bloss\b(?!\.)", text) is not None

    def met(found: StepSoFar) -> str:
        if found.loss is None and asks_loss:
            return ""
        asked = _Asked(found)
        facts = Facts(
            np.array([np.nan if found.loss is None else found.loss]), asked.parameter, found.step
        )
        if not understood(found.names()).holds_in(facts)[0]:
            return ""
        loss = [f"the loss is {found.loss:g}"] if found.loss is not None else []
        told = ", ".join([*(loss if asks_loss else ()), *asked.told.values()])
        return f"{text} ({told})" if told else text

    return met
