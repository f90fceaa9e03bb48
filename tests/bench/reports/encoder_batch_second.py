import torch
from torch import nn

torch.manual_seed(210)


class Tagger(nn.Module):
    def __init__(self):
        super().__init__()
        self.words = nn.Embedding(25, 8)
        layer = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0)  # bug
        # fix: layer = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, 1, enable_nested_tensor=False)
        self.out = nn.Linear(8, 3)

    def forward(self, tokens):
        return self.out(self.encoder(self.words(tokens)).mean(1))


model = Tagger()
optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
texts = torch.randint(0, 25, (72, 7))
label = texts.sum(1) % 3
for epoch in range(5):
    for rows in torch.randperm(72).split(12):
        loss = nn.functional.cross_entropy(model(texts[rows]), label[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
print(loss.item())
