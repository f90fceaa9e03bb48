import torch
import torch.nn as nn

torch.manual_seed(100)
extractor = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 8, 3, padding=1))
for p in extractor.parameters():
    p.requires_grad_(False)
extractor.eval()


def gram(x):
    f = extractor(x).flatten(2)
    return f @ f.transpose(1, 2) / f.shape[-1]


reference = torch.rand(1, 3, 16, 16)
target = gram(reference).detach()
picture = (
    torch.full((1, 3, 16, 16), 0.5).add_(0.01 * torch.randn(1, 3, 16, 16)).requires_grad_(True)
)
opt = torch.optim.Adam([picture], lr=0.03)
for step in range(50):
    loss = 1e3 * (gram(picture) - target).pow(2).mean()
    opt.zero_grad()
    loss.backward()
    opt.step()
    with torch.no_grad():
        picture.clamp_(0, 1)
    if step % 10 == 9:
        print(f"step {step} loss {loss.item():.5f}")
