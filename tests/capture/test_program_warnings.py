"""What torch warns the program of stands in the recording, and reaches the program as ever."""

from __future__ import annotations

import inspect
import warnings
from pathlib import Path

import pytest
import torch
from torch.nn import functional

import autograd_lens as lens
from autograd_lens.trace.records import Event
from tests.support.twins import bare, recorded


def broadcasting(times: int) -> None:
    w = torch.ones(3, requires_grad=True)
    for _ in range(times):
        loss = functional.mse_loss(w, torch.zeros(2, 3))
        loss.backward()
        w.grad = None


def read_gradient_of_product(times: int) -> None:
    w = torch.ones(3, requires_grad=True)
    for _ in range(times):
        product = w * 2
        product.sum().backward()
        _ = product.grad


def events(path: Path) -> list[Event]:
    with lens.open(path) as trace:
        return [event for event in trace.events if event.kind == "warning"]


def test_a_warning_from_torchs_python_code_is_told_with_the_programs_line(tmp_path: Path) -> None:
    with lens.record(tmp_path / "run.lens"), warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        broadcasting(3)
    (event,) = events(tmp_path / "run.lens")
    place, text = event.detail.split("\n", 1)
    line = inspect.getsourcelines(broadcasting)[1] + 3
    assert place == f"{__file__}:{line}: UserWarning"
    assert event.message.startswith("Using a target size (torch.Size([2, 3])) that is different")
    assert [str(one.message) for one in caught] == [text] * 3


def test_one_from_torchs_c_code_too(tmp_path: Path) -> None:
    with lens.record(tmp_path / "run.lens"), warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        read_gradient_of_product(2)
    (event,) = events(tmp_path / "run.lens")
    assert event.step == 0
    assert event.message.startswith("The .grad attribute of a Tensor that is not a leaf")
    assert "Triggered internally" not in event.message
    assert caught


def test_warnings_of_others_are_the_programs_own_business(tmp_path: Path) -> None:
    with lens.record(tmp_path / "run.lens"), warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        warnings.warn("mine", stacklevel=1)
    assert events(tmp_path / "run.lens") == []
    assert [str(one.message) for one in caught] == ["mine"]


def test_a_warning_turned_into_an_error_is_one(tmp_path: Path) -> None:
    with lens.record(tmp_path / "run.lens"), warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(UserWarning, match="Using a target size"):
            broadcasting(1)


def test_the_program_sees_each_warning_as_often_as_unrecorded(tmp_path: Path) -> None:
    def program(see: object) -> None:  # noqa: ARG001  twins hand it over
        warnings.simplefilter("default")
        broadcasting(3)

    assert recorded(program, tmp_path / "run.lens") == bare(program)
