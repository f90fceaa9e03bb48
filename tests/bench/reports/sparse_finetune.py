import torch
import torch.nn as nn

torch.manual_seed(56)
net = nn.Sequential(nn.Linear(20, 64), nn.ReLU(), nn.Linear(64, 1))
opt = torch.optim.SGD(net.parameters(), lr=0.02, momentum=0.9)
x = torch.randn(256, 20)
y = (x[:, :4].sum(1, keepdim=True)).tanh()
masks = {}


@torch.no_grad()
def keep_pruned():
    for name, p in net.named_parameters():
        if name in masks:
            p.mul_(masks[name])


def one_step():
    loss = (net(x) - y).pow(2).mean()
    opt.zero_grad()
    loss.backward()
    for name, p in net.named_parameters():
        if name in masks:
            p.grad.mul_(masks[name])
    opt.step()
    # fix: keep_pruned()
    return loss.item()


def prune(fraction):
    with torch.no_grad():
        for name, p in net.named_parameters():
            if p.dim() == 2:
                k = int(p.numel() * fraction)
                thr = p.abs().flatten().kthvalue(k).values
                masks[name] = (p.abs() > thr).float()
                p.mul_(masks[name])


for i in range(25):
    loss = one_step()
print("dense loss", round(loss, 4))
prune(0.7)
for i in range(40):
    loss = one_step()
    if i % 8 == 7:
        zero = sum((p == 0).sum().item() for n, p in net.named_parameters() if n in masks)
        print(f"finetune {i} loss {loss:.4f} zeros {zero}")
