import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(33)

CLASSES, DIM, MEMORY, K = 3, 16, 48, 6


class Embed(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(8, 32), nn.ReLU(), nn.Linear(32, DIM))

    def forward(self, x):
        return F.normalize(self.net(x), dim=1)


class PixelBank:
    def __init__(self):
        self.data = F.normalize(torch.randn(CLASSES, MEMORY, DIM), dim=2)
        self.ptr = [0] * CLASSES

    @torch.no_grad()
    def enqueue(self, feats, labels):
        for c in range(CLASSES):
            chosen = feats[labels == c][:K]
            n = chosen.shape[0]
            if n == 0:
                continue
            p = self.ptr[c]
            if p + n >= MEMORY:
                self.data[c, -n:] = chosen
                self.ptr[c] = 0
            else:
                self.data[c, p : p + n] = chosen
                self.ptr[c] = (p + 1) % MEMORY  # bug
                # fix: self.ptr[c] = (p + n) % MEMORY


def bank_loss(feats, labels, bank, tau=0.2):
    keys = bank.data.reshape(-1, DIM)
    key_labels = torch.arange(CLASSES).repeat_interleave(MEMORY)
    logits = feats @ keys.t() / tau
    log_prob = logits - logits.logsumexp(dim=1, keepdim=True)
    positive = (labels[:, None] == key_labels[None, :]).float()
    return -(positive * log_prob).sum(1).div(positive.sum(1)).mean()


protos = 1.5 * torch.randn(CLASSES, 8)
embed, bank = Embed(), PixelBank()
optimizer = torch.optim.Adam(embed.parameters(), lr=3e-3)
for step in range(50):
    labels = torch.randint(0, CLASSES, (48,))
    pixels = protos[labels] + torch.randn(48, 8)
    feats = embed(pixels)
    loss = bank_loss(feats, labels, bank)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    bank.enqueue(feats.detach(), labels)
    if step % 10 == 0 or step == 49:
        print(f"step {step:2d}  contrast {loss.item():.4f}")
