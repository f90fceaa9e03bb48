"""torchmetrics: a multi-label loop whose metrics run on every training batch and at evaluation."""

import torch
from torch import nn
from torchmetrics import MeanMetric, MetricCollection
from torchmetrics.classification import MultilabelAccuracy, MultilabelAUROC, MultilabelF1Score

torch.manual_seed(35)
x = torch.randn(120, 10)
y = ((x @ torch.randn(10, 4)) > 0).long()
net = nn.Sequential(nn.Linear(10, 24), nn.Tanh(), nn.Linear(24, 4))
both = MetricCollection([MultilabelAccuracy(4), MultilabelF1Score(4)])
auroc, mean = MultilabelAUROC(4), MeanMetric()
optimizer = torch.optim.NAdam(net.parameters(), lr=2e-2)
print("begin")
for epoch in range(6):
    for at in torch.randperm(96).split(16):
        scores = net(x[at])
        loss = nn.functional.binary_cross_entropy_with_logits(scores, y[at].float())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        mean.update(loss)
        both.update(scores.sigmoid(), y[at])
    with torch.no_grad():
        area = auroc(net(x[96:]).sigmoid(), y[96:])
    print(
        epoch, mean.compute().item(), {k: v.item() for k, v in both.compute().items()}, area.item()
    )
    mean.reset()
    both.reset()
print("end", [p.sum().item() for p in net.parameters()], torch.rand(1).item())
