"""The events of a step, in the order in which they happened."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

from autograd_lens.analysis.events import StepEvent, step_events
from autograd_lens.trace.records import Event
from tests.support.linear_step import light, linear_step


def kinds(events: tuple[StepEvent, ...]) -> str:
    return " ".join(event.kind for event in events)


def test_a_full_step_goes_from_the_first_line_to_the_zeroing() -> None:
    assert kinds(step_events(linear_step())) == (
        "line kernel kernel line kernel kernel kernel kernel "
        "engine node node node node node node grad node node grad "
        "update update zero zero"
    )


def test_a_line_names_all_that_it_computed_and_each_operation_follows() -> None:
    line, first, second, *_ = step_events(linear_step())
    assert line.kernels == (first.item, second.item)
    assert (first.kernels, second.kernels) == ((first.item,), (second.item,))
    assert line.source is not None
    assert line.source.line == 14


def test_a_write_stands_behind_the_node_that_made_it() -> None:
    step = linear_step()
    events = step_events(step)
    backward = step.backwards[0]
    assert backward.graph is not None
    for node, grad in pairwise(events):
        if grad.kind == "grad":
            run = backward.node_runs[node.item]
            variable = backward.graph.nodes[run.node].variable
            assert variable == backward.grad_writes[grad.item].parameter


def test_a_node_points_at_the_line_of_the_forward_that_it_goes_back_through() -> None:
    events = [event for event in step_events(linear_step()) if event.kind == "node"]
    lines = [event.source.line if event.source else None for event in events]
    assert lines == [18, 18, 18, 18, 14, 47, 14, 47]  # 47 is loss.backward()


def test_a_light_step_has_its_writes_updates_and_clearings() -> None:
    assert kinds(step_events(light(linear_step()))) == ("engine grad grad update update zero zero")


def test_what_a_program_does_first_comes_first() -> None:
    step = linear_step()
    zeroing = [kernel for kernel in step.kernels if kernel.phase == "zero_grad"]
    early = [replace(kernel, index=place - 10) for place, kernel in enumerate(zeroing)]
    others = [kernel for kernel in step.kernels if kernel.phase != "zero_grad"]
    events = step_events(replace(step, kernels=(*early, *others)))
    assert kinds(events).startswith("zero zero line")


def test_a_second_backward_follows_the_first() -> None:
    step = light(linear_step())
    twice = replace(step, backwards=(*step.backwards, replace(step.backwards[0], index=1)))
    engines = [event.backward for event in step_events(twice) if event.kind == "engine"]
    assert engines == [0, 1]


def test_what_befell_the_run_ends_its_step() -> None:
    happenings = (Event("warning", 7, "elsewhere"), Event("exception", 0, "ValueError: no"))
    last = step_events(linear_step(), happenings)[-1]
    assert (last.kind, last.item) == ("run", 1)
    assert step_events(replace(linear_step(), index=3), happenings)[-1].kind == "zero"


def test_a_step_of_nothing_has_no_events() -> None:
    empty = replace(light(linear_step()), backwards=(), updates=(), zero_grads=())
    assert step_events(empty) == ()
