import torch
import torch.nn as nn


class BiReader(nn.Module):
    def __init__(self, vocab, hid):
        super().__init__()
        self.emb = nn.Embedding(vocab, 16)
        self.rnn = nn.GRU(16, hid, batch_first=True, bidirectional=True)
        self.fc = nn.Linear(2 * hid, vocab)
        self.hid = hid

    def forward(self, ids):
        out, _ = self.rnn(self.emb(ids))
        feat = out[:, -1, :]  # bug
        # fix: feat = torch.cat([out[:, -1, : self.hid], out[:, 0, self.hid :]], -1)
        return self.fc(feat)


def run():
    torch.manual_seed(51)
    vocab, length = 8, 40
    model = BiReader(vocab, 24)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    for step in range(60):
        ids = torch.randint(0, vocab, (64, length))
        target = ids[:, 0]
        logits = model(ids)
        loss = nn.functional.cross_entropy(logits, target)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step % 12 == 11:
            print(
                step,
                "loss",
                round(loss.item(), 4),
                "acc",
                (logits.argmax(1) == target).float().mean().item(),
            )


run()
