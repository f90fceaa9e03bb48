import torch
from torch import nn
from torch.nn.utils.rnn import pad_sequence

torch.manual_seed(9)
TAGS = ["O", "PER", "LOC", "ORG"]
PAD_WORD, PAD_TAG = 0, 0  # bug
# fix: PAD_WORD, PAD_TAG = 0, -100


def sentence():
    n = int(torch.randint(4, 10, (1,)))
    tags = torch.where(
        torch.rand(n) < 0.6, torch.zeros(n, dtype=torch.long), torch.randint(1, 4, (n,))
    )
    words = 1 + tags * 25 + torch.randint(0, 30, (n,))
    return words, tags


def batch(n):
    w, t = zip(*[sentence() for _ in range(n)])
    return (
        pad_sequence(w, batch_first=True, padding_value=PAD_WORD),
        pad_sequence(t, batch_first=True, padding_value=PAD_TAG),
    )


class Tagger(nn.Module):
    def __init__(self):
        super().__init__()
        self.emb = nn.Embedding(120, 24, padding_idx=PAD_WORD)
        self.rnn = nn.GRU(24, 24, batch_first=True, bidirectional=True)
        self.head = nn.Linear(48, len(TAGS))

    def forward(self, w):
        return self.head(self.rnn(self.emb(w))[0])


net = Tagger()
crit = nn.CrossEntropyLoss(ignore_index=PAD_TAG)
opt = torch.optim.Adam(net.parameters(), lr=5e-3)
for it in range(70):
    w, t = batch(32)
    out = net(w)
    loss = crit(out.view(-1, len(TAGS)), t.view(-1))
    opt.zero_grad()
    loss.backward()
    opt.step()
    if it % 14 == 13:
        real = w != PAD_WORD
        guess = out.argmax(-1)[real]
        print(
            it,
            round(loss.item(), 4),
            "accuracy",
            round((guess == t[real]).float().mean().item(), 3),
            "predicted",
            torch.bincount(guess, minlength=4).tolist(),
        )
