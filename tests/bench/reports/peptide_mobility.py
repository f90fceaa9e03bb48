import torch
import torch.nn as nn

torch.manual_seed(4)

AMINO, MAXLEN, N = 21, 14, 160


class MobilityNet(nn.Module):
    def __init__(self, emb=8, hidden=24):
        super().__init__()
        self.embed = nn.Embedding(AMINO, emb, padding_idx=0)
        self.rnn = nn.LSTM(emb, hidden, batch_first=True, bidirectional=True)
        self.fc1 = nn.Linear(2 * hidden + 1, 24)
        self.fc2 = nn.Linear(24, 1)
        self.act = nn.ReLU()

    def forward(self, peptide, charge):
        out, _ = self.rnn(self.embed(peptide))
        pooled = out.mean(dim=1)
        h = self.act(self.fc1(torch.cat([pooled, charge], dim=1)))
        return self.act(self.fc2(h)).squeeze(1)  # bug
        # fix: return self.fc2(h).squeeze(1)


peptide = torch.randint(1, AMINO, (N, MAXLEN))
lengths = torch.randint(7, MAXLEN + 1, (N,))
peptide = peptide.masked_fill(torch.arange(MAXLEN)[None, :] >= lengths[:, None], 0)
charge = torch.randint(2, 4, (N, 1)).float()
mass = torch.linspace(0.5, 1.9, AMINO)
mass[0] = 0.0
ccs = mass[peptide].sum(1) / 10 + 0.2 * charge.squeeze(1)
ccs = (ccs - ccs.min()) / (ccs.max() - ccs.min())

model = MobilityNet()
optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
loss_fn = nn.L1Loss()

for step in range(50):
    idx = torch.randint(0, N, (32,))
    pred = model(peptide[idx], charge[idx])
    loss = loss_fn(pred, ccs[idx])
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if step % 10 == 0 or step == 49:
        print(f"step {step:2d}  mae {loss.item():.4f}  mean prediction {pred.mean().item():.4f}")
