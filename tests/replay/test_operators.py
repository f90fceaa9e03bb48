"""Names on a tape reach PyTorch's operators, and nothing else."""

from __future__ import annotations

import pytest
import torch

from autograd_lens.errors import ReplayError
from autograd_lens.replay.operators import check_names, find_operator, to_constant, writes_to
from autograd_lens.trace.records import Constant


@pytest.mark.parametrize(
    "name",
    ["aten.mm.default", "aten.pow.Tensor_Scalar", "aten.__and__.Scalar", "prims.sin.default"],
)
def test_operators_are_found_by_name(name: str) -> None:
    assert str(find_operator(name)) == name


@pytest.mark.parametrize(
    "name",
    [
        "",
        "aten",
        "aten.mm",
        "aten.mm.no_such_overload",
        "aten.no_such_operator.default",
        "aten.__class__.default",
        "aten.mm.__class__",
        "aten.mm.__init__",
        "aten.from_file.default",
        "aten.save.default",
        "os.system.default",
        "load_library.x.default",
        "c10d.send.default",
        "my_library.my_op.default",
    ],
)
def test_nothing_else_can_be_reached(name: str) -> None:
    with pytest.raises(ReplayError) as caught:
        find_operator(name)
    assert repr(name) in str(caught.value)


def test_writes_are_known_even_where_the_schema_is_silent() -> None:
    assert writes_to(torch.ops.aten.add_.Tensor) == {"self"}
    assert writes_to(torch.ops.aten.add.Tensor) == set()
    assert writes_to(torch.ops.aten.native_batch_norm.default) == {"running_mean", "running_var"}


@pytest.mark.parametrize(
    ("constant", "expected"),
    [
        (Constant("scalar", 0.5), 0.5),
        (Constant("scalar", None), None),
        (Constant("dtype", "bfloat16"), torch.bfloat16),
        (Constant("device", "cpu"), torch.device("cpu")),
        (Constant("layout", "strided"), torch.strided),
        (Constant("memory_format", "channels_last"), torch.channels_last),
        (Constant("generator", "cpu"), None),
    ],
)
def test_constants_become_what_they_name(constant: Constant, expected: object) -> None:
    assert to_constant(constant, operator="aten.x.default") == expected


@pytest.mark.parametrize(
    "constant",
    [
        Constant("opaque", "my.Thing"),
        Constant("layout", "nn"),
        Constant("memory_format", "save"),
        Constant("dtype", "load"),
        Constant("surprise", 1),
    ],
)
def test_other_constants_are_refused(constant: Constant) -> None:
    with pytest.raises(ReplayError):
        to_constant(constant, operator="aten.x.default")


@pytest.mark.parametrize("given", [[], ["input"], ["self", "other"], ["self", "p", "extra"]])
def test_a_call_that_an_operator_cannot_have_had_is_refused(given: list[str]) -> None:
    operator = find_operator("aten.bernoulli_.float")
    check_names(operator, ["self"])
    check_names(operator, ["self", "p"])
    with pytest.raises(ReplayError, match="cannot have been called so"):
        check_names(operator, given)
