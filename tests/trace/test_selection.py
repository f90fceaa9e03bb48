"""Texts that name steps."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autograd_lens.errors import NoSuchStepError, SelectionError
from autograd_lens.trace.selection import select_step, select_steps


@pytest.mark.parametrize(
    ("text", "steps"),
    [
        ("0", (0,)),
        ("0:3", (0, 1, 2)),
        ("8:", (8, 9)),
        (":2", (0, 1)),
        ("-2:", (8, 9)),
        (":", tuple(range(10))),
        ("5:100", (5, 6, 7, 8, 9)),
        ("0,5,-1", (0, 5, 9)),
        ("every:4", (0, 4, 8)),
        ("all", tuple(range(10))),
        ("last", (9,)),
        ("last, 0 ,0:2", (9, 0, 1)),
        ("3,3", (3,)),
    ],
)
def test_a_text_names_steps_in_its_own_order_and_each_once(
    text: str, steps: tuple[int, ...]
) -> None:
    assert select_steps(text, 10) == steps


@pytest.mark.parametrize(
    ("text", "quoted"),
    [
        ("x5", "'x5' is not a choice"),
        ("0:3,x5", "'x5' in '0:3,x5'"),
        ("", "''"),
        ("1,,2", "'' in '1,,2'"),
        ("every:0", "'every:0'"),
        ("every:-5", "'every:-5'"),
        ("0:10:2", "'0:10:2'"),
        ("1.5", "'1.5'"),
        ("²", "'²'"),
        ("9" * 5000, "is not a choice"),
    ],
)
def test_what_was_not_understood_is_quoted_with_a_hint(text: str, quoted: str) -> None:
    with pytest.raises(SelectionError) as caught:
        select_steps(text, 10)
    assert quoted in str(caught.value)
    assert '"every:100"' in caught.value.hint


@pytest.mark.parametrize(
    ("text", "count", "message"),
    [
        ("10", 10, "Step 10 is not in the trace, which has steps 0 to 9."),
        ("-11", 10, "Step -11 is not in the trace, which has steps 0 to 9."),
        ("1", 1, "Step 1 is not in the trace, which has only step 0."),
        ("12:20", 10, "No step lies in '12:20': the trace has steps 0 to 9."),
        ("5:2", 10, "No step lies in '5:2': the trace has steps 0 to 9."),
    ],
)
def test_steps_the_trace_does_not_have_are_refused_with_its_extent(
    text: str, count: int, message: str
) -> None:
    with pytest.raises(NoSuchStepError) as caught:
        select_steps(text, count)
    assert str(caught.value) == message


def test_a_trace_without_steps_has_nothing_to_select() -> None:
    with pytest.raises(NoSuchStepError, match="no steps yet"):
        select_steps("all", 0)


def test_one_step_is_one_step() -> None:
    assert select_step("-1", 10) == 9
    assert select_step("last", 10) == 9
    with pytest.raises(SelectionError, match="'0:3' names 3"):
        select_step("0:3", 10)


@given(st.integers(1, 50), st.integers(-60, 60), st.integers(-60, 60))
def test_ranges_are_pythons_ranges(count: int, first: int, last: int) -> None:
    expected = tuple(range(count))[first:last]
    if expected:
        assert select_steps(f"{first}:{last}", count) == expected
    else:
        with pytest.raises(NoSuchStepError):
            select_steps(f"{first}:{last}", count)


@given(st.text(max_size=12))
def test_any_text_gives_steps_or_one_of_our_errors(text: str) -> None:
    try:
        steps = select_steps(text, 10)
    except (SelectionError, NoSuchStepError):
        return
    assert steps
    assert all(0 <= step < 10 for step in steps)
