import torch
from torch import nn

torch.manual_seed(138)


class Pair(nn.Module):
    def __init__(self):
        super().__init__()
        self.image = nn.Linear(10, 6)
        self.text = nn.Linear(7, 12)
        self.project = nn.Linear(12, 6)

    def forward(self, image, text):
        with torch.no_grad():  # bug
            words = self.project(torch.tanh(self.text(text)))  # bug
        # fix: words = self.project(torch.tanh(self.text(text)))
        return nn.functional.cosine_similarity(self.image(image), words)


model = Pair()
optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
image, text = torch.randn(40, 10), torch.randn(40, 7)
for epoch in range(20):
    loss = 1 - model(image, text).mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
print(loss.item())
