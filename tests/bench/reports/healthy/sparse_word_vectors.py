# Healthy: skip-gram with sparse embedding gradients and SparseAdam; most rows get no gradient in a step
import torch
from torch import nn
from torch.nn import functional as F

torch.manual_seed(6)
VOCAB, TOPICS, DIM = 600, 6, 12


class SkipGram(nn.Module):
    def __init__(self):
        super().__init__()
        self.inp = nn.Embedding(VOCAB, DIM, sparse=True)
        self.out = nn.Embedding(VOCAB, DIM, sparse=True)
        nn.init.uniform_(self.inp.weight, -0.1, 0.1)
        nn.init.zeros_(self.out.weight)

    def forward(self, center, context, negative):
        v = self.inp(center)
        pos = (v * self.out(context)).sum(-1)
        neg = torch.einsum("bd,bkd->bk", v, self.out(negative))
        return -(F.logsigmoid(pos) + F.logsigmoid(-neg).sum(1)).mean()


def pairs(n):
    topic = torch.randint(0, TOPICS, (n,))
    size = VOCAB // TOPICS
    center = topic * size + (torch.rand(n) ** 3 * size).long()
    context = topic * size + (torch.rand(n) ** 3 * size).long()
    return center, context, torch.randint(0, VOCAB, (n, 4))


model = SkipGram()
optimizer = torch.optim.SparseAdam(list(model.parameters()), lr=0.02)
for step in range(400):
    loss = model(*pairs(64))
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if step % 80 == 79:
        print(
            f"step {step + 1} loss {loss.item():.4f} rows touched {model.inp.weight.grad.coalesce().indices().numel()} of {VOCAB}"
        )
