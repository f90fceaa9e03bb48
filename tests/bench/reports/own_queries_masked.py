import torch
from torch import nn

torch.manual_seed(0)


class Reader(nn.Module):
    def __init__(self):
        super().__init__()
        self.words = nn.Embedding(30, 16)
        self.query, self.key, self.value = (nn.Linear(16, 16) for _ in range(3))
        self.head = nn.Linear(16, 2)

    def forward(self, text, there):
        h = self.words(text)
        scores = self.query(h) @ self.key(h).transpose(1, 2) / 4
        scores = scores.masked_fill(~there[:, :, None], -1e9)  # bug
        # fix: scores = scores.masked_fill(~there[:, None, :], -1e9)
        mixed = scores.softmax(-1) @ self.value(h)
        return self.head((mixed * there[..., None]).sum(1) / there.sum(1, keepdim=True))


model = Reader()
opt = torch.optim.Adam(model.parameters(), lr=0.01)
for _ in range(25):
    text = torch.randint(1, 30, (32, 8))
    there = torch.arange(8) < torch.randint(2, 9, (32, 1))
    text = torch.where(there, text, torch.randint(1, 30, (32, 8)))
    label = ((text > 15) * there).any(1).long()
    loss = nn.functional.cross_entropy(model(text, there), label)
    opt.zero_grad()
    loss.backward()
    opt.step()
