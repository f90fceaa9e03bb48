import torch
import torch.nn as nn
from torch.nn.utils.rnn import pack_padded_sequence


class Flows(torch.utils.data.Dataset):
    def __init__(self, n, seed):
        g = torch.Generator().manual_seed(seed)
        self.data = []
        for _ in range(n):
            label = int(torch.randint(0, 3, (1,), generator=g))
            length = int(torch.randint(3, 15, (1,), generator=g))
            seq = torch.randn(length, 5, generator=g) * 0.7
            seq[:, label] += 1.0
            self.data.append((seq, label))

    def __len__(self):
        return len(self.data)

    def __getitem__(self, i):
        return self.data[i]


def collate(items):
    seqs, labels = zip(*items)
    lengths = torch.tensor([len(s) for s in seqs])
    labels = torch.tensor(labels)
    lengths, order = lengths.sort(descending=True)
    padded = nn.utils.rnn.pad_sequence([seqs[i] for i in order], batch_first=True)
    return padded, lengths, labels  # bug
    # fix: return padded, lengths, labels[order]


class FlowNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.gru = nn.GRU(5, 24, batch_first=True)
        self.fc = nn.Linear(24, 3)

    def forward(self, x, lengths):
        _, h = self.gru(pack_padded_sequence(x, lengths, batch_first=True))
        return self.fc(h[-1])


torch.manual_seed(1)
loader = torch.utils.data.DataLoader(Flows(320, 0), batch_size=32, shuffle=True, collate_fn=collate)
net = FlowNet()
opt = torch.optim.Adam(net.parameters(), lr=1e-2)
for epoch in range(8):
    right = total = 0
    for x, lengths, y in loader:
        out = net(x, lengths)
        loss = nn.functional.cross_entropy(out, y)
        opt.zero_grad()
        loss.backward()
        opt.step()
        right += (out.argmax(1) == y).sum().item()
        total += len(y)
    print("epoch", epoch, "loss", round(loss.item(), 4), "acc", round(right / total, 3))
