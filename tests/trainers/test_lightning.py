"""Lightning's own Trainer, with and without the callback."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from tests.support.fits import check_fit, same, weights

lightning = pytest.importorskip("lightning")
pytestmark = pytest.mark.filterwarnings("default")  # the library's own


class Model(lightning.LightningModule):
    """An encoder and a head; batch 3 can be made to fail."""

    def __init__(self, *, fails: bool = False) -> None:
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Dropout(0.2))
        self.head = nn.Linear(8, 1)
        self.fails = fails

    def loss(self, batch: Any) -> torch.Tensor:
        x, y = batch
        return nn.functional.mse_loss(self.head(self.encoder(x)), y)

    def training_step(self, batch: Any, batch_idx: int) -> torch.Tensor:
        if self.fails and batch_idx == 3:
            msg = "no more"
            raise OSError(msg)
        return self.loss(batch)

    def validation_step(self, batch: Any, _: int) -> None:
        self.log("held_out", self.loss(batch))

    def configure_optimizers(self) -> Any:
        optimizer = torch.optim.Adam(self.parameters(), lr=0.01)
        return [optimizer], [torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.9)]


class Adversaries(lightning.LightningModule):
    """Two optimizers, stepped by hand in every batch."""

    def __init__(self) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.makes = nn.Linear(4, 4)
        self.judges = nn.Linear(4, 1)

    def training_step(self, batch: Any, _: int) -> None:
        x, _y = batch
        for optimizer, sign in zip(self.optimizers(), (1, -1), strict=True):
            loss = sign * self.judges(self.makes(x)).tanh().mean()
            optimizer.zero_grad()
            self.manual_backward(loss)
            optimizer.step()

    def configure_optimizers(self) -> Any:
        return [torch.optim.SGD(part.parameters(), lr=0.1) for part in (self.makes, self.judges)]


def fit(model: Any, *callbacks: Any, **options: Any) -> Any:
    torch.manual_seed(1)
    x = torch.randn(64, 4)
    data = TensorDataset(x, x.sum(1, keepdim=True))
    trainer = lightning.Trainer(
        max_epochs=2,
        accelerator="cpu",
        callbacks=[*callbacks],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        **options,
    )
    trainer.fit(model, DataLoader(data, batch_size=8, shuffle=True), DataLoader(data, 32))
    return trainer


def built(kind: type[Any], **options: Any) -> Any:
    torch.manual_seed(0)
    return kind(**options)


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
def test_a_fit_is_recorded_as_the_trainer_counts_it(tmp_path: Path, precision: str) -> None:
    from autograd_lens.trainers.lightning import LensCallback

    callback = LensCallback(tmp_path / "fit.lens", quiet=True)
    options = {
        "accumulate_grad_batches": 2,
        "gradient_clip_val": 0.5,
        "precision": precision,
    }
    model, bare = built(Model), built(Model)
    trainer = fit(model, callback, **options)
    fit(bare, **options)

    trace = callback.fit.trace
    check_fit(trace, model, steps=trainer.global_step)
    assert set(trace.parameters) == dict(model.named_parameters()).keys()
    assert [len(step.backwards) for step in trace.steps[:3]] == [2, 2, 2]
    assert trace.steps[0].grad_changes  # clipped
    assert same(weights(model), weights(bare))
    trace.close()


def test_chosen_steps_of_manual_optimization(tmp_path: Path) -> None:
    from autograd_lens.trainers.lightning import LensCallback

    callback = LensCallback(tmp_path / "fit.lens", first=1, count=4, full="all", quiet=True)
    model = built(Adversaries)
    fit(model, callback)
    check_fit(callback.fit.trace, model, steps=4)
    assert [len(step.backwards) for step in callback.fit.trace.steps] == [2] * 4
    callback.fit.trace.close()


def test_a_failure_is_kept_with_its_step(tmp_path: Path) -> None:
    from autograd_lens.trainers.lightning import LensCallback

    callback = LensCallback(tmp_path / "fit.lens", quiet=True)
    with pytest.raises(OSError, match="no more"):
        fit(built(Model, fails=True), callback)
    trace = callback.fit.trace
    assert trace.info.status == "exception"
    assert [(one.step, one.message) for one in trace.events if one.kind == "exception"] == [
        (3, "OSError: no more")
    ]
    trace.close()


def test_a_condition_ends_the_fit_with_its_step_whole(tmp_path: Path) -> None:
    from autograd_lens.trainers.lightning import LensCallback

    callback = LensCallback(tmp_path / "fit.lens", stop_on="step >= 3", last=2, quiet=True)
    with pytest.raises((SystemExit, KeyboardInterrupt)):  # the trainer makes one of the other
        fit(built(Model), callback)
    trace = callback.fit.trace
    assert [step.level for step in trace.steps[2:]] == ["full", "full"]
    assert "step >= 3" in trace.events[-1].message
    trace.close()
