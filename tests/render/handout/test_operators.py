"""Handouts of operators that no words were written for, and of numbers that were not kept."""

from __future__ import annotations

import base64
import json
import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from autograd_lens.analysis.lesson import KEPT, NOT_KEPT, lesson
from autograd_lens.analysis.story import NodeStory
from autograd_lens.render.handout import markdown
from autograd_lens.render.handout.texts import LANGUAGES, texts
from autograd_lens.render.handout.wording import reason
from autograd_lens.render.worked import worked_node
from autograd_lens.trace.expr import TEXTBOOK, Equation, evaluate, write
from autograd_lens.trace.records import Argument, Constant, Step
from tests.render.handout.conftest import played
from tests.support.lesson_run import LessonRun, regression_run


def told(parts: Any) -> str:
    return "".join(
        write(each, TEXTBOOK) if isinstance(each, Equation) else each.text for each in parts
    )


def changed(step: Step, operator: str, **new: Any) -> NodeStory:
    """The story of the node of an operator, where its kernel is changed."""
    at = next(kernel.index for kernel in step.kernels if kernel.op.split(".")[1] == operator)
    kernels = tuple(
        replace(kernel, **new) if kernel.index == at else kernel for kernel in step.kernels
    )
    found = lesson(LessonRun([replace(step, kernels=kernels)]), [0]).first
    return next(each for each in found.backward if each.kernel and each.kernel.index == at)


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_operator_has_an_honest_word(language: str) -> None:
    words = texts(language)
    step = regression_run(1).steps[0]
    power = next(kernel for kernel in step.kernels if ".pow." in kernel.op)
    cubed = (power.inputs[0], Argument("exponent", Constant("scalar", 3.0)))
    assert "g · 3 · (y_pred - y_true)²" in told(
        reason(changed(step, "pow", op=power.op, inputs=cubed), words)
    )
    two = (power.inputs[0], Argument("other", power.inputs[0].value))
    divided = told(reason(changed(step, "pow", op="aten.div.Tensor", inputs=two), words))
    assert "g / (y_pred - y_true)" in divided
    unknown = told(reason(changed(step, "pow", op="aten.unheard_of.default"), words))
    assert "pow_backward(grad, self, exponent)" in unknown


def test_what_is_worked_out_is_what_was_recorded() -> None:
    stories = lesson(regression_run(1), [0]).first.backward
    shown = [each for story in stories for each in worked_node(story)]
    lines = [write(each, TEXTBOOK) for each in shown]
    assert lines[:3] == ["1 / 100 = 0.01", "0.01 / 2 = 0.005", "0.005 · 2 · (-11.772) = -0.11772"]
    assert lines[3:] == ["∑ g_i = -11.5113", "∑ g_i · x_i = -5.55848"]
    for each in shown[:3]:
        assert evaluate(each.sides[0], {}) == pytest.approx(each.sides[1].value, rel=1e-5)


def test_a_gradient_that_the_formula_does_not_give_is_not_worked_out() -> None:
    story = lesson(regression_run(1), [0]).first.backward[2]
    (out,) = story.outgoing
    wrong = replace(out.value, data=np.full(out.value.shape, 9.0, np.float32).tobytes())
    assert worked_node(replace(story, outgoing=(replace(out, value=wrong),))) == ()


def test_a_number_that_was_not_kept_is_told_so_and_is_no_nan(partly: LessonRun) -> None:
    found = lesson(partly, [0, 2])
    assert (found.path.value_states[:, 0] == [KEPT, KEPT, NOT_KEPT, KEPT]).all()
    data = json.loads(played(found, partly).data)
    values, grads, after = (list(base64.b64decode(each)) for each in data["states"])
    assert (values[4:], after[2:4], set(grads)) == ([0, 0], [0, 0], {1})
    assert data["words"]["not_kept"] == "not kept"


def test_the_steps_shown_say_what_was_not_kept(partly: LessonRun, handout: Any) -> None:
    text = markdown(handout(partly, steps=(0, 2)))
    row = re.findall(r"^\| 2 \|.*$", text, re.MULTILINE)[-1]
    assert row.count("not kept") == 2
    assert "NaN" not in text


def test_adams_constants_are_told_by_its_rate_and_betas() -> None:
    settings = {"lr": 0.01, "betas[0]": 0.0, "betas[1]": 0.5}
    kept = {"optimizers": json.dumps([{"class": "Adam", "attributes": settings}]).encode()}
    found = lesson(regression_run(2, kept=kept), [1])
    assert [write(each, TEXTBOOK) for each in found.corrections] == [
        "0.01 / (1 - 0.0²)", "√(1 - 0.5²)",
    ]  # fmt: skip
