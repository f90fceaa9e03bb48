import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(0)


class TinyUNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.down = nn.Conv2d(1, 8, 3, padding=1)
        self.mid = nn.Conv2d(8, 8, 3, padding=1)
        self.out = nn.Conv2d(16, 2, 1)

    def forward(self, x):
        skip = F.relu(self.down(x))
        deep = F.relu(self.mid(F.max_pool2d(skip, 2)))
        deep = F.interpolate(deep, scale_factor=2.0)
        return self.out(torch.cat([skip, deep], dim=1))


images = torch.randn(32, 1, 12, 12)
masks = (F.avg_pool2d(images, 3, stride=1, padding=1)[:, 0] > 0.0).long()

model = TinyUNet()
optimizer = torch.optim.SGD(model.parameters(), lr=0.2, momentum=0.9)
scaler = torch.amp.GradScaler("cpu")
criterion = nn.CrossEntropyLoss()

for step in range(40):
    idx = torch.randperm(32)[:8]
    with torch.autocast("cpu", dtype=torch.bfloat16):
        logits = model(images[idx])
        loss = criterion(logits.float(), masks[idx])
    optimizer.zero_grad(set_to_none=True)
    scaler.scale(loss).backward()
    # fix: scaler.unscale_(optimizer)
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    scaler.step(optimizer)
    scaler.update()
    if step % 8 == 0 or step == 39:
        print(f"step {step:2d}  loss {loss.item():.4f}")
