import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(35)

PHONES, MELS, FRAMES = 8, 12, 24


class Aligner(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv1d(MELS, 32, 3, padding=1)
        self.rnn = nn.GRU(32, 32, batch_first=True)
        self.out = nn.Linear(32, PHONES + 1)

    def forward(self, mel):
        h = torch.relu(self.conv(mel.transpose(1, 2))).transpose(1, 2)
        h, _ = self.rnn(h)
        return self.out(h)


templates = torch.randn(PHONES, MELS)


def make_batch(n):
    mel, text, lens = [], [], []
    for _ in range(n):
        k = torch.randint(3, 6, (1,)).item()
        phones = torch.randint(0, PHONES, (k,))
        track = phones.repeat_interleave(FRAMES // k)
        track = torch.cat([track, track[-1:].repeat(FRAMES - track.numel())])
        mel.append(templates[track] + 0.3 * torch.randn(FRAMES, MELS))
        text.append(phones + 1)
        lens.append(k)
    return torch.stack(mel), torch.cat(text), torch.tensor(lens)


model = Aligner()
optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)

for step in range(50):
    mel, text, text_lens = make_batch(16)
    ph_frame_logits = model(mel)
    frame_lens = torch.full((16,), FRAMES)
    inputs = ph_frame_logits.transpose(0, 1)  # bug
    # fix: inputs = ph_frame_logits.transpose(0, 1).log_softmax(dim=-1)
    loss = F.ctc_loss(inputs, text, frame_lens, text_lens, blank=0, zero_infinity=True)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if step % 10 == 0 or step == 49:
        print(f"step {step:2d}  ctc {loss.item():.4f}")
