import torch
import torch.nn as nn
import torch.nn.functional as F

PAD, VOCAB, MAXLEN = 0, 30, 24


class Judge(nn.Module):
    def __init__(self, dim=32):
        super().__init__()
        self.tok = nn.Embedding(VOCAB, dim, padding_idx=PAD)
        self.c1, self.c2 = nn.Conv1d(dim, dim, 5), nn.Conv1d(dim, dim, 5)
        self.score = nn.Linear(dim, 1)

    def forward(self, ids):
        h = self.tok(ids).transpose(1, 2)
        h = F.relu(self.c1(F.pad(h, (4, 0))))
        h = F.relu(self.c2(F.pad(h, (4, 0)))).transpose(1, 2)
        values = self.score(h).squeeze(-1)
        return values[:, -1]  # bug
        # fix: last = (ids != PAD).sum(1) - 1
        # fix: return values.gather(1, last[:, None]).squeeze(1)


def answers(n, good):
    ids = torch.zeros(n, MAXLEN, dtype=torch.long)
    for i in range(n):
        k = int(torch.randint(3, 9, (1,)))
        ids[i, :k] = torch.randint(1, 20, (k,))
        if good:
            ids[i, torch.randint(0, k, (1,))] = torch.randint(20, VOCAB, (1,))
    return ids


torch.manual_seed(17)
rm = Judge()
opt = torch.optim.Adam(rm.parameters(), lr=2e-3)
for step in range(80):
    chosen, rejected = answers(32, True), answers(32, False)
    rc, rr = rm(chosen), rm(rejected)
    loss = -F.logsigmoid(rc - rr).mean()
    opt.zero_grad()
    loss.backward()
    torch.nn.utils.clip_grad_norm_(rm.parameters(), 1.0)
    opt.step()
    if step % 20 == 19:
        print(
            step,
            "loss",
            round(loss.item(), 4),
            "prefers chosen",
            round((rc > rr).float().mean().item(), 3),
        )
