"""Looking at the whole run: the doctor's findings, large parameters, the map of the descent."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from textual.widgets import Static

from autograd_lens.doctor.finding import Finding
from autograd_lens.render.stepper.detail import finding_lines
from autograd_lens.trace.kept import SURFACE, Surface
from autograd_lens.trace.reader import Trace
from autograd_lens.trace.records import Parameter
from autograd_lens.tui import background, overview
from autograd_lens.tui.app import StepperApp
from autograd_lens.tui.overview import courses, examined, find_descent, surveyed
from autograd_lens.tui.widgets import Pane, TimelineBar
from tests.support.linear_step import linear_steps
from tests.tui.conftest import Recorder, Walked

STALE = Finding(
    code="AL101",
    name="stale-gradient",
    severity="error",
    title="w1.grad was never cleared.",
    message="Each backward added to what the step before had left. " * 3,
    fix="optimizer.zero_grad()",
    step=7,
    events=("kernel 12",),
)
LATE = Finding("AL401", "late", "warning", "The loss rose.", "It rose twice.", "lr = 0.1", step=9)


def test_w_walks_the_findings_and_shows_their_words(
    run: Walked, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(background, "examined", lambda _: (STALE, LATE))

    async def story() -> None:
        app = StepperApp(run)
        async with app.run_test(size=(120, 40)) as pilot:
            while not app.screen.settled:  # type: ignore[attr-defined]
                await pilot.pause(0.01)
            detail = app.screen.query_one("#detail", Pane)
            assert "▼ 2 findings" in str(app.screen.query_one("#status", Static).render())
            assert str(app.screen.query_one(TimelineBar).render()).count("▼") == 2
            await pilot.press("w")
            assert app.session.step == 7
            kernels = app.session.current.kernels if app.session.current else ()
            assert 12 in kernels or app.session.current.item == 12  # type: ignore[union-attr]
            assert "▼ AL101 stale-gradient  error" in detail.plain
            assert "optimizer.zero_grad()" in detail.plain
            await pilot.press("right")
            assert "AL101" not in detail.plain
            await pilot.press("w")
            assert (app.session.step, app.session.finding) == (9, LATE)
            await pilot.press("w")
            assert (app.session.step, app.session.finding) == (7, STALE)

    asyncio.run(story())


def test_a_finding_is_folded_to_its_pane() -> None:
    lines = [line.plain for line in finding_lines(STALE, 36)]
    assert all(len(line) <= 36 for line in lines)
    assert "Each backward added to what the step" in lines
    assert lines[-2:] == ["fix", "    optimizer.zero_grad()"]


def test_a_run_in_memory_has_no_findings(run: Walked, interrupted: Trace) -> None:
    assert examined(run) == ()
    assert isinstance(examined(interrupted), tuple)


@dataclass
class Large(Walked):
    """As if its parameters had too many elements to read their histories."""

    @property
    def losses(self) -> Any:
        return np.array([step.loss for step in self.steps])

    def parameter(self, name: str) -> SimpleNamespace:
        pytest.fail(f"the history of {name} was read whole")


def test_large_parameters_are_drawn_from_some_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(overview, "_MOST", 0)
    monkeypatch.setattr(overview, "_SAMPLED", 5)
    run = Large(steps=linear_steps(13, full=()))
    found, broken = courses(run)
    first = [run.steps[at].parameters["w1"].before for at in (0, 3, 6, 9, 12)]
    assert found["w1"].values.tolist() == [abs(each.item()) for each in first if each]
    assert not broken.any()


def test_the_first_broken_step_between_two_samples_is_found() -> None:
    asked: list[int] = []

    def holds(step: int) -> bool:
        asked.append(step)
        return step >= 613

    assert overview._first(holds, -1, 1000) == 613
    assert len(asked) <= 10


def plane_surface() -> Surface:
    grid = np.linspace(-20.0, 20.0, 81)
    u, v = np.meshgrid(grid, grid)
    unit = np.eye(2)
    return Surface(grid, grid, np.abs(u) + 3 * v, np.zeros(2), unit[0], unit[1],
                   ("w1", "b1"), ((1, 1), (1,)), 0)  # fmt: skip


def test_the_map_is_drawn_over_the_recorded_surface(recorder: Recorder) -> None:
    recorder.steps([5.0, 4.0, 3.0])
    recorder.writer.extra(SURFACE, plane_surface().to_bytes())
    recorder.close()
    descent = find_descent(Trace(recorder.writer.path))
    assert descent.names == ("w1", "b1")
    assert descent.height is not None
    points = np.array([[[2.25, 1.1], [-3.0, 0.5]], [[0.0, 0.0], [99.0, 0.0]]])
    assert descent.height(points)[0] == pytest.approx([5.55, 4.5])
    assert np.isnan(descent.height(points)[1, 1])


def test_more_than_two_numbers_go_along_their_main_directions(run: Walked) -> None:
    class Three(Walked):
        @property
        def parameters(self) -> Any:
            return {"w": Parameter("w", (3,), "float32", "cpu")}

        def parameter(self, name: str) -> SimpleNamespace:  # noqa: ARG002
            turns = np.linspace(0, 3, len(self.steps) + 1)
            values = np.stack([turns, np.sin(turns), 0 * turns], 1)
            return SimpleNamespace(values=values, grads=values[:-1], held={}, modes=np.array([]))

    descent = find_descent(Three(steps=run.steps))
    assert descent.path is not None
    assert descent.path.shape == (14, 2)
    assert descent.height is None


def test_a_survey_sees_the_interrupt_and_the_nan(interrupted: Trace) -> None:
    assert surveyed(interrupted).bad.tolist() == [3, 5]
