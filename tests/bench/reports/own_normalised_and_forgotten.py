import torch
from torch import nn

torch.manual_seed(0)


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Linear(6, 6)
        self.head = nn.Linear(6, 3)

    def forward(self, x):
        centred = x - x.mean(1, keepdim=True)
        scaled = centred / centred.pow(2).mean(1, keepdim=True).sqrt()
        h = torch.tanh(self.body(x))  # bug
        # fix: h = torch.tanh(self.body(scaled))
        return self.head(h)


net = Block()
opt = torch.optim.SGD(net.parameters(), lr=0.1)
for _ in range(20):
    x = 40 + 12 * torch.randn(32, 6)
    loss = nn.functional.cross_entropy(net(x), x[:, :3].argmax(1))
    opt.zero_grad()
    loss.backward()
    opt.step()
