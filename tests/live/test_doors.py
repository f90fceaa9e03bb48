"""A torch that lacks a private door is refused in one sentence, before anything is recorded."""

from __future__ import annotations

import pytest
import torch

from autograd_lens.errors import RecordingError
from autograd_lens.live import doors


def test_this_torch_has_all_that_is_needed() -> None:
    assert doors.missing() == {}


def test_a_missing_door_is_named_with_what_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(torch._C, "_current_autograd_node")
    monkeypatch.delattr(torch.autograd.graph, "log")
    with pytest.raises(RecordingError) as refused:
        doors.refuse_without(doors.missing())
    said = str(refused.value)
    assert "\n" not in said
    assert "see which node runs a kernel of the backward, when backward runs" in said
    assert "(torch._C._current_autograd_node, torch.autograd.graph.log)" in said
    assert f"Install torch {doors.OLDEST} or newer" in said


def test_what_was_saved_is_not_read_where_that_would_run_hooks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    x = torch.ones(2, requires_grad=True)
    saved = (x * x).grad_fn._raw_saved_self  # type: ignore[union-attr]
    assert doors.saved_data(saved) is not None
    monkeypatch.setattr(doors, "_sees_saved", False)
    assert doors.saved_data(saved) is None
