"""pytorch-ignite: a supervised trainer and evaluator, handlers, a metric, checkpoints."""

import torch
from ignite.engine import Events, create_supervised_evaluator, create_supervised_trainer
from ignite.handlers import ModelCheckpoint, create_lr_scheduler_with_warmup
from ignite.metrics import Accuracy, Loss
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(29)
x = torch.randn(120, 8)
y = (x.norm(dim=1) > 2.7).long()
train = DataLoader(TensorDataset(x[:96], y[:96]), batch_size=12, shuffle=True)
held_out = DataLoader(TensorDataset(x[96:], y[96:]), batch_size=24)
model = nn.Sequential(nn.Linear(8, 32), nn.BatchNorm1d(32), nn.ReLU(), nn.Linear(32, 2))
optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
loss_fn = nn.CrossEntropyLoss()
trainer = create_supervised_trainer(model, optimizer, loss_fn, device="cpu")
evaluator = create_supervised_evaluator(
    model, {"accuracy": Accuracy(), "loss": Loss(loss_fn)}, device="cpu"
)
decay = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.95)
rates = create_lr_scheduler_with_warmup(decay, warmup_start_value=1e-4, warmup_duration=5)
trainer.add_event_handler(Events.ITERATION_STARTED, rates)


@trainer.on(Events.EPOCH_COMPLETED)
def tell(engine):
    evaluator.run(held_out)
    print(engine.state.epoch, engine.state.output, evaluator.state.metrics)


keep = ModelCheckpoint("kept", "last", n_saved=1, require_empty=False)
trainer.add_event_handler(Events.EPOCH_COMPLETED, keep, {"model": model, "optimizer": optimizer})
print("begin")
trainer.run(train, max_epochs=5)
print("end", [p.sum().item() for p in model.parameters()], torch.rand(1).item())
