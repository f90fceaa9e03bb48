import torch
import torch.nn as nn

torch.manual_seed(40)
WORDS, DIM = 200, 5
vectors = torch.randn(WORDS, DIM)
mood = torch.randint(0, 2, (WORDS,)) * 2.0 - 1.0


class Config:
    embedding_pretrained = vectors
    hidden = 16
    lr = 2e-2


class TextModel(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.embedding = nn.Embedding.from_pretrained(config.embedding_pretrained)  # bug
        # fix: self.embedding = nn.Embedding.from_pretrained(
        # fix:     config.embedding_pretrained, freeze=False
        # fix: )
        self.fc1 = nn.Linear(DIM, config.hidden)
        self.fc2 = nn.Linear(config.hidden, 2)

    def forward(self, ids):
        return self.fc2(torch.relu(self.fc1(self.embedding(ids).mean(1))))


def reviews(n):
    ids = torch.randint(0, WORDS, (n, 7))
    return ids, (mood[ids].sum(1) > 0).long()


def train(model, config, iters=80):
    optimizer = torch.optim.Adam(model.parameters(), lr=config.lr)
    for i in range(iters):
        ids, y = reviews(128)
        out = model(ids)
        loss = nn.functional.cross_entropy(out, y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if i % 16 == 15:
            print(
                i,
                f"loss {loss.item():.4f} acc {(out.argmax(1) == y).float().mean().item():.3f}",
            )


cfg = Config()
m = TextModel(cfg)
train(m, cfg)
