import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(35)


class Net(nn.Module):
    def __init__(self, n_out):
        super().__init__()
        self.features = nn.Sequential(nn.Linear(10, 48), nn.ReLU(), nn.Linear(48, 24), nn.ReLU())
        self.head = nn.Linear(24, n_out)

    def forward(self, x):
        return self.head(self.features(x))


rule_a, rule_b = torch.randn(10, 6), torch.randn(10, 3)


def run(model, optimizer, rule, steps, tag):
    for step in range(steps):
        x = torch.randn(128, 10)
        y = (x @ rule).argmax(dim=1)
        loss = F.cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step % 10 == 0 or step == steps - 1:
            print(f"{tag} {step:2d} loss {loss.item():.4f}")


model = Net(n_out=6)
optimizer = torch.optim.SGD(model.parameters(), lr=0.2, momentum=0.9)
run(model, optimizer, rule_a, 30, "pretrain")

print("start finetuning")
# fix: model.head = nn.Linear(24, 3)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
model.head = nn.Linear(24, 3)  # bug
run(model, optimizer, rule_b, 30, "finetune")
