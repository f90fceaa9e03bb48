"""What the panes of the debugger say, as plain text."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from autograd_lens.analysis.cursor import Held, States
from autograd_lens.analysis.events import step_events
from autograd_lens.render.step_view import StepView, TraceOptions
from autograd_lens.render.stepper.descent import (
    Descent,
    Marks,
    loss_lines,
    map_lines,
    sparkline,
    timeline,
)
from autograd_lens.render.stepper.detail import detail_lines
from autograd_lens.render.stepper.panes import (
    Course,
    event_lines,
    highlighted,
    parameter_lines,
    source_lines,
)
from autograd_lens.trace.records import Source
from autograd_lens.trace.values import Summary, Value
from tests.support.linear_step import LinearTrace, light, linear_step, linear_steps, value


def view(width: int = 44, *, full: bool = True) -> StepView:
    step = linear_step() if full else light(linear_step())
    return StepView(step, LinearTrace().source, TraceOptions(width=width))


def test_the_events_of_a_step_read_as_a_list() -> None:
    shown = view()
    lines, places = event_lines(shown, step_events(shown.step), ())
    assert [line.plain.rstrip() for line in lines][:12] == [
        "Forward",
        "  return x.mm(self.w1) + self.b1",
        "    x @ w1  (100, 1)  norm 8.533",
        "    x.mm(w1) + b1 → y_pred  (100, 1)  norm 6.219",
        "  return torch.mean((y_pred - y_true) ** 2 / 2)",
        "    y_pred - y  (100, 1)  norm 115.2",
        "    (y_pred - y_true)² → pow  (100, 1)  norm 1332",
        "    pow / 2 → div  (100, 1)  norm 666.1",
        "    mean(div) → loss  66.3743",
        "Backward",
        "  loss.backward()",
        "    1 MeanBackward0  mean(div)",
    ]
    assert places[:3] == [1, 2, 3]


@pytest.mark.parametrize("width", [30, 41, 76])
@pytest.mark.parametrize("full", [True, False])
def test_no_detail_is_wider_than_its_pane(width: int, full: bool) -> None:
    shown = view(width, full=full)
    for event in step_events(shown.step):
        for line in detail_lines(shown, event):
            assert line.cell_len <= max(width, 44), line.plain


def test_a_long_operation_is_folded() -> None:
    step = linear_step()
    wordy = tuple(
        replace(kernel, op="aten.a_kernel_with_a_long_name_and_many_arguments.default")
        for kernel in step.kernels
    )
    shown = StepView(replace(step, kernels=wordy), lambda _: None, TraceOptions(width=30))
    for event in step_events(shown.step):
        if event.kind in {"line", "kernel"}:
            lines = [line.plain for line in detail_lines(shown, event)]
            assert max(map(len, lines)) <= 44
            assert "→" in "".join(lines)


def test_an_update_shows_its_arithmetic_with_numbers() -> None:
    shown = view()
    update = next(event for event in step_events(shown.step) if event.kind == "update")
    text = [line.plain for line in detail_lines(shown, update)]
    assert "w1 ← w1 - 0.01 * w1.grad" in text
    assert "w1 ← 1.541 - 0.01 * (-5.55848)" in text
    assert "   = 1.59658" in text


def test_the_current_line_has_an_arrow_and_its_expression_is_underlined() -> None:
    code = highlighted("a = 1\nb = f(a)  # note\n")
    lines, marked = source_lines(code, Source("x.py", 2, 2, 4, 8, "<module>"))
    assert marked == 1
    assert [line.plain for line in lines] == ["  1 a = 1", "▶ 2 b = f(a)  # note"]
    underlined = [span for span in lines[1].spans if "underline" in str(span.style)]
    assert [lines[1].plain[span.start : span.end] for span in underlined] == ["f(a)"]


def test_a_line_beyond_the_source_marks_nothing() -> None:
    lines, marked = source_lines(highlighted("a = 1"), Source("x.py", 9, 9, 0, 1, "f"))
    assert (len(lines), marked) == (1, None)


def test_the_timeline_shows_the_most_urgent_mark_of_a_column() -> None:
    marks = Marks(full=[0, 1, 2], matches=[500], breaks=[500, 999], bad=[999])
    assert timeline(1000, 250, 13, marks).plain == "·──●──◆─────!"


def test_a_timeline_of_one_step_and_of_none() -> None:
    assert timeline(1, 0, 5, Marks()).plain == "●────"
    assert timeline(0, 0, 5, Marks()).plain == "─────"


def test_a_sparkline_shows_what_is_no_number() -> None:
    assert sparkline(np.array([0.0, np.nan, 1.0]), 3).plain == "▁×█"
    assert sparkline(np.ones(5), 3).plain == "▅▅▅"


def rows(kind: str) -> list[str]:
    """The parameters at the last event of a kind."""
    step = linear_step()
    events = step_events(step)
    place = max(place for place, event in enumerate(events) if event.kind == kind)
    held = States(step, events).at(place)
    shown = parameter_lines(held, 90, lambda _: Course(np.arange(9.0)), 0.0)
    assert all(row.cell_len <= 90 for row in shown)
    return [" ".join(row.plain.split()) for row in shown[1:]]


def test_parameters_are_shown_as_they_are_at_the_event() -> None:
    assert rows("kernel")[0] == "w1 1.541 None ▁▂▃▄▅▆▇██"
    assert rows("grad") == [
        "w1 1.541 None → -5.5585 ▁▂▃▄▅▆▇██", "b1 -0.29343 -11.511 ▁▂▃▄▅▆▇██",
    ]  # fmt: skip
    assert rows("update")[0] == "w1 1.5966 -5.5585 +0.055585 ▁▂▃▄▅▆▇██"
    assert rows("update")[1].startswith("b1 -0.29343 → -0.17832 -11.511 +0.11511")
    assert rows("zero")[1].startswith("b1 -0.17832 -11.511 → 0 +0.11511")


def test_what_may_be_equal_is_not_marked_as_changed() -> None:
    step = linear_step()
    unknown = Value("float32", (1, 1), None, Summary("", 1.5))
    updates = tuple(
        replace(update, after=unknown) if update.parameter == "w1" else update
        for update in step.updates
    )
    dark = replace(step, updates=updates)
    events = step_events(dark)
    place = max(place for place, event in enumerate(events) if event.kind == "update")
    held = States(dark, events).at(place - 1)["w1"]
    assert not held.moved
    shown = parameter_lines({"w1": held}, 90, lambda _: None, 0.0)
    assert "not known" in shown[1].plain


def test_the_descent_is_drawn_in_the_room_there_is() -> None:
    steps = linear_steps(9)
    path = np.array([[0.5, -1.0 + step.index] for step in steps])
    losses = np.array([step.loss or 0.0 for step in steps])
    descent = Descent(losses, ("w1", "b1"), path, lambda at: np.square(at).sum(-1))
    for lines in (loss_lines(descent, 0.4, 30, 8), map_lines(descent, 0.4, 30, 8)):
        assert len(lines) == 8
        assert all(line.cell_len <= 30 for line in lines)
    assert "".join(line.plain for line in map_lines(descent, 0.4, 30, 12)[:-1]).count("●") == 1


def test_losses_that_are_no_numbers_are_said_so() -> None:
    descent = Descent(np.array([np.nan, np.inf]))
    assert "No step has a loss" in loss_lines(descent, 0, 60, 5)[0].plain
    assert "just one number" in map_lines(descent, 0, 60, 5)[0].plain


def test_names_make_room_for_the_numbers() -> None:
    held = [
        Held(f"encoder.layers.{n}.linear.weight", *[value(np.ones((4, 4), np.float32))] * 3, None,
             value(np.ones((4, 4), np.float32)))
        for n in range(3)
    ]  # fmt: skip
    lines = parameter_lines({each.parameter: each for each in held}, 44, lambda _: None, 0.0)
    assert max(line.cell_len for line in lines) <= 44
    assert "None → ‖ 4" in lines[1].plain
    assert lines[1].plain.startswith("…")
