"""Every formula that is shown holds for the numbers that are shown."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from autograd_lens.analysis.lesson import Lesson
from autograd_lens.render.handout.mathematics import (
    Equation,
    Frac,
    Num,
    Op,
    Paren,
    Power,
    Sum,
    Sym,
    evaluate,
    number,
)
from autograd_lens.render.handout.writers import latex, mathml, plain, typst_math
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
    known |= {"w1": weight, "b1": bias, "d:w1": by_weight, "d:b1": by_bias}
    known |= {"y^": regression.x * weight + bias}
    known |= {"g": regression.residual(weight, bias) / 100}
    found = equations(handout(run).blocks)
    assert len(found) >= 12
    assert [plain(each) for each in found if not holds(each, known)] == []


def test_a_wrong_digit_would_be_noticed() -> None:
    wrong = Equation((Op(Num(1.541), "−", Op(Num(0.01), "×", number(-5.55847))), Num(1.59661)))
    right = Equation((wrong.sides[0], Num(1.59658)))
    assert holds(right, {})
    assert not holds(wrong, {})


def test_one_formula_in_three_notations() -> None:
    square = Power(Paren(Op(Sym("y", "i", hat=True), "−", Sym("y", "i"))), 2)
    formula = Equation((Sym("L"), Op(Frac(Num(1), Sym("n")), "", Sum(square))))
    assert typst_math(formula) == ('$L = frac("1", n) thin sum_(i=1)^n (hat(y)_(i) - y_(i))^2$')
    assert latex(formula) == (
        r"L = \frac{1}{n} \, \sum_{i=1}^{n} \left(\hat{y}_{i} - y_{i}\right)^{2}"
    )
    assert "<munderover><mo>∑</mo>" in mathml(formula)


@pytest.mark.parametrize("name", ["layer.0.weight", "重み", 'a"b', "<b>", "w_1$"])
def test_any_name_may_stand_in_a_formula(name: str) -> None:
    formula = Equation((Sym(name), Num(1.0)))
    assert "<b>" not in mathml(formula)
    assert '"b"' not in typst_math(formula).replace('\\"', "")
    assert "w_1$" not in latex(formula)
