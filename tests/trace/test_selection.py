"""Texts that name steps, places in a step, and single numbers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autograd_lens.errors import NoSuchStepError, SelectionError
from autograd_lens.trace.selection import Place, Scalar, parse_axes, select_step, select_steps


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
        ("-10", (0,)),
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
        ("25", 10, "Step 25 is not in the trace, which has steps 0 to 9."),
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


SHAPES = {
    "w1": (1, 1),
    "b1": (1,),
    "bias": (),
    "layer.weight": (2, 4),
    "layer.bias": (2,),
    "params[0]": (3,),
}


@pytest.mark.parametrize(
    ("text", "labels", "flat"),
    [
        ("w1,b1", ["w1", "b1"], [0, 0]),
        (" w1 , bias ", ["w1", "bias"], [0, 0]),
        ("layer.weight[0,3],layer.bias[0]", ["layer.weight[0,3]", "layer.bias[0]"], [3, 0]),
        ("layer.weight[-1, -1],layer.bias[-1]", ["layer.weight[1,3]", "layer.bias[1]"], [7, 1]),
        ("params[0][2],w1[0,0]", ["params[0][2]", "w1"], [2, 0]),
        ("layer.weight[-2,-4],layer.bias[-2]", ["layer.weight[0,0]", "layer.bias[0]"], [0, 0]),
    ],
)
def test_two_scalars_by_name(text: str, labels: list[str], flat: list[int]) -> None:
    scalars = parse_axes(text, SHAPES)
    assert [scalar.label for scalar in scalars] == labels
    assert [scalar.flat for scalar in scalars] == flat


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("w1", r"Two numbers span a plane; 'w1' names 1. Write two of them, for example \"w1,b1\""),
        ("w1,b1,bias", "'w1,b1,bias' names 3"),
        ("", "'' names 0"),
        ("w1,", "names 1"),
        ("w1,w1", "Both axes of 'w1,w1' are w1"),
        ("w1,layer.weigth[0,0]", "no parameter 'layer.weigth'. Did you mean layer.weight"),
        ("w1,c", r"There are w1 \[1, 1\], b1 \[1\], bias \[\], layer.weight \[2, 4\]"),
        ("w1,layer.weight", 'has 8 elements.*"layer.weight.1,3." is the last'),
        ("w1,layer.weight[0,4]", "'layer.weight.0,4.' is no element.*\"layer.weight.1,3.\""),
        ("w1,layer.weight[0]", r"which has shape \(2, 4\)"),
        ("w1,layer.weight[0,+]", "is no element"),
        ("w1,bias[0]", "is no element of bias"),
        ("w1,__import__('os')", "There is no parameter"),
    ],
)
def test_what_is_wrong_is_said(text: str, message: str) -> None:
    with pytest.raises(SelectionError, match=message):
        parse_axes(text, SHAPES)


def test_a_scalar_knows_its_place() -> None:
    assert Scalar("layer.weight", (1, 0), (2, 4)).flat == 4


def test_several_steps_and_steps_before_the_first_are_refused() -> None:
    with pytest.raises(SelectionError, match=r"One step is needed here; '0,1' names 2\."):
        select_step("0,1", 10)
    with pytest.raises(NoSuchStepError, match="Step -11 is not in the trace"):
        select_step("-11", 10)


@pytest.mark.parametrize(("count", "more"), [(8, ""), (9, ", and 1 more"), (12, ", and 4 more")])
def test_few_of_many_parameters_are_listed(count: int, more: str) -> None:
    shapes = {f"p{number}": (number,) for number in range(1, count + 1)}
    with pytest.raises(SelectionError) as caught:
        parse_axes("zzz,p1", shapes)
    listed = ", ".join(f"p{number} [{number}]" for number in range(1, 9))
    assert str(caught.value) == f"There is no parameter 'zzz'. There are {listed}{more}."
