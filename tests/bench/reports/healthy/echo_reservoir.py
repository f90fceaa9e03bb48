import torch
from torch import nn

torch.manual_seed(107)
SIZE = 60
w_in = torch.randn(SIZE, 1) * 0.5
w = torch.randn(SIZE, SIZE)
w *= 0.9 / torch.linalg.eigvals(w).abs().max()


@torch.no_grad()
def states(u):
    h, out = torch.zeros(SIZE), []
    for v in u:
        h = torch.tanh(w_in @ v.view(1) + w @ h)
        out.append(h)
    return torch.stack(out)


u = torch.sin(torch.arange(400) * 0.2) + 0.1 * torch.randn(400)
target = u.roll(-1)[50:-1]
feats = states(u)[50:-1]
readout = nn.Linear(SIZE, 1)
opt = torch.optim.Adam(readout.parameters(), lr=2e-2)
for epoch in range(60):
    loss = (readout(feats).squeeze(-1) - target).pow(2).mean()
    opt.zero_grad()
    loss.backward()
    opt.step()
    if epoch % 12 == 11:
        print("epoch", epoch, "mse %.4f" % loss.item())
