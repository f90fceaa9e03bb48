import torch
import torch.nn as nn


class Worker:
    def __init__(self, rank, seed=5):
        torch.manual_seed(seed + rank)
        self.net = nn.Sequential(nn.Linear(6, 32), nn.ReLU(), nn.Linear(32, 1))
        self.opt = torch.optim.SGD(self.net.parameters(), lr=0.05, momentum=0.9)
        self.gen = torch.Generator().manual_seed(100 + rank)

    def compute(self):
        x = torch.randn(32, 6, generator=self.gen)
        y = (x[:, :1] * x[:, 1:2]).clamp(-2, 2) + x[:, 2:3]
        loss = (self.net(x) - y).pow(2).mean()
        self.opt.zero_grad()
        loss.backward()
        return loss.item()


def all_reduce(workers):
    for group in zip(*(w.net.parameters() for w in workers)):
        mean = torch.stack([p.grad for p in group]).mean(0)
        for p in group:
            p.grad.copy_(mean)


workers = [Worker(r) for r in range(4)]
world = len(workers)
# fix: _ = [w.net.load_state_dict(workers[0].net.state_dict()) for w in workers[1:]]
for step in range(80):
    losses = [w.compute() for w in workers]
    all_reduce(workers)
    for w in workers:
        w.opt.step()
    if step % 16 == 15:
        print(f"step {step} loss {sum(losses) / world:.4f}")
