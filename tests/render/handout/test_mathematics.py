"""Every formula that is shown holds for the numbers that are shown."""

from __future__ import annotations

from typing import Any

import numpy as np

from autograd_lens.analysis.lesson import Lesson
from autograd_lens.trace.expr import TEXTBOOK, Equation, digits, evaluate, write
from tests.support.handout_reading import equations
from tests.support.lesson_run import LessonRun


def holds(equation: Equation, known: Any) -> bool:
    sides = equation.sides if equation.first == "=" else equation.sides[1:]
    found = [np.asarray(evaluate(side, known), float) for side in sides]
    return all(np.allclose(found[0], other, rtol=1e-5) for other in found[1:])


def test_every_formula_of_the_handout_holds(run: LessonRun, content: Lesson, handout: Any) -> None:
    regression, step = content.regression, run.steps[0]
    weight, bias = (step.parameters[name].before.item() for name in ("w1", "b1"))
    by_weight, by_bias = regression.gradient(weight, bias)
    known = {"x": regression.x, "y": regression.y, "n": 100.0, "L": step.loss}
    known |= {"w1": weight, "b1": bias, "∂L/∂w1": by_weight, "∂L/∂b1": by_bias}
    known |= {"y^": regression.x * weight + bias}
    errors = regression.residual(weight, bias) / 100
    known |= {"g": errors, "δ": errors, "∂L/∂y^": errors}
    known |= {"∂y^/∂w1": regression.x, "∂y^/∂b1": np.ones(100)}
    found = equations(handout(run).blocks)
    assert len(found) >= 12
    assert [write(each, TEXTBOOK) for each in found if not holds(each, known)] == []


def test_a_wrong_digit_would_be_noticed() -> None:
    taken = digits("1.541") - digits("0.01") * digits("-5.55847")
    assert holds(Equation((taken, digits("1.59658"))), {})
    assert not holds(Equation((taken, digits("1.59661"))), {})
