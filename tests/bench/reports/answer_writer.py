import torch
from torch import nn

torch.manual_seed(0)
EOS = 0
PAD = EOS  # bug
# fix: PAD = 11
N_TOK, MAX = 12, 9


def sample_answer():
    k = int(torch.randint(2, 6, (1,)))
    start = int(torch.randint(1, 6, (1,)))
    return [start + j for j in range(k)] + [EOS]


def collate(batch):
    ids = torch.full((len(batch), MAX), PAD)
    for i, b in enumerate(batch):
        ids[i, : len(b)] = torch.tensor(b)
    labels = ids.clone()
    labels[labels == PAD] = -100
    return ids, labels


class Writer(nn.Module):
    def __init__(self):
        super().__init__()
        self.tok = nn.Embedding(N_TOK, 32)
        self.core = nn.LSTM(32, 48, batch_first=True)
        self.head = nn.Linear(48, N_TOK)

    def forward(self, ids):
        return self.head(self.core(self.tok(ids))[0])


model = Writer()
optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
criterion = nn.CrossEntropyLoss(ignore_index=-100)
for it in range(80):
    ids, labels = collate([sample_answer() for _ in range(32)])
    logits = model(ids[:, :-1])
    loss = criterion(logits.reshape(-1, N_TOK), labels[:, 1:].reshape(-1))
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if it % 20 == 0:
        print("iter", it, "loss", round(loss.item(), 4))

out = [3]
with torch.no_grad():
    while len(out) < 20 and out[-1] != EOS:
        out.append(int(model(torch.tensor([out]))[0, -1].argmax()))
print("generated", out)
