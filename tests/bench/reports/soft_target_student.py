import torch
import torch.nn as nn
import torch.nn.functional as F
from dataclasses import dataclass


@dataclass
class KD:
    temperature: float = 8.0
    alpha: float = 0.9
    lr: float = 5e-3
    steps: int = 80


def kd_loss(student, teacher, labels, cfg):
    t = cfg.temperature
    said, wanted = F.log_softmax(student / t, -1), F.softmax(teacher / t, -1)
    soft = F.kl_div(said, wanted, reduction="batchmean")  # bug
    # fix: soft = F.kl_div(said, wanted, reduction="batchmean") * t * t
    hard = F.cross_entropy(student, labels)
    return cfg.alpha * soft + (1 - cfg.alpha) * hard, soft, hard


torch.manual_seed(72)
cfg = KD()
W = torch.randn(10, 6) * 2
student = nn.Sequential(nn.Linear(10, 48), nn.ReLU(), nn.Linear(48, 6))
opt = torch.optim.Adam(student.parameters(), lr=cfg.lr)
for step in range(cfg.steps):
    x = torch.randn(128, 10)
    teacher = x @ W
    clean = teacher.argmax(-1)
    noisy = torch.where(torch.rand(128) < 0.6, torch.randint(0, 6, (128,)), clean)
    logits = student(x)
    loss, soft, hard = kd_loss(logits, teacher, noisy, cfg)
    opt.zero_grad()
    loss.backward()
    opt.step()
    if step % 16 == 15:
        agree = (logits.argmax(-1) == clean).float().mean().item()
        print(
            f"step {step} loss {loss.item():.4f} agree with teacher {agree:.3f} logit gap {(logits - teacher).pow(2).mean().item():.2f}"
        )
