import torch
from torch import nn

torch.manual_seed(10)
T, VOCAB, HID = 24, 20, 24


class PacketNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.emb = nn.Embedding(VOCAB, 16)
        self.lstm = nn.LSTM(16, HID, batch_first=True, bidirectional=True)
        self.fc = nn.Linear(2 * HID, 4)

    def forward(self, x):
        out, _ = self.lstm(self.emb(x))
        feat = out[:, -1]  # bug
        # fix: feat = torch.cat([out[:, -1, :HID], out[:, 0, HID:]], 1)
        return self.fc(feat)


def packets(n):
    x = torch.randint(4, VOCAB, (n, T))
    x[:, 1] = torch.randint(0, 4, (n,))
    return x, x[:, 1].clone()


def main():
    net = PacketNet()
    opt = torch.optim.Adam(net.parameters(), lr=5e-3)
    for step in range(70):
        x, y = packets(64)
        logits = net(x)
        loss = nn.functional.cross_entropy(logits, y)
        opt.zero_grad()
        loss.backward()
        opt.step()
        if step % 14 == 13:
            print(
                step,
                round(loss.item(), 4),
                "acc",
                (logits.argmax(1) == y).float().mean().item(),
            )


main()
