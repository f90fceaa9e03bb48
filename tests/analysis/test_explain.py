"""Derivations: which nodes they take in, what they check, how they fold."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from autograd_lens.analysis.explain import explain_gradient, explain_loss, folded
from autograd_lens.analysis.names import Names
from autograd_lens.analysis.textbook import _apart
from autograd_lens.errors import NotRecordedError
from autograd_lens.trace.records import Step
from autograd_lens.trace.values import Summary, Value, summarize
from tests.support.linear_step import light, linear_step, value

NAMES = Names(linear_step().kernels, lambda _: None)


def test_a_derivation_goes_from_the_loss_to_its_parameter_alone() -> None:
    derivation = explain_gradient(linear_step(), "b1", NAMES)
    assert [link.node.name for link in derivation.links] == [
        "MeanBackward0", "DivBackward0", "PowBackward0", "SubBackward0", "AddBackward0",
        "AccumulateGrad",
    ]  # fmt: skip
    assert [[out.name for out in link.outgoing] for link in derivation.links][-2:] == [["b1"], []]


def test_the_sum_over_the_batch_is_seen() -> None:
    links = explain_gradient(linear_step(), "b1", NAMES).links
    assert links[4].outgoing[0].broadcast == (100,)


def test_all_checks_hold_on_a_recorded_step() -> None:
    checks = explain_gradient(linear_step(), "w1", NAMES).checks
    assert [check.holds for check in checks] == [True, True, True]


def test_what_is_not_finite_on_both_sides_agrees_with_its_formula() -> None:
    """A run whose numbers broke is explained as well: the formulas give the same NaN."""
    broken = np.full((100, 1), np.inf, np.float32)
    broken[:50] = np.nan
    found, known = broken.astype(np.float64), broken.astype(np.float64)
    assert _apart(found, known) == 0.0
    known[0], known[99] = 1.0, -np.inf
    assert _apart(found, known) == _apart(known, found) == np.inf


def test_a_changed_grad_fails_its_check() -> None:
    step = linear_step()
    w1 = replace(step.parameters["w1"], grad=value(np.full((1, 1), 3.0, np.float32)))
    wrong = replace(step, parameters={**step.parameters, "w1": w1})
    assert [check.holds for check in explain_gradient(wrong, "w1", NAMES).checks][1] is False


def test_a_light_step_says_how_to_get_what_is_missing() -> None:
    with pytest.raises(NotRecordedError, match=r"recorded light.*--full default,0"):
        explain_gradient(light(linear_step()), "w1", NAMES)


def test_a_parameter_that_no_backward_reached_is_named() -> None:
    with pytest.raises(NotRecordedError, match=r"No backward of step 0 reached w9.*b1, w1"):
        explain_gradient(linear_step(), "w9", NAMES)


def test_the_loss_comes_from_the_forward_kernels_in_order() -> None:
    evaluation = explain_loss(linear_step())
    operators = [kernel.op.split(".")[1] for kernel in evaluation.kernels]
    assert operators == ["mm", "add", "sub", "pow", "div", "mean"]
    assert evaluation.prepared == 0


def test_a_short_chain_is_not_folded() -> None:
    groups = folded(["net.a", "net.a", "", "net.b"])
    assert [(g.module, g.count, g.folded) for g in groups] == [
        ("net.a", 2, False), ("", 1, False), ("net.b", 1, False),
    ]  # fmt: skip


def test_a_long_chain_is_folded_by_module_and_one_can_be_opened() -> None:
    modules = [f"net.layers.{place // 5}.norm" for place in range(20)]
    assert [(g.module, g.count, g.folded) for g in folded(modules)] == [("net.layers", 20, True)]
    by_layer = folded(modules, depth=3, opened="net.layers.2")
    assert [(g.count, g.folded) for g in by_layer] == [
        (5, True), (5, True), (5, False), (5, True),
    ]  # fmt: skip


def test_a_value_and_the_summary_of_the_same_bytes_are_equal() -> None:
    step = linear_step()
    grad = step.parameters["w1"].grad
    assert grad is not None
    assert holds(step, summed_up(grad)) is True
    assert holds(step, summed_up(value(np.full((1, 1), 3.0, np.float32)))) is False


def test_of_a_value_without_a_digest_nothing_is_known() -> None:
    unknown = Value("float32", (1, 1), None, Summary("", 5.0))
    assert holds(linear_step(), unknown) is None


def summed_up(whole: Value) -> Value:
    """What is kept of it where it is too large."""
    assert whole.data is not None
    summary = summarize(np.frombuffer(whole.data, np.uint8), whole.dtype)
    return Value(whole.dtype, whole.shape, None, summary)


def holds(step: Step, grad: Value) -> bool | None:
    """What the check says of a step that kept this as ``w1.grad``."""
    w1 = replace(step.parameters["w1"], grad=grad)
    kept = replace(step, parameters={**step.parameters, "w1": w1})
    return explain_gradient(kept, "w1", NAMES).checks[1].holds
