import torch
from torch import nn

torch.manual_seed(0)


class Pool(nn.Module):
    def __init__(self):
        super().__init__()
        self.words = nn.Embedding(20, 8)
        self.query = nn.Linear(8, 1)
        self.head = nn.Linear(8, 2)

    def forward(self, text, mask):
        h = self.words(text)
        score = self.query(h).squeeze(-1)  # bug
        # fix: score = self.query(h).squeeze(-1).masked_fill(~mask, float("-inf"))
        return self.head((score.softmax(1).unsqueeze(-1) * h).sum(1))


model = Pool()
opt = torch.optim.Adam(model.parameters(), lr=0.02)
for _ in range(30):
    text = torch.randint(1, 20, (32, 9))
    mask = torch.arange(9) < torch.randint(2, 10, (32, 1))
    text = text * mask
    y = (text[:, 0] > 10).long()
    loss = nn.functional.cross_entropy(model(text, mask), y)
    opt.zero_grad()
    loss.backward()
    opt.step()
