"""What is kept of a tensor that is too large to be kept whole."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from autograd_lens.live import reading
from autograd_lens.live.reading import is_plain, read
from autograd_lens.trace.values import Summary


def summary_of(tensor: torch.Tensor, *, brief: bool) -> Summary:
    value = read(tensor, limit=16, brief=brief)
    assert isinstance(value, Summary)
    return value


def test_a_brief_summary_has_the_digest_and_the_norm_of_a_whole_one() -> None:
    tensor = torch.arange(4000.0)
    brief, whole = summary_of(tensor, brief=True), summary_of(tensor, brief=False)
    assert (brief.digest, brief.norm) == (whole.digest, whole.norm)
    assert (brief.nan_count, brief.inf_count) == (0, 0)
    assert brief.minimum is None
    assert whole.minimum == 0.0


def test_one_bit_changes_a_brief_summary() -> None:
    tensor = torch.zeros(4000)
    changed = tensor.clone()
    changed[1234] = -0.0
    assert summary_of(tensor, brief=True) != summary_of(changed, brief=True)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_where_an_element_is_not_finite_all_is_counted_even_in_brief(bad: float) -> None:
    tensor = torch.ones(4000)
    tensor[7] = bad
    summary = summary_of(tensor, brief=True)
    assert (summary.nan_count, summary.inf_count) == (int(math.isnan(bad)), int(math.isinf(bad)))


def test_a_norm_that_overflows_is_not_taken_for_an_infinite_element() -> None:
    tensor = torch.full((4000,), 1e30)
    summary = summary_of(tensor, brief=True)
    assert (summary.norm, summary.inf_count) == (math.inf, 0)
    assert summary.maximum == pytest.approx(1e30)


def test_short_floats_are_widened_before_they_are_squared() -> None:
    for dtype in (torch.float16, torch.bfloat16):
        summary = summary_of(torch.full((4000,), 256, dtype=dtype), brief=True)
        assert summary.norm == pytest.approx(256 * 4000**0.5)


def test_summing_up_what_nobody_initialised_warns_of_nothing() -> None:
    tensor = torch.tensor([math.inf, -math.inf, math.nan, 1e300] * 100, dtype=torch.float64)
    summary = summary_of(tensor, brief=False)
    assert (summary.nan_count, summary.inf_count) == (100, 200)


def test_nothing_is_copied_while_a_graph_is_captured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "_is_captured", lambda: True)
    # Whatever else this tensor of a device is asked fails the test.
    elsewhere: Any = SimpleNamespace(is_meta=False, is_quantized=False, is_cpu=False)
    assert reading._read_general(elsewhere, 100, False, None) is None
    assert read(torch.ones(4), 100) == torch.ones(4).numpy().tobytes()


@pytest.mark.parametrize("limit", [1, 1 << 20], ids=["summed up", "whole"])
def test_memory_that_was_given_back_is_not_read(limit: int) -> None:
    tensor = torch.ones(24, 6)
    tensor.untyped_storage().resize_(0)
    assert read(tensor, limit) is None
    assert not is_plain(tensor)
