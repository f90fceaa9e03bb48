import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(28)
PHONES, FRAMES, HOP = 7, 24, 3


class FrameEncoder(nn.Module):
    def __init__(self, mel=12, hidden=32):
        super().__init__()
        self.conv = nn.Sequential(
            nn.Conv1d(mel, hidden, 3, padding=1),
            nn.ReLU(),
            nn.Conv1d(hidden, hidden, 3, padding=1),
            nn.ReLU(),
        )
        self.ph_out = nn.Linear(hidden, PHONES)

    def forward(self, mel):
        h = self.conv(mel.transpose(1, 2)).transpose(1, 2)
        return self.ph_out(h)


class Task:
    def __init__(self, model, lr=1e-2):
        self.model = model
        self.optimizer = torch.optim.AdamW(model.parameters(), lr=lr)

    def ctc(self, ph_frame_logits, phones, frame_lengths, phone_lengths):
        log_probs = ph_frame_logits.transpose(0, 1)  # bug
        # fix: log_probs = F.log_softmax(ph_frame_logits, dim=-1).transpose(0, 1)
        return F.ctc_loss(
            log_probs, phones, frame_lengths, phone_lengths, blank=0, zero_infinity=True
        )

    def training_step(self, sample):
        mel, phones, frame_lengths, phone_lengths = sample
        loss = self.ctc(self.model(mel), phones, frame_lengths, phone_lengths)
        self.optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizer.step()
        return {"ph_ctc_loss": loss.item()}

    @torch.no_grad()
    def phone_accuracy(self, sample):
        mel, phones, _, lengths = sample
        best = self.model(mel).argmax(-1)
        good = total = 0
        for path, ref, n in zip(best, phones, lengths):
            out = [p for p in torch.unique_consecutive(path).tolist() if p != 0]
            good += sum(a == b for a, b in zip(out, ref[:n].tolist()))
            total += int(n)
        return good / total


table = torch.randn(PHONES, 12)


def utterances(n):
    count = FRAMES // HOP
    phones = torch.randint(1, PHONES, (n, count))
    frames = phones.repeat_interleave(HOP, dim=1)
    mel = table[frames] + 0.4 * torch.randn(n, FRAMES, 12)
    return mel, phones, torch.full((n,), FRAMES), torch.full((n,), count)


task = Task(FrameEncoder())
for step in range(241):
    log = task.training_step(utterances(16))
    if step % 40 == 0:
        print(
            f"| step {step} | ph_ctc_loss {log['ph_ctc_loss']:.4f} | phone acc {task.phone_accuracy(utterances(16)):.3f}"
        )
