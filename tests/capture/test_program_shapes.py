"""A recorded program notices nothing, and its trace says what a person would say.

Every program of ``programs/shapes.py`` runs bare, recorded light and recorded in full.
"""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

import autograd_lens as lens
from autograd_lens.trace.records import Event
from tests.capture.programs.shapes import SHAPES
from tests.support.twins import bare, recorded

# Of these the step that failed is kept at full level, up to the kernel that raised.
FAILED_IN_FORWARD = {"not_a_scalar", "error_in_forward"}
# Of these not everything is recorded, and the trace says so.
WARNED = {"another_thread_trains_beside"}


def is_torchs_warning(event: Event) -> bool:
    return event.kind == "warning" and event.detail != ""


@pytest.fixture(params=SHAPES)
def shape(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.mark.parametrize("full", ["none", "all"])
def test_recorded_program_experiences_what_the_bare_one_does(
    shape: str, full: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    program, steps = SHAPES[shape]
    steps += full == "all" and shape in FAILED_IN_FORWARD
    expected = bare(program)
    path = tmp_path / "run.lens"

    assert recorded(program, path, full) == expected

    assert capsys.readouterr().err == ""
    with lens.open(path) as trace:
        assert len(trace.steps) == steps
        kinds = ["exception"] * bool(expected.error) + ["warning"] * (shape in WARNED)
        told = [event.kind for event in trace.events if not is_torchs_warning(event)]
        assert told == kinds
        # Every step can be put together.
        assert [step.index for step in trace.steps] == list(range(steps))


def test_graph_of_20000_nodes(tmp_path: Path) -> None:
    with lens.record(tmp_path / "run.lens", full="none"):
        w = torch.ones(1, requires_grad=True)
        y = w
        for _ in range(20_000):
            y = y + 1
        y.backward()

    with lens.open(tmp_path / "run.lens") as trace:
        assert trace.losses.tolist() == [20_001]
        assert trace.parameter("w").grads.tolist() == [[1]]
