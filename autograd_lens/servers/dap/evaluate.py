"""What an expression is where a walk stands: a tensor of the step, or a condition over the run."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from autograd_lens.analysis.conditions import condition_on
from autograd_lens.render.step_view import StepView
from autograd_lens.servers.dap.items import Item, array_item, value_item
from autograd_lens.servers.dap.scopes import locals_of
from autograd_lens.tui.session import Opened, Session

__all__ = ["evaluated"]


def evaluated(session: Session, opened: Opened, view: StepView, expression: str) -> Item:
    """The value of an expression: a name as of the event, else a condition as of the step.

    Args:
        session: Where we are.
        opened: The step.
        view: The same, with its names.
        expression: ``y_pred``, ``w1.grad``, ``norm(w1.grad)``, ``loss > 10``.

    Raises:
        ConditionError: It is neither.
    """
    asked = expression.strip()
    named = _named(session, opened, view, asked)
    if named is not None:
        return named
    condition = condition_on(session.trace, asked)
    value = condition.value(session.trace, session.step)
    if value is None:
        return Item(asked, "this step does not have it")
    if value.dtype.kind == "b":
        holds = condition.holds(session.trace)
        here, count = bool(holds[session.step]), int(np.count_nonzero(holds))
        return Item(asked, f"{here}, holds in {count:,} of {len(holds):,} steps", "bool")
    if value.dtype.kind == "U":
        return Item(asked, str(value.ravel()[0]), "str")
    flat = value.reshape(()) if value.size == 1 else value
    return replace(array_item(asked, flat), name=asked)


def _named(session: Session, opened: Opened, view: StepView, asked: str) -> Item | None:
    """A tensor of the step, or a parameter or its ``.grad``, as they are at the event."""
    local = locals_of(opened, session.event, view).get(asked)
    if local is not None:
        return value_item(asked, local.value, asked)
    known = session.trace.parameters
    names = {alias: one.name for one in known.values() for alias in (*one.aliases, one.name)}
    name = names.get(asked.removesuffix(".grad"), "")
    held = opened.states.at(session.event).get(name)
    if held is None:
        return None
    if asked.endswith(".grad"):
        return value_item(asked, held.grad, asked)
    return None if held.after is None else value_item(asked, held.after, asked)
