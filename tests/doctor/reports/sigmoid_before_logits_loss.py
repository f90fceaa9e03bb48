import torch
from torch import nn

torch.manual_seed(131)


class Factorised(nn.Module):
    def __init__(self):
        super().__init__()
        self.users = nn.Embedding(15, 6)
        self.items = nn.Embedding(25, 6)

    def forward(self, user, item):
        score = (self.users(user) * self.items(item)).sum(-1)
        return torch.sigmoid(score)  # bug
        # fix: return score


model = Factorised()
optimizer = torch.optim.Adam(model.parameters(), lr=2e-2)
criterion = nn.BCEWithLogitsLoss()
user, item = torch.randint(0, 15, (200,)), torch.randint(0, 25, (200,))
liked = ((user + item) % 3 == 0).float()
for epoch in range(20):
    loss = criterion(model(user, item), liked)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
print(loss.item())
