import numpy as np
import torch
from torch import nn

torch.manual_seed(55)
np.random.seed(55)


class MaskNet(nn.Module):
    def __init__(self, bins=24, hidden=48):
        super().__init__()
        self.rnn = nn.GRU(bins, hidden, batch_first=True)
        self.linear = nn.Linear(hidden, bins)

    def forward(self, feats):
        return torch.sigmoid(self.linear(self.rnn(feats)[0]))


class SEBrain:
    def __init__(self, model, lr=3e-3):
        self.model = model
        self.optimizer = torch.optim.Adam(model.parameters(), lr=lr)

    def compute_forward(self, noisy):
        mask = self.model(torch.log1p(noisy))
        return torch.from_numpy(mask.detach().numpy() * noisy.numpy())  # bug
        # fix: return mask * noisy

    def compute_objectives(self, predict, clean):
        loss = (torch.log1p(predict) - torch.log1p(clean)).pow(2).mean()
        loss = torch.autograd.Variable(loss, requires_grad=True)  # bug
        return loss

    def fit_batch(self, noisy, clean):
        predict = self.compute_forward(noisy)
        loss = self.compute_objectives(predict, clean)
        loss.backward()
        self.optimizer.step()
        self.optimizer.zero_grad()
        return loss.detach().item()


def spectra(n, frames=10, bins=24):
    base = np.zeros((n, frames, bins), dtype=np.float32)
    pitch = np.random.randint(2, 8, size=n)
    for i, p in enumerate(pitch):
        base[i, :, ::p] = 1.0 + np.random.rand(frames, 1)
    noise = np.random.rand(n, frames, bins).astype(np.float32)
    return torch.from_numpy(base + noise), torch.from_numpy(base)


brain = SEBrain(MaskNet())
for epoch in range(8):
    avg = 0.0
    for batch in range(12):
        avg += (brain.fit_batch(*spectra(16)) - avg) / (batch + 1)
    print(f"Epoch {epoch + 1}: train loss {avg:.4f}")
