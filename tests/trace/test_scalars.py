"""Names of single numbers among the parameters."""

from __future__ import annotations

import pytest

from autograd_lens.errors import SelectionError
from autograd_lens.trace.selection import Scalar, parse_axes

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
