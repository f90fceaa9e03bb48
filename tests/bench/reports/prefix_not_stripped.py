import io

import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(17)


def make_encoder():
    return nn.Sequential(nn.Linear(32, 48), nn.ReLU(), nn.Linear(48, 6))


class LitAutoencoder(nn.Module):
    """what the pretraining job saved"""

    def __init__(self):
        super().__init__()
        self.model = make_encoder()
        self.decoder = nn.Linear(6, 32)

    def forward(self, x):
        return self.decoder(self.model(x))


mixing = torch.randn(6, 32)


def sample(n):
    z = torch.randn(n, 6)
    return z @ mixing + 2.5 * torch.randn(n, 32) * (torch.rand(32) < 0.3), (
        z[:, 0] * z[:, 1] > 0
    ).long() + 2 * (z[:, 2] > 0).long()


def pretrain(buffer):
    lit = LitAutoencoder()
    opt = torch.optim.Adam(lit.parameters(), lr=3e-3)
    for _ in range(150):
        x, _ = sample(128)
        loss = F.mse_loss(lit(x), x)
        opt.zero_grad()
        loss.backward()
        opt.step()
    torch.save({"state_dict": lit.state_dict(), "loss": loss.item()}, buffer)
    print("pretraining loss", round(loss.item(), 4))


def finetune(buffer):
    buffer.seek(0)
    ckpt = torch.load(buffer)
    encoder = make_encoder()
    state = ckpt["state_dict"]
    # fix: state = {k[len("model.") :]: v for k, v in state.items() if k.startswith("model.")}
    encoder.load_state_dict(state, strict=False)
    encoder.requires_grad_(False)
    head = nn.Sequential(nn.Linear(6, 32), nn.ReLU(), nn.Linear(32, 4))
    opt = torch.optim.Adam(head.parameters(), lr=1e-2)
    for step in range(200):
        x, y = sample(128)
        with torch.no_grad():
            feats = encoder(x)
        loss = F.cross_entropy(head(feats), y)
        opt.zero_grad()
        loss.backward()
        opt.step()
        if step % 40 == 39:
            acc = (head(feats).argmax(1) == y).float().mean().item()
            print(f"step {step + 1} loss {loss.item():.4f} acc {acc:.3f}")


if __name__ == "__main__":
    stored = io.BytesIO()
    pretrain(stored)
    finetune(stored)
