"""Steps whose batch was kept, and steps for which the budget did not reach."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import autograd_lens as lens
from autograd_lens.capture.recorder import Limits
from autograd_lens.errors import ReplayError
from autograd_lens.replay.replayer import Replayer
from autograd_lens.trace.reader import Trace

BATCH_BYTES = 8 * 3 * 4 + 8 * 4


def train(path: Path, budget: int) -> None:
    torch.manual_seed(0)
    x = torch.randn(64, 3)
    loader = DataLoader(TensorDataset(x, x.sum(1, keepdim=True)), batch_size=8, shuffle=True)
    model = nn.Linear(3, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
    loss_fn = nn.MSELoss()
    with lens.record(path, limits=Limits(inputs=budget)):
        for _ in range(2):
            for batch, target in loader:
                loss = loss_fn(model(batch), target)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()


def light_alone(trace: Trace) -> Trace:
    """The trace as it is where no step was recorded lean."""
    encoded, lean = trace.encoded, frozenset(trace.lean_steps)
    trace.lean_steps = ()
    trace.encoded = lambda step: None if step in lean else encoded(step)  # type: ignore[method-assign]
    return trace


@pytest.fixture
def trace(tmp_path: Path, request: pytest.FixtureRequest) -> Trace:
    train(tmp_path / "run.lens", request.param)
    return Trace(tmp_path / "run.lens")


@pytest.mark.parametrize("trace", [1 << 20], indirect=True)
def test_batches_within_the_budget_are_replayed(trace: Trace) -> None:
    replayer = Replayer(trace)
    assert {replayer.step(step).step.provenance for step in (3, 7, 12)} == {"proved"}


@pytest.mark.parametrize("trace", [6 * BATCH_BYTES + BATCH_BYTES // 2], indirect=True)
def test_a_batch_beyond_the_budget_is_named_with_the_ways_out(trace: Trace) -> None:
    with pytest.raises(ReplayError) as caught:
        Replayer(light_alone(trace)).step(12)
    message = str(caught.value)
    assert "The inputs of step 12 were not kept" in message
    assert "(float32, shape (8, 3))" in message
    assert "(float32, shape (8, 1))" in message
    for way in ("rerun FILE --full 12", "--full 12", "--keep-inputs"):
        assert way in message


@pytest.mark.parametrize("trace", [4 * BATCH_BYTES + BATCH_BYTES // 2], indirect=True)
def test_what_the_budget_does_not_reach_leaves_its_place(trace: Trace) -> None:
    kept = [
        item
        for row in range(len(trace.rows))
        for item in trace.rows.extras(row).get("inputs") or ()
    ]
    sizes = [len(item) for item in kept if item is not None]
    assert None in kept
    assert 4 * BATCH_BYTES <= sum(sizes) <= 4 * BATCH_BYTES + BATCH_BYTES // 2
    assert set(sizes) <= {8 * 3 * 4, 8 * 4}


@pytest.mark.parametrize("trace", [0], indirect=True)
def test_without_a_budget_nothing_is_shown_as_fact(trace: Trace) -> None:
    with pytest.raises(ReplayError, match="The inputs of step 7 were not kept"):
        Replayer(light_alone(trace)).step(7)
