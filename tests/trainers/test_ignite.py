"""An engine of pytorch-ignite, with and without the handler."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import autograd_lens as lens
from tests.support.fits import check_fit, same, weights

pytest.importorskip("ignite")
pytestmark = pytest.mark.filterwarnings("default")  # the library's own


def train(attach: Callable[[Any, nn.Module], None], *, fails: bool = False) -> nn.Module:
    from ignite.engine import Events, create_supervised_evaluator, create_supervised_trainer
    from ignite.metrics import Accuracy

    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 2))
    x = torch.randn(48, 4)
    data = TensorDataset(x, (x[:, 0] > 0).long())
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    loss_fn = nn.CrossEntropyLoss()
    trainer = create_supervised_trainer(model, optimizer, loss_fn, gradient_accumulation_steps=2)
    evaluator = create_supervised_evaluator(model, {"accuracy": Accuracy()})
    attach(trainer, model)

    @trainer.on(Events.EPOCH_COMPLETED)
    def evaluate() -> None:
        evaluator.run(DataLoader(data, batch_size=24))

    @trainer.on(Events.ITERATION_STARTED)
    def fail(engine: Any) -> None:
        if fails and engine.state.iteration == 4:
            msg = "no more"
            raise OSError(msg)

    trainer.run(DataLoader(data, batch_size=8, shuffle=True), max_epochs=3)
    return model


def test_a_training_is_recorded_update_by_update(tmp_path: Path) -> None:
    from autograd_lens.trainers.ignite import LensHandler

    made: list[Any] = []

    def attach(trainer: Any, model: nn.Module) -> None:
        options = {"model": model, "accumulated": 2, "quiet": True}
        made.append(LensHandler(tmp_path / "fit.lens", **options))
        made[0].attach(trainer)

    model = train(attach)
    bare = train(lambda _trainer, _model: None)

    trace = made[0].fit.trace
    assert set(trace.parameters) == {f"model.{name}" for name, _ in model.named_parameters()}
    check_fit(trace, nn.ModuleDict({"model": model}), steps=9)
    assert [len(step.backwards) for step in trace.steps] == [2] * 9
    assert same(weights(model), weights(bare))
    trace.close()


def test_a_failure_is_raised_as_before_and_known_where_the_block_ends(tmp_path: Path) -> None:
    from autograd_lens.trainers.ignite import LensHandler

    recorded = LensHandler(tmp_path / "fit.lens", quiet=True)
    with pytest.raises(OSError, match="no more"), recorded:
        train(lambda trainer, _model: recorded.attach(trainer), fails=True)
    assert recorded.fit.trace.info.status == "exception"
    assert len(recorded.fit.trace.steps) == 4
    recorded.fit.trace.close()


def test_a_condition_ends_the_training_with_its_step_whole(tmp_path: Path) -> None:
    from autograd_lens.trainers.ignite import LensHandler

    recorded = LensHandler(tmp_path / "fit.lens", stop_on="step >= 3", last=2, quiet=True)
    with pytest.raises(lens.StopConditionMet), recorded:
        train(lambda trainer, _model: recorded.attach(trainer))
    assert [step.level for step in recorded.fit.trace.steps[2:]] == ["full", "full"]
    recorded.fit.trace.close()
