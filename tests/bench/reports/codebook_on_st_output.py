import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(23)


class VectorQuantizer(nn.Module):
    def __init__(self, n_codes, dim):
        super().__init__()
        self.codebook = nn.Embedding(n_codes, dim)
        nn.init.normal_(self.codebook.weight, std=0.3)

    def forward(self, x):
        dist = torch.cdist(x, self.codebook.weight)
        indices = dist.argmin(dim=-1)
        z = self.codebook(indices)
        z_q = x + (z - x).detach()
        return z_q, z, indices


class LatentActionModel(nn.Module):
    def __init__(self, obs=10, dim=4, n_codes=6):
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(2 * obs, 48), nn.ReLU(), nn.Linear(48, dim))
        self.vq = VectorQuantizer(n_codes, dim)
        self.decoder = nn.Sequential(nn.Linear(obs + dim, 48), nn.ReLU(), nn.Linear(48, obs))

    def forward(self, now, nxt):
        z_e = self.encoder(torch.cat([now, nxt], dim=-1))
        z_q, z, indices = self.vq(z_e)
        pred = self.decoder(torch.cat([now, z_q], dim=-1))
        return pred, z_e, z_q, z, indices


def losses(model, now, nxt, beta=0.25):
    pred, z_e, z_q, z, indices = model(now, nxt)
    recon = F.mse_loss(pred, nxt)
    codebook_loss = F.mse_loss(z_q, z_e.detach())  # bug
    # fix: codebook_loss = F.mse_loss(z, z_e.detach())
    commit = F.mse_loss(z_e, z.detach())
    return recon + codebook_loss + beta * commit, recon, commit, indices


actions = 1.5 * torch.randn(5, 10)


def transitions(n):
    now = torch.randn(n, 10)
    return now, now + actions[torch.randint(0, 5, (n,))]


model = LatentActionModel()
start = model.vq.codebook.weight.detach().clone()
optimizer = torch.optim.AdamW(model.parameters(), lr=4e-3, weight_decay=0.0)
for step in range(160):
    loss, recon, commit, indices = losses(model, *transitions(64))
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    optimizer.step()
    if step % 20 == 19:
        print(
            f"step {step + 1} recon {recon.item():.4f} commit {commit.item():.4f} codes used {indices.unique().numel()}"
        )
print("codebook moved by", round((model.vq.codebook.weight - start).norm().item(), 4))
