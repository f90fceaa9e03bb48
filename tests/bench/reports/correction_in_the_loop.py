import torch
from torch import nn
from torch.nn import functional as F

torch.manual_seed(14)
CLASSES = 3
T_TRUE = torch.tensor([[0.7, 0.3, 0.0], [0.0, 0.7, 0.3], [0.3, 0.0, 0.7]])
T_HAT = torch.tensor([[0.8, 0.1, 0.1], [0.1, 0.8, 0.1], [0.1, 0.1, 0.8]])


class NoisyNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(nn.Linear(8, 32), nn.ReLU())
        self.clf = nn.Linear(32, CLASSES)
        self.T_revision = nn.Linear(CLASSES, CLASSES, bias=False)
        nn.init.zeros_(self.T_revision.weight)

    def forward(self, x, revision=False):
        out = self.clf(self.features(x))
        return (out, self.T_revision.weight) if revision else out


class ReweightingRevisionLoss(nn.Module):
    def forward(self, out, T, correction, target):
        loss = 0.0
        out_softmax = F.softmax(out, dim=1)
        # fix: T = T + correction
        for i in range(len(target)):
            temp_softmax, temp_label = out_softmax[i], target[i]
            T = T + correction  # bug
            noisy = torch.matmul(T.t(), temp_softmax)
            beta = temp_softmax[temp_label] / noisy[temp_label].clamp_min(1e-3)
            cross_loss = F.cross_entropy(out[i : i + 1], target[i : i + 1])
            noisy_loss = -noisy[temp_label].clamp_min(1e-3).log()
            loss = loss + beta.detach() * cross_loss * 0.1 + noisy_loss
        return loss / len(target)


x = torch.randn(400, 8)
clean = (x @ torch.randn(8, CLASSES)).argmax(1)
noisy_labels = torch.multinomial(T_TRUE[clean], 1).squeeze(1)
model = NoisyNet()
optimizer = torch.optim.SGD(
    [
        {"params": list(model.features.parameters()) + list(model.clf.parameters())},
        {"params": model.T_revision.parameters(), "lr": 0.02},
    ],
    lr=0.1,
)
criterion = ReweightingRevisionLoss()
for epoch in range(5):
    seen = 0.0
    for idx in torch.randperm(400).split(50):
        out, correction = model(x[idx], revision=True)
        loss = criterion(out, T_HAT, correction, noisy_labels[idx])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        seen += loss.item() / 8
    with torch.no_grad():
        gap = (T_HAT + model.T_revision.weight - T_TRUE).abs().sum().item()
        acc = (model(x).argmax(1) == clean).float().mean().item()
    print(f"epoch {epoch} loss {seen:.4f} |T - T*| {gap:.3f} clean acc {acc:.3f}")
