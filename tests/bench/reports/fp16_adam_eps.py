import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(16)


class Finetuner(nn.Module):
    def __init__(self, vocab=50, dim=32, classes=4):
        super().__init__()
        self.emb = nn.Embedding(vocab, dim)
        self.fc = nn.Linear(dim, 64)
        self.out = nn.Linear(64, classes)

    def forward(self, ids):
        h = self.emb(ids).mean(dim=1)
        return self.out(torch.relu(self.fc(h)))


def captions(n):
    y = torch.randint(0, 4, (n,))
    ids = torch.randint(10, 50, (n, 8))
    ids[:, :1] = y.unsqueeze(1) * 2 + torch.randint(0, 2, (n, 1))
    return ids, y


model = Finetuner().half()
optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)  # bug
# fix: optimizer = torch.optim.Adam(model.parameters(), lr=2e-3, eps=1e-4)

for step in range(50):
    ids, y = captions(64)
    logits = model(ids).float()
    loss = F.cross_entropy(logits, y)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if step % 10 == 0 or step == 49:
        print(f"step {step:2d} loss {loss.item():.4f}")
