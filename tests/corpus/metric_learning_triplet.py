"""pytorch-metric-learning: triplets mined in each batch, and a loss with its own parameters."""

import torch
from pytorch_metric_learning import distances, losses, miners
from torch import nn

torch.manual_seed(34)
labels = torch.arange(80) % 5
x = torch.randn(5, 10)[labels] + 0.8 * torch.randn(80, 10)
net = nn.Sequential(nn.Linear(10, 32), nn.ReLU(), nn.Linear(32, 4))
miner = miners.TripletMarginMiner(margin=0.3, distance=distances.CosineSimilarity())
triplets = losses.TripletMarginLoss(margin=0.3, distance=distances.CosineSimilarity())
proxies = losses.ProxyAnchorLoss(num_classes=5, embedding_size=4)
optimizer = torch.optim.Adam(net.parameters(), lr=1e-2)
of_proxies = torch.optim.SGD(proxies.parameters(), lr=0.1)
print("begin")
for epoch in range(5):
    for at in torch.randperm(80).split(20):
        code = net(x[at])
        loss = triplets(code, labels[at], miner(code, labels[at]))
        loss = loss + 0.1 * proxies(code, labels[at])
        optimizer.zero_grad()
        of_proxies.zero_grad()
        loss.backward()
        optimizer.step()
        of_proxies.step()
    print(epoch, loss.item(), miner.num_triplets)
print("end", [p.sum().item() for p in net.parameters()], torch.rand(1).item())
