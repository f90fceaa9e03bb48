import torch
from torch import nn

torch.manual_seed(325)
model = nn.Sequential(nn.Linear(6, 24), nn.Tanh(), nn.Linear(24, 16))
optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
anchor = nn.functional.normalize(torch.randn(5, 16), dim=1)
x = torch.randn(80, 6)
kind = x[:, :5].argmax(1)
for step in range(20):
    rows = torch.randperm(80)[:16]
    z = model(x[rows])
    z = z / z.norm(dim=1)  # bug
    # fix: z = z / z.norm(dim=1, keepdim=True)
    loss = nn.functional.cross_entropy(8 * z @ anchor.t(), kind[rows])
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
print(loss.item())
