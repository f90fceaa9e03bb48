import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.nn.utils.rnn import pad_sequence

torch.manual_seed(31)

PAD, BOS, EOS, VOCAB = 0, 1, 2, 20


def molecules(n):
    """Variable-length strings of tokens, each one follows a simple grammar."""
    seqs = []
    for _ in range(n):
        length = int(torch.randint(3, 25, (1,)))
        first = int(torch.randint(3, VOCAB, (1,)))
        body = [3 + (first - 3 + 2 * i) % (VOCAB - 3) for i in range(length)]
        seqs.append(torch.tensor([BOS] + body + [EOS]))
    return pad_sequence(seqs, batch_first=True, padding_value=PAD)


class SeqVAE(nn.Module):
    def __init__(self, dim=32, hidden=64, latent=8):
        super().__init__()
        self.emb = nn.Embedding(VOCAB, dim, padding_idx=PAD)
        self.enc = nn.GRU(dim, hidden, batch_first=True)
        self.mu, self.logvar = nn.Linear(hidden, latent), nn.Linear(hidden, latent)
        self.init = nn.Linear(latent, hidden)
        self.dec = nn.GRU(dim, hidden, batch_first=True)
        self.out = nn.Linear(hidden, VOCAB)

    def forward(self, tokens):
        _, h = self.enc(self.emb(tokens))
        mu, logvar = self.mu(h[-1]), self.logvar(h[-1])
        z = mu + torch.exp(0.5 * logvar) * torch.randn_like(mu)
        h0 = torch.tanh(self.init(z)).unsqueeze(0)
        dec, _ = self.dec(self.emb(tokens[:, :-1]), h0)
        return self.out(dec), mu, logvar


def loss_function(logits, target, mu, logvar):
    rec = F.cross_entropy(logits.reshape(-1, VOCAB), target.reshape(-1))  # bug
    # fix: rec = F.cross_entropy(logits.reshape(-1, VOCAB), target.reshape(-1), ignore_index=PAD)
    kl = -0.5 * (1 + logvar - mu.pow(2) - logvar.exp()).sum(1).mean()
    return rec + 0.01 * kl, rec


model = SeqVAE()
opt = torch.optim.Adam(model.parameters(), lr=5e-3)
for step in range(60):
    batch = molecules(24)
    logits, mu, logvar = model(batch)
    loss, rec = loss_function(logits, batch[:, 1:], mu, logvar)
    opt.zero_grad()
    loss.backward()
    opt.step()
    if step % 10 == 0 or step == 59:
        print(f"step {step} loss {loss.item():.3f} rec {rec.item():.3f}")
