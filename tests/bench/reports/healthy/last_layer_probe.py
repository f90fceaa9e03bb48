import copy
import torch
from torch import nn

torch.manual_seed(110)
backbone = nn.Sequential(
    nn.Linear(12, 64), nn.BatchNorm1d(64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU()
)
opt = torch.optim.Adam(backbone.parameters(), lr=3e-3)
dec = nn.Linear(64, 12)
opt.add_param_group({"params": dec.parameters(), "lr": 1e-3})
for step in range(30):
    x = torch.randn(64, 12)
    loss = (dec(backbone(x)) - x).pow(2).mean()
    opt.zero_grad()
    loss.backward()
    opt.step()
print("pretraining loss %.4f" % loss.item())
snapshot = copy.deepcopy(backbone.state_dict())
backbone.eval()
probe = nn.Linear(64, 2)
nn.init.zeros_(probe.weight)
nn.init.zeros_(probe.bias)
opt = torch.optim.AdamW(probe.parameters(), lr=1e-2, weight_decay=0.0)
for step in range(40):
    x = torch.randn(64, 12)
    with torch.no_grad():
        f = backbone(x)
    loss = nn.functional.cross_entropy(probe(f), (x[:, 0] + x[:, 1] > 0).long())
    opt.zero_grad()
    loss.backward()
    opt.step()
    if step % 10 == 9:
        print(f"probe {step} loss {loss.item():.4f}")
print(
    "backbone unchanged", all(torch.equal(v, snapshot[k]) for k, v in backbone.state_dict().items())
)
