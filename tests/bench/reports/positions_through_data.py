import torch
from torch import nn

torch.manual_seed(329)


class Encoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.token = nn.Embedding(15, 16)
        self.position = nn.Parameter(0.1 * torch.randn(1, 20, 16))
        self.block = nn.TransformerEncoderLayer(16, 2, 32, dropout=0.0, batch_first=True)
        self.head = nn.Linear(16, 2)

    def forward(self, text):
        x = self.token(text)
        x = x + self.position.data[:, : x.shape[1]]  # bug
        # fix: x = x + self.position[:, : x.shape[1]]
        return self.head(self.block(x).mean(1))


model = Encoder()
optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3, weight_decay=0.0)
text = torch.randint(0, 15, (48, 8))
label = (text[:, 0] > text[:, -1]).long()
for epoch in range(4):
    for rows in torch.randperm(48).split(12):
        loss = nn.functional.cross_entropy(model(text[rows]), label[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print(epoch, loss.item())
