import torch
from torch import nn
from torch.optim.lr_scheduler import LambdaLR

CFG = dict(base_lr=0.5, warmup_iters=50, warmup_factor=1e-3, max_iter=80, method="linear")


def build_scheduler(optimizer):
    def factor(it):
        if it >= CFG["warmup_iters"]:
            return 1.0
        if CFG["method"] == "constant":
            return CFG["warmup_factor"]
        alpha = it // CFG["warmup_iters"]  # bug
        # fix: alpha = it / CFG["warmup_iters"]
        return CFG["warmup_factor"] * (1 - alpha) + alpha

    return LambdaLR(optimizer, factor)


class Detector(nn.Module):
    def __init__(self):
        super().__init__()
        self.backbone = nn.Sequential(nn.Linear(10, 32), nn.Tanh())
        self.boxes = nn.Linear(32, 4)

    def forward(self, x):
        return self.boxes(self.backbone(x))


def do_train(model, steps):
    w = torch.randn(10, 4, generator=torch.Generator().manual_seed(1)) * 0.5
    opt = torch.optim.SGD(model.parameters(), lr=CFG["base_lr"])
    sched = build_scheduler(opt)
    log = []
    for it in range(steps):
        x = torch.randn(64, 10)
        loss = nn.functional.smooth_l1_loss(model(x), torch.tanh(x @ w))
        opt.zero_grad()
        loss.backward()
        opt.step()
        log.append((it, loss.item(), opt.param_groups[0]["lr"]))
        sched.step()
    return log


torch.manual_seed(0)
for it, l, lr in do_train(Detector(), CFG["max_iter"])[9::10]:
    print(f"iter {it} loss {l:.4f} lr {lr:.5f}")
