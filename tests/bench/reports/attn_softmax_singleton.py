import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(13)


class RelationEncoder(nn.Module):
    """Bi-GRU over a question, attention pooled into one vector."""

    def __init__(self, vocab=40, emb=24, hidden=24, n_rel=5):
        super().__init__()
        self.emb = nn.Embedding(vocab, emb)
        self.rnn = nn.GRU(emb, hidden, batch_first=True, bidirectional=True)
        self.attn = nn.Sequential(nn.Linear(2 * hidden + emb, 32), nn.Tanh(), nn.Linear(32, 1))
        self.out = nn.Linear(2 * hidden, n_rel)

    def forward(self, tokens):
        x = self.emb(tokens)
        outputs, _ = self.rnn(x)
        scores = self.attn(torch.cat((x, outputs), dim=-1))
        weights = F.softmax(scores, dim=-1)  # bug
        # fix: weights = F.softmax(scores, dim=1)
        pooled = (weights * outputs).sum(dim=1)
        return self.out(pooled)


def questions(n, length=15):
    tok = torch.randint(5, 40, (n, length))
    rel = torch.randint(0, 5, (n,))
    where = torch.randint(0, length, (n,))
    tok[torch.arange(n), where] = rel
    return tok, rel


net = RelationEncoder()
optimizer = torch.optim.Adam(net.parameters(), lr=5e-3)

for it in range(60):
    tok, rel = questions(96)
    logits = net(tok)
    loss = F.cross_entropy(logits, rel)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if it % 10 == 0 or it == 59:
        acc = (logits.argmax(1) == rel).float().mean().item()
        print(f"it {it} loss {loss.item():.4f} acc {acc:.2f}")
