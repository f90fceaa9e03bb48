import copy
import torch
from torch import nn

torch.manual_seed(0)


class Run:
    def __init__(self):
        self.net = nn.Linear(6, 3)
        self.setup()

    def setup(self):
        self.optim = torch.optim.SGD(self.net.parameters(), lr=0.05, momentum=0.9)

    def state(self):
        return copy.deepcopy({"net": self.net.state_dict(), "optim": self.optim.state_dict()})

    def restore(self, kept):
        self.net.load_state_dict(kept["net"])
        self.optim.load_state_dict(kept["optim"])
        self.net.train()

    def fit(self, steps):
        for _ in range(steps):
            x = torch.randn(32, 6)
            loss = nn.functional.cross_entropy(self.net(x), x[:, :3].argmax(1))
            self.optim.zero_grad()
            loss.backward()
            self.optim.step()


first = Run()
first.fit(5)
second = Run()
second.restore(first.state())
second.fit(5)
