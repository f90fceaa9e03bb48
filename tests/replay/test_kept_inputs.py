"""Steps whose batch was kept, and steps for which the budget did not reach."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, IterableDataset, TensorDataset

import autograd_lens as lens
from autograd_lens.capture.recorder import Limits
from autograd_lens.errors import ReplayError
from autograd_lens.replay.replayer import Replayer
from autograd_lens.replay.verify import verify
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


class Drawn(IterableDataset[torch.Tensor]):
    """Batches that are drawn where they are fetched."""

    def __iter__(self) -> Iterator[torch.Tensor]:
        while True:
            yield torch.randn(8, 3).abs() + torch.rand(1)


@pytest.mark.parametrize("kind", ["shuffled", "drawn", "nested"])
def test_what_a_loader_does_is_none_of_a_steps_kernels(tmp_path: Path, kind: str) -> None:
    torch.manual_seed(0)
    stored = DataLoader(TensorDataset(torch.randn(64, 3)), batch_size=8, shuffle=True)
    loaders: dict[str, Iterable[Any]] = {
        "shuffled": (batch for _ in range(5) for (batch,) in stored),
        "drawn": DataLoader(Drawn(), batch_size=None),
        "nested": DataLoader(Fetching(stored), batch_size=None),
    }
    model = nn.Sequential(nn.Linear(3, 4), nn.Dropout(0.3), nn.Linear(4, 1))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.05)
    with lens.record(tmp_path / "run.lens"):
        for batch in islice(loaders[kind], 40):
            optimizer.zero_grad()
            model(batch).square().mean().backward()
            optimizer.step()
    with Trace(tmp_path / "run.lens") as trace:
        if kind != "drawn":  # its random numbers are mixed with those of the step
            assert not any(step > 5 for step in trace.lean_steps)
        ops = {kernel.op for step in (1, 2) for kernel in trace.steps[step].kernels}
        assert ops.isdisjoint({"aten.select.int", "aten.stack.default", "aten.randn.default"})
        for check in verify(trace, range(40)).checks:
            assert not check.skipped
            assert not check.mismatches


class Fetching(IterableDataset[torch.Tensor]):
    """A loader that is fed by another one."""

    def __init__(self, loader: DataLoader[Any]) -> None:
        self._loader = loader

    def __iter__(self) -> Iterator[torch.Tensor]:
        while True:
            for (batch,) in self._loader:
                yield batch * 2


def test_the_first_batch_of_a_second_model_is_told_from_its_labels(tmp_path: Path) -> None:
    """Its module is not known yet, so that nothing tells that it was given the batch."""
    torch.manual_seed(0)
    data = TensorDataset(torch.randn(48, 8), torch.randn(48))
    loader = DataLoader(data, batch_size=16, shuffle=True)
    with lens.record(tmp_path / "run.lens"):
        for _ in range(3):
            model = nn.Linear(8, 1)
            optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
            for _ in range(4):
                for x, y in loader:
                    optimizer.zero_grad()
                    nn.functional.mse_loss(model(x).squeeze(1), y).backward()
                    optimizer.step()
    with lens.open(tmp_path / "run.lens") as trace:
        assert verify(trace, range(36)).complete
