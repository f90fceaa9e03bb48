import torch
import torch.nn as nn

PAD_ID = 0
torch.manual_seed(73)


def get_batch(n=32, length=10, vocab=20, tags=4):
    words = torch.randint(1, vocab, (n, length))
    lens = torch.randint(4, length + 1, (n,))
    keep = torch.arange(length)[None] < lens[:, None]
    labels = words % tags
    return words.masked_fill(~keep, PAD_ID), labels.masked_fill(~keep, PAD_ID)  # bug
    # fix: return words.masked_fill(~keep, PAD_ID), labels.masked_fill(~keep, -100)


class Tagger(nn.Module):
    def __init__(self):
        super().__init__()
        self.emb = nn.Embedding(20, 24, padding_idx=PAD_ID)
        self.rnn = nn.GRU(24, 32, batch_first=True)
        self.cls = nn.Linear(32, 4)

    def forward(self, w):
        return self.cls(self.rnn(self.emb(w))[0])


tagger = Tagger()
loss_fn = nn.CrossEntropyLoss(ignore_index=PAD_ID)  # bug
# fix: loss_fn = nn.CrossEntropyLoss(ignore_index=-100)
opt = torch.optim.Adam(tagger.parameters(), lr=1e-2)
for i in range(60):
    w, y = get_batch()
    logits = tagger(w)
    loss = loss_fn(logits.view(-1, 4), y.view(-1))
    opt.zero_grad()
    loss.backward()
    opt.step()
    if i % 12 == 11:
        real = w != PAD_ID
        pred, gold = logits.argmax(-1)[real], (w % 4)[real]
        print(
            f"{i} loss {loss.item():.4f} accuracy {(pred == gold).float().mean().item():.3f} predicted counts {torch.bincount(pred, minlength=4).tolist()}"
        )
