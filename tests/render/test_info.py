"""What is inside a trace, on one screen."""

from __future__ import annotations

from dataclasses import replace
from io import StringIO
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from autograd_lens.render.info import render_info
from autograd_lens.trace.records import Event
from tests.support.linear_step import LinearTrace, linear_steps


def printed(trace: Any, **options: Any) -> str:
    console = Console(file=StringIO(), width=options.get("width", 80))
    console.print(render_info(trace, **options))
    return console.file.getvalue()  # type: ignore[attr-defined]


def test_three_steps_of_the_linear_regression() -> None:
    assert printed(LinearTrace(), size=28_672) == (
        "linear.lens ━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━ 28.7 kB\n"
        "     │ program  linear_regression.py\n"
        "     │ ran      2026-03-01 10:00 UTC, 2.1 s, finished\n"
        "     │ with     torch 2.13.0, Python 3.11.2, 1 thread, seed 0\n"
        "     │ steps    3, 3 in full detail (0, 1, 2)\n"
        "     │ loss     66.3743 → 63.1664, least 63.1664 at step 2\n"
        "     │          █▄▁  on a log scale\n"
        "\n"
        "Parameters ─────────────────────────────────────────────────────────────────── 2\n"
        "     │ w1  (1, 1)  1.541 → 1.70562\n"
        "     │ b1  (1,)    -0.293429 → 0.0476863\n"
    )


def test_an_exception_is_told_with_its_step() -> None:
    event = Event("exception", 1, "ValueError: the batch is empty")
    trace = LinearTrace(events=(event,))
    trace.info = replace(trace.info, status="exception")

    text = printed(trace)

    assert "stopped by an exception" in text
    assert "exception  step 1\n     │   ValueError: the batch is empty" in text


def test_a_loss_that_became_nan_says_since_when() -> None:
    good, bad, worse = linear_steps(3, full=())
    steps = (good, replace(bad, loss=float("nan")), replace(worse, loss=float("nan")))

    assert "least 66.3743 at step 0, NaN from step 1" in printed(LinearTrace(steps=steps))


def test_a_trace_without_steps() -> None:
    trace = LinearTrace(steps=())
    trace.info = replace(trace.info, status="running", ended=None)

    text = printed(trace)

    assert "0, none in full detail" in text
    assert "no finite loss was recorded" in text
    assert "still running" in text
    assert "w1  (1, 1)  not recorded → not recorded" in text


@pytest.mark.parametrize("width", [40, 80, 120])
def test_no_line_is_wider_than_asked(width: int) -> None:
    event = Event("warning", None, "the disk is nearly full; " * 9)
    text = printed(LinearTrace(events=(event,)), size=10**10, width=width)

    assert max(map(len, text.splitlines())) == width
    assert "10.0 GB" in text


def test_many_full_steps_and_parameters_are_cut_short() -> None:
    trace = LinearTrace(steps=linear_steps(12, full=range(12)))
    many = {f"p{number}": trace.parameters["w1"] for number in range(30)}

    class Large(LinearTrace):
        @property
        def parameters(self) -> Any:
            return many

    text = printed(Large(steps=trace.steps))

    assert "12 in full detail (0, 1, 2, 3, 4, 5, 6, 7, …)" in text
    assert "and 6 more" in text


def test_the_curve_of_a_loss_with_negative_values_is_linear() -> None:
    steps = [
        replace(step, loss=float(loss))
        for step, loss in zip(linear_steps(3, full=()), np.array([1.0, 0.0, -1.0]), strict=True)
    ]

    assert "█▅▁\n" in printed(LinearTrace(steps=tuple(steps)))


def test_how_far_steps_are_from_a_keyframe_is_told_where_there_are_any() -> None:
    told = printed(replace(LinearTrace(), keyframes=(0,)))
    assert "replay   any step within 2 steps of a keyframe\n" in told
    assert "keyframe" not in printed(LinearTrace())
