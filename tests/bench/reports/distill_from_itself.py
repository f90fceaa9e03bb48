import torch
from torch import nn
from torch.nn import functional as F


class Configs:
    temperature = 4.0
    soft_targets = 0.9
    label_share = 0.1
    steps = 250

    def __init__(self):
        torch.manual_seed(121)
        self.rule = nn.Sequential(nn.Linear(10, 24), nn.Tanh(), nn.Linear(24, 5))
        self.large = nn.Sequential(
            nn.Linear(10, 128), nn.ReLU(), nn.Linear(128, 128), nn.ReLU(), nn.Linear(128, 5)
        )
        self.model = nn.Sequential(nn.Linear(10, 16), nn.ReLU(), nn.Linear(16, 5))
        self.kl_div_loss = nn.KLDivLoss(log_target=True, reduction="batchmean")
        self.loss_func = nn.CrossEntropyLoss()

    def batch(self, n):
        x = torch.randn(n, 10)
        with torch.no_grad():
            return x, (4 * self.rule(1.5 * x)).argmax(1)

    def pretrain_large(self):
        opt = torch.optim.Adam(self.large.parameters(), lr=3e-3)
        for _ in range(200):
            x, y = self.batch(128)
            loss = self.loss_func(self.large(x), y)
            opt.zero_grad()
            loss.backward()
            opt.step()
        print(f"large network: {loss.item():.4f}")

    def step(self, optimizer):
        data, target = self.batch(64)
        with torch.no_grad():
            large_logits = self.large(data)
        output = self.model(data)
        soft_targets = F.log_softmax(large_logits / self.temperature, dim=-1)
        soft_prob = F.log_softmax(large_logits / self.temperature, dim=-1)  # bug
        # fix: soft_prob = F.log_softmax(output / self.temperature, dim=-1)
        soft_loss = self.kl_div_loss(soft_prob, soft_targets)
        known = max(1, int(self.label_share * len(target)))
        label_loss = self.loss_func(output[:known], target[:known])
        loss = (
            self.soft_targets * self.temperature**2 * soft_loss
            + (1 - self.soft_targets) * label_loss
        )
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return soft_loss.item(), label_loss.item()

    def run(self):
        self.pretrain_large()
        optimizer = torch.optim.Adam(self.model.parameters(), lr=5e-3)
        for step in range(self.steps):
            soft, label = self.step(optimizer)
            if step % 50 == 49:
                x, y = self.batch(512)
                acc = (self.model(x).argmax(1) == y).float().mean().item()
                print(
                    f"{step + 1:4d}: loss.soft: {soft:.5f} loss.label: {label:.5f} accuracy.valid: {acc:.3f}"
                )


if __name__ == "__main__":
    Configs().run()
