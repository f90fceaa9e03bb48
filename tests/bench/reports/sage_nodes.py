import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(21)

N, FEAT, CLASSES = 80, 10, 3

labels = torch.randint(0, CLASSES, (N,))
features = torch.randn(N, FEAT) + 1.2 * F.one_hot(labels, FEAT).float()
same = (labels[:, None] == labels[None, :]).float()
prob = 0.06 * same + 0.01 * (1 - same)
upper = torch.triu((torch.rand(N, N) < prob).float(), diagonal=1)
adj = upper + upper.t()


class MeanSage(nn.Module):
    def __init__(self, n_in, n_out):
        super().__init__()
        self.own = nn.Linear(n_in, n_out)
        self.neigh = nn.Linear(n_in, n_out, bias=False)

    def forward(self, h, adj):
        degree = adj.sum(dim=1, keepdim=True)
        pooled = adj @ h
        pooled = pooled / degree  # bug
        # fix: pooled = pooled / degree.clamp(min=1.0)
        return self.own(h) + self.neigh(pooled)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = MeanSage(FEAT, 16)
        self.conv2 = MeanSage(16, CLASSES)

    def forward(self, x, adj):
        return self.conv2(F.relu(self.conv1(x, adj)), adj)


train_mask = torch.rand(N) < 0.6
net = Net()
optimizer = torch.optim.Adam(net.parameters(), lr=0.02)
for epoch in range(40):
    logits = net(features, adj)
    loss = F.cross_entropy(logits[train_mask], labels[train_mask])
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if epoch % 10 == 0 or epoch == 39:
        acc = (logits.argmax(1) == labels)[~train_mask].float().mean().item()
        print(f"epoch {epoch:2d}  loss {loss.item():.4f}  held-out acc {acc:.3f}")
