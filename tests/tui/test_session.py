"""Walking through a run, without a screen."""

from __future__ import annotations

from autograd_lens.trace.reader import Trace
from autograd_lens.trace.selection import Place
from autograd_lens.tui.session import Session


def test_going_there_finds_the_event(run: Trace) -> None:
    session = Session(run)
    session.go(Place(3, kernel=2))
    assert session.step == 3
    assert session.current is not None
    assert 2 in (*session.current.kernels, session.current.item)
    session.go(Place(5, phase="update"))
    assert session.step == 5
    assert session.current is not None
    assert session.current.phase == "update"


def test_a_light_step_has_no_kernels_to_go_to(light_run: Trace) -> None:
    session = Session(light_run)
    session.go(Place(2, kernel=9))
    assert (session.step, session.event) == (2, 0)
