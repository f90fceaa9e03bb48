import torch
from torch import nn
from torch.nn import functional as F

torch.manual_seed(101)


# fix: class _Reverse(torch.autograd.Function):
# fix: @staticmethod
# fix: def forward(ctx, x):
# fix: return x.view_as(x)
# fix:
# fix: @staticmethod
# fix: def backward(ctx, grad):
# fix: return -grad
# fix:
# fix:
class GradientReversal(nn.Module):
    def forward(self, x):
        return x  # bug

    def backward(self, grad):  # bug
        return -grad  # bug
        # fix: return _Reverse.apply(x)


class Voice(nn.Module):
    def __init__(self, feats=16, code=8, speakers=4, tones=3):
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(feats, 48), nn.ReLU(), nn.Linear(48, code))
        self.tone = nn.Linear(code, tones)
        self.reverse = GradientReversal()
        self.speaker = nn.Sequential(nn.Linear(code, 32), nn.ReLU(), nn.Linear(32, speakers))

    def forward(self, x):
        code = self.encoder(x)
        return self.tone(code), self.speaker(self.reverse(code))


speaker_shift = 1.5 * torch.randn(4, 16)
tone_shift = 1.5 * torch.randn(3, 16)


def utterances(n):
    speaker, tone = torch.randint(0, 4, (n,)), torch.randint(0, 3, (n,))
    return speaker_shift[speaker] + tone_shift[tone] + 0.7 * torch.randn(n, 16), speaker, tone


def accuracy(logits, y):
    return (logits.argmax(1) == y).float().mean().item()


model = Voice()
optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
for step in range(8):
    x, speaker, tone = utterances(64)
    tone_logits, speaker_logits = model(x)
    tone_loss = F.cross_entropy(tone_logits, tone)
    speaker_loss = F.cross_entropy(speaker_logits, speaker)
    loss = tone_loss + speaker_loss
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if step % 50 == 49:
        print(
            f"{step + 1}: tone loss {tone_loss.item():.3f} acc {accuracy(tone_logits, tone):.2f} | "
            f"speaker loss {speaker_loss.item():.3f} acc {accuracy(speaker_logits, speaker):.2f}"
        )
