"""Places on the command line."""

from __future__ import annotations

import pytest

from autograd_lens.errors import SelectionError
from autograd_lens.trace.reader import Trace
from autograd_lens.trace.selection import Place
from autograd_lens.tui.session import Session


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("12", Place(12)),
        ("last", Place(19)),
        ("-1", Place(19)),
        ("3:backward", Place(3, phase="backward")),
        ("3:zero_grad", Place(3, phase="zero_grad")),
        ("3:k7", Place(3, kernel=7)),
    ],
)
def test_a_place_is_a_step_and_something_in_it(text: str, place: Place) -> None:
    assert Place.parse(text, 20) == place


def test_a_run_without_steps_has_its_beginning_alone() -> None:
    assert Place.parse("5", 0) == Place(0)


def test_what_is_no_place_is_refused_with_what_there_is() -> None:
    with pytest.raises(SelectionError, match=r"'sideways' is no place.*backward.*k7"):
        Place.parse("3:sideways", 20)


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
