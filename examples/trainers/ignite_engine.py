"""An engine of pytorch-ignite, recorded by a handler; its evaluator is left alone.

pip install pytorch-ignite
python examples/trainers/ignite_engine.py
"""

import torch
from ignite.engine import Events, create_supervised_evaluator, create_supervised_trainer
from ignite.metrics import Accuracy
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from autograd_lens.trainers.ignite import LensHandler

torch.manual_seed(0)
x = torch.randn(120, 8)
kinds = (x.norm(dim=1) > 2.7).long()
train = DataLoader(TensorDataset(x[:96], kinds[:96]), batch_size=12, shuffle=True)
held_out = DataLoader(TensorDataset(x[96:], kinds[96:]), batch_size=24)
model = nn.Sequential(nn.Linear(8, 32), nn.BatchNorm1d(32), nn.ReLU(), nn.Linear(32, 2))
optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
loss_fn = nn.CrossEntropyLoss()
trainer = create_supervised_trainer(model, optimizer, loss_fn, gradient_accumulation_steps=2)
evaluator = create_supervised_evaluator(model, {"accuracy": Accuracy()})


@trainer.on(Events.EPOCH_COMPLETED)
def evaluate(engine):
    evaluator.run(held_out)
    print(f"epoch {engine.state.epoch}: {evaluator.state.metrics['accuracy']:.0%} right")


with LensHandler("ignite_engine.lens", model=model, accumulated=2, force=True) as recorded:
    recorded.attach(trainer)
    trainer.run(train, max_epochs=4)
losses = recorded.fit.trace.losses
print(f"{len(losses)} steps, loss {losses[0]:.3f} to {losses[-1]:.3f}")
