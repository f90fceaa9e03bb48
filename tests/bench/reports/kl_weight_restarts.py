import argparse

import torch
from torch import nn
from torch.nn import functional as F

parser = argparse.ArgumentParser()
parser.add_argument("--epochs", type=int, default=8)
parser.add_argument("--cycle", type=int, default=1)
parser.add_argument("--kl_start", type=float, default=0.0)
parser.add_argument("--warm_up", type=float, default=0.7)


class SentenceVAE(nn.Module):
    def __init__(self, vocab=15, length=8, dim=32, latent=8):
        super().__init__()
        self.length, self.vocab = length, vocab
        self.embed = nn.Embedding(vocab, dim)
        self.encoder = nn.GRU(dim, dim, batch_first=True)
        self.stats = nn.Linear(dim, 2 * latent)
        self.decoder = nn.Sequential(
            nn.Linear(latent, 64), nn.ReLU(), nn.Linear(64, length * vocab)
        )

    def forward(self, ids):
        _, h = self.encoder(self.embed(ids))
        mu, logvar = self.stats(h[0]).chunk(2, dim=-1)
        z = mu + torch.randn_like(mu) * (0.5 * logvar).exp()
        logits = self.decoder(z).view(-1, self.length, self.vocab)
        rec = F.cross_entropy(logits.transpose(1, 2), ids, reduction="none").sum(1)
        kl = 0.5 * (mu**2 + logvar.exp() - logvar - 1).sum(1)
        return rec, kl


def sentences(n):
    start = torch.randint(0, 15, (n, 1))
    stride = torch.randint(1, 4, (n, 1))
    return (start + stride * torch.arange(8)) % 15


def main(args):
    torch.manual_seed(171)
    data = sentences(640)
    vae = SentenceVAE()
    optimizer = torch.optim.Adam(vae.parameters(), lr=4e-3)
    kl_weight, anneal_rate = args.kl_start, 1.0 / (args.warm_up * 20)
    for epoch in range(args.epochs):
        report_rec = report_kl = 0.0
        # fix: if args.cycle > 0 and epoch % args.cycle == 0:
        # fix: kl_weight = args.kl_start
        for idx in torch.randperm(640).split(32):
            kl_weight = min(1.0, kl_weight + anneal_rate)
            if args.cycle > 0 and epoch % args.cycle == 0:  # bug
                kl_weight = args.kl_start  # bug
            rec, kl = vae(data[idx])
            loss = (rec + kl_weight * kl).mean()
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(vae.parameters(), 5.0)
            optimizer.step()
            report_rec += rec.mean().item() / 20
            report_kl += kl.mean().item() / 20
        print(
            f"epoch {epoch} kl_weight {kl_weight:.2f} recon {report_rec:.3f} kl {report_kl:.3f} elbo loss {report_rec + report_kl:.3f}"
        )


main(parser.parse_args([]))
