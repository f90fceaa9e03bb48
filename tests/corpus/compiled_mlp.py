"""A hand loop: torch.compile without a code generator, one part of the model left uncompiled."""

import torch
from torch import nn

torch.manual_seed(37)
x = torch.randn(64, 6)
y = torch.tanh(x[:, :1] * x[:, 1:2])
body = torch.compile(
    nn.Sequential(nn.Linear(6, 32), nn.SiLU(), nn.Linear(32, 8)), backend="aot_eager"
)
head = nn.Linear(8, 1)
optimizer = torch.optim.AdamW([*body.parameters(), *head.parameters()], lr=1e-2)
print("begin")
for step in range(25):
    at = torch.randint(64, (32,))
    loss = nn.functional.smooth_l1_loss(head(torch.relu(body(x[at]))), y[at])
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    print(step, loss.item())
torch.save(body.state_dict(), "body.pt")
print("end", [p.sum().item() for p in head.parameters()], torch.rand(1).item())
