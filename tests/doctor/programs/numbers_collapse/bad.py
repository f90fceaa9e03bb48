import torch
from torch import nn

torch.manual_seed(0)
rates = 1 / 100 ** (torch.arange(0, 8, 2) / 8)
net = nn.Linear(8, 1)
opt = torch.optim.Adam(net.parameters(), lr=0.01)
for _ in range(8):
    begin = torch.randint(0, 400, (1,))
    place = (begin + torch.arange(300)).to(torch.bfloat16)
    angle = place.float()[:, None] * rates
    code = torch.cat([angle.sin(), angle.cos()], 1)
    want = torch.sin((begin + torch.arange(300)).float()[:, None])
    loss = ((net(code) - want) ** 2).mean()
    opt.zero_grad()
    loss.backward()
    opt.step()
