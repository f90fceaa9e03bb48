import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(20)
V, T = 8, 10


class Reader(nn.Module):
    def __init__(self):
        super().__init__()
        self.e = nn.Embedding(V, 32)
        self.r = nn.GRU(32, 32, batch_first=True)
        self.e_out = nn.Linear(32, V, bias=False)
        self.e_out.weight = self.e.weight

    def forward(self, x):
        return self.e_out(self.r(self.e(x))[0])


net = Reader()
opt = torch.optim.Adam(net.parameters(), lr=5e-3)
for step in range(80):
    x = torch.randint(0, V, (64, T))
    labels = torch.full_like(x, -100)
    labels[:, -1] = x[:, -2]
    out = net(x)
    loss = F.cross_entropy(out.flatten(0, 1), labels.flatten())
    opt.zero_grad()
    loss.backward()
    opt.step()
    if step % 16 == 15:
        print(
            step,
            round(loss.item(), 4),
            "acc",
            (out[:, -1].argmax(1) == x[:, -2]).float().mean().item(),
        )
