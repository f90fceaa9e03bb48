import math

import torch
from torch import nn


class PositionalEncoding(nn.Module):
    def __init__(self, d_model, dropout=0.0, max_len=100):
        super().__init__()
        self.dropout = nn.Dropout(p=dropout)
        pe = torch.zeros(max_len, d_model)
        position = torch.arange(max_len).float().unsqueeze(1)
        div = torch.exp(torch.arange(0, d_model, 2).float() * (-math.log(100.0) / d_model))
        pe[:, 0::2] = torch.sin(position * div)
        pe[:, 1::2] = torch.cos(position * div)
        self.register_buffer("pe", pe.unsqueeze(0))

    def forward(self, x):
        x = x + self.pe[:, x.shape[1], :]  # bug
        # fix: x = x + self.pe[:, : x.shape[1], :]
        return self.dropout(x)


class MotionModel(nn.Module):
    def __init__(self, code=4, dim=32, out=3):
        super().__init__()
        self.inp = nn.Linear(code, dim)
        self.pe = PositionalEncoding(dim)
        layer = nn.TransformerEncoderLayer(dim, 4, 64, dropout=0.0, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, 1, enable_nested_tensor=False)
        self.out = nn.Linear(dim, out)

    def forward(self, code, frames):
        x = self.inp(code).unsqueeze(1).expand(-1, frames, -1)
        return self.out(self.encoder(self.pe(x)))


def motions(n, frames):
    code = torch.randn(n, 4)
    t = torch.arange(frames).float() / frames * 2 * math.pi
    wave = torch.stack([torch.sin(t), torch.cos(t), torch.sin(2 * t)], dim=-1)
    return code, wave.unsqueeze(0) * code[:, :3].unsqueeze(1) + code[:, 3:].unsqueeze(1)


def main():
    torch.manual_seed(3)
    model = MotionModel()
    optim = torch.optim.Adam(model.parameters(), lr=2e-3)
    ema = None
    for it in range(8):
        code, target = motions(32, 20)
        loss = nn.functional.mse_loss(model(code, 20), target)
        optim.zero_grad()
        loss.backward()
        optim.step()
        ema = loss.item() if ema is None else 0.9 * ema + 0.1 * loss.item()
        if it % 40 == 39:
            print(f"it {it + 1}: loss (ema) {ema:.4f}")


main()
