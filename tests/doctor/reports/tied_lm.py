import math
import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(22)

VOCAB, DIM, CONTEXT = 24, 32, 4


def build_embedding(num, dim, padding_idx):
    m = nn.Embedding(num, dim, padding_idx=padding_idx)
    nn.init.normal_(m.weight, mean=0.0, std=dim**-0.5)
    nn.init.constant_(m.weight[padding_idx], 0)  # bug
    # fix: if padding_idx is not None:
    # fix:     nn.init.constant_(m.weight[padding_idx], 0)
    return m


class ContextLM(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = build_embedding(VOCAB, DIM, None)
        self.mix = nn.Linear(CONTEXT * DIM, 64, bias=False)
        self.proj = nn.Linear(64, DIM, bias=False)
        self.scale = math.sqrt(DIM)

    def forward(self, tokens):
        h = self.scale * self.embed(tokens)
        h = torch.tanh(self.mix(h.flatten(1)))
        return F.linear(self.proj(h), self.embed.weight)


successor = torch.randperm(VOCAB)
stream = [0]
for _ in range(1500):
    if torch.rand(1).item() < 0.15:
        stream.append(torch.randint(0, VOCAB, (1,)).item())
    else:
        stream.append(successor[stream[-1]].item())
stream = torch.tensor(stream)
windows = stream.unfold(0, CONTEXT + 1, 1)

model = ContextLM()
optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
for step in range(50):
    rows = windows[torch.randint(0, windows.shape[0], (128,))]
    logits = model(rows[:, :CONTEXT])
    loss = F.cross_entropy(logits, rows[:, CONTEXT])
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if step % 10 == 0 or step == 49:
        print(f"step {step:2d}  loss {loss.item():.4f}")
