"""timm: a small vision transformer with its optimizer, scheduler, mixup, averaged weights."""

import torch
from timm.data import Mixup
from timm.loss import SoftTargetCrossEntropy
from timm.models import VisionTransformer
from timm.optim import create_optimizer_v2
from timm.scheduler import CosineLRScheduler
from timm.utils import ModelEmaV3

torch.manual_seed(15)
images = torch.randn(48, 3, 16, 16)
labels = (images[:, 0].mean((1, 2)) > 0).long()
model = VisionTransformer(
    img_size=16,
    patch_size=4,
    num_classes=2,
    embed_dim=32,
    depth=2,
    num_heads=2,
    drop_path_rate=0.1,
)
optimizer = create_optimizer_v2(model, opt="lamb", lr=5e-3, weight_decay=0.05)
scheduler = CosineLRScheduler(optimizer, t_initial=5, warmup_t=1, warmup_lr_init=1e-4)
mixup = Mixup(mixup_alpha=0.2, num_classes=2)
torch.manual_seed(15)
averaged = ModelEmaV3(model, decay=0.9)
loss_fn = SoftTargetCrossEntropy()
print("begin")
for epoch in range(5):
    model.train()
    for at in torch.randperm(48).split(12):
        bx, by = mixup(images[at], labels[at])
        loss = loss_fn(model(bx), by)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        averaged.update(model)
    scheduler.step(epoch + 1)
    print(epoch, loss.item(), optimizer.param_groups[0]["lr"])
print("end", averaged.module(images[:2]).tolist(), torch.rand(1).item())
