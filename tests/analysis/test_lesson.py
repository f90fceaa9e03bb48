"""The content of a lesson."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from autograd_lens.analysis.lesson import lesson
from autograd_lens.errors import NotRecordedError
from autograd_lens.trace.records import Constant
from tests.support.lesson_run import LessonRun, regression_run


def test_forward_and_backward_are_in_the_order_they_ran() -> None:
    first = lesson(regression_run(), [0]).first
    assert [kernel.op.split(".")[1] for kernel in first.forward] == [
        *("mm", "add", "sub", "pow", "div", "mean")
    ]
    assert [row.node.name for row in first.backward][:3] == [
        *("MeanBackward0", "DivBackward0", "PowBackward0")
    ]
    assert [each.write.parameter for each in first.backward if each.write] == ["b1", "w1"]


def test_without_zeroing_the_second_gradient_would_be_added_to_the_first() -> None:
    run = regression_run()
    grads = [step.parameters["w1"].grad.item() for step in run.steps[:2]]
    found = {each.parameter: each for each in lesson(run, [0]).accumulation}["w1"]
    assert (found.first, found.second, found.together) == (*grads, sum(grads))
    assert found.zeroed


def test_the_ending_is_measured_against_least_squares() -> None:
    run = regression_run(6)
    ending = lesson(run, [0]).ending
    assert (ending.weight, ending.bias) == tuple(
        run.steps[-1].parameters[name].after.item() for name in ("w1", "b1")
    )
    assert ending.best_loss < ending.loss
    assert ending.rate == 0.01
    assert ending.deviation < 1e-6


def test_other_learning_rates_are_told_only_where_the_recorded_path_was_reproduced() -> None:
    run = regression_run(5)
    assert [other.diverged for other in lesson(run, [0]).ending.others] == [False, False, True]
    step = run.steps[0]
    rate = Constant("scalar", 0.02)
    kernels = [
        replace(kernel, inputs=tuple(
            replace(each, value=rate) if each.value == Constant("scalar", 0.01) else each
            for each in kernel.inputs
        ))
        for kernel in step.kernels
    ]  # fmt: skip
    run.steps[0] = replace(step, kernels=tuple(kernels))
    assert lesson(run, [0]).ending.rate == 0.02
    assert lesson(run, [0]).ending.others == ()


def test_a_step_in_brief_is_preceded_by_the_nearest_one_in_full() -> None:
    found = lesson(regression_run(5, light=(1, 2, 4)), [4])
    assert [each.step.index for each in found.steps] == [3, 4]


def test_the_code_shown_is_the_code_that_ran() -> None:
    starts = [block.lines[0] for block in lesson(regression_run(), [0]).code]
    assert starts == [
        *("class mylinermodel(torch.nn.Module):", "def myloss(y_pred, y_true):", "class SGD:"),
        "for t in range(5000):",
    ]


def test_one_step_has_nothing_to_accumulate() -> None:
    assert lesson(regression_run(1), [0]).accumulation == ()


def test_a_run_without_steps_is_told() -> None:
    with pytest.raises(NotRecordedError, match="no step"):
        lesson(LessonRun([]), [])


def test_a_nan_at_the_end_leaves_no_ending() -> None:
    run = regression_run(3)
    last = run.steps[-1]
    nan = replace(last.parameters["w1"].after, data=np.array([[np.nan]], np.float32).tobytes())
    broken = {**last.parameters, "w1": replace(last.parameters["w1"], after=nan)}
    run.steps[-1] = replace(last, parameters=broken)
    assert lesson(run, [0]).ending is None


def test_what_does_not_move_is_followed_last() -> None:
    from autograd_lens.analysis.lesson import _is_still

    assert _is_still(np.array([0.2344810, 0.2344811, np.nan]))
    assert _is_still(np.array([np.nan]))
    assert not _is_still(np.array([0.2, 0.21]))
    assert not _is_still(np.array([0.0, 1e-9]))
