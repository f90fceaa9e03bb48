"""A torch that lacks a private door is refused in one sentence, before anything is recorded."""

from __future__ import annotations

import pytest
import torch

from autograd_lens.errors import RecordingError
from autograd_lens.live import doors


def test_this_torch_has_all_that_is_needed() -> None:
    assert doors.missing() == {}


def test_every_call_of_a_module_asks_what_is_followed(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    monkeypatch.setattr(torch._C, doors.ASKED_BY_MODULES, lambda: asked.append(1))
    torch.nn.Identity()(1)
    assert asked == [1]


def test_a_missing_door_is_named_with_what_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(torch._C, "_current_autograd_node")
    monkeypatch.delattr(torch.autograd.graph, "log")
    with pytest.raises(RecordingError) as refused:
        doors.refuse("2.13.0+cpu", doors.missing())
    said = str(refused.value)
    assert "\n" not in said
    assert "see which node runs a kernel of the backward, when backward runs" in said
    assert "(torch._C._current_autograd_node, torch.autograd.graph.log)" in said


@pytest.mark.parametrize("version", ["2.6.0+cu124", "2.11.1", "1.13.0a0+git"])
def test_an_older_torch_is_refused_in_a_sentence(version: str) -> None:
    with pytest.raises(RecordingError, match=r"is older than 2\.12.*pip install") as refused:
        doors.refuse(version, {})
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("version", ["2.12.1", "2.13.0", "2.14.1+cu130", "3.0.0a0"])
def test_a_newer_torch_is_not_refused(version: str) -> None:
    doors.refuse(version, {})
