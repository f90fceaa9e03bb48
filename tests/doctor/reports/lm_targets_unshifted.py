import torch
import torch.nn as nn

torch.manual_seed(23)

text = (
    "the quick brown fox jumps over the lazy dog while the small cat sleeps near the warm fire "
    "and the old man reads the news to the young boy who sits by the door of the house "
) * 6
chars = sorted(set(text))
stoi = {c: i for i, c in enumerate(chars)}
data = torch.tensor([stoi[c] for c in text])


def get_batch(batch_size=32, block=24):
    ix = torch.randint(0, len(data) - block, (batch_size,))
    return torch.stack([data[i : i + block] for i in ix])


class CharGRU(nn.Module):
    def __init__(self, n_chars, dim=48):
        super().__init__()
        self.emb = nn.Embedding(n_chars, dim)
        self.rnn = nn.GRU(dim, 96, batch_first=True)
        self.fc = nn.Linear(96, n_chars)

    def forward(self, x):
        h, _ = self.rnn(self.emb(x))
        return self.fc(h)


model = CharGRU(len(chars))
ce_loss = nn.CrossEntropyLoss()
optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)

model.train()
for it in range(60):
    tokens = get_batch()
    logits = model(tokens).transpose(1, 2)
    loss = ce_loss(logits, tokens)  # bug
    # fix: loss = ce_loss(logits[:, :, :-1], tokens[:, 1:])
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if it % 10 == 0 or it == 59:
        print(f"iter {it:2d} | loss {loss.item():.3f}")
