import torch
import torch.nn as nn

torch.manual_seed(27)

N_CLIPS, FRAMES, PIX = 128, 6, 20


class FrameEncoder(nn.Module):
    def __init__(self, out_dim):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(PIX, 32), nn.ReLU(), nn.Linear(32, out_dim))

    def forward(self, clips):
        b, t, p = clips.shape
        return self.net(clips.reshape(b * t, p)).reshape(b, t, -1)


class FrameDecoder(nn.Module):
    def __init__(self, in_dim, hidden, n_classes):
        super().__init__()
        self.lstm = nn.LSTM(in_dim, hidden, num_layers=1)  # bug
        # fix: self.lstm = nn.LSTM(in_dim, hidden, num_layers=1, batch_first=True)
        self.fc = nn.Sequential(nn.Linear(hidden, 24), nn.ReLU(), nn.Linear(24, n_classes))

    def forward(self, feats):
        out, _ = self.lstm(feats)
        return self.fc(out[:, -1])


pattern = torch.randn(3, PIX)
labels = torch.randint(0, 3, (N_CLIPS,))
clips = 0.5 * torch.randn(N_CLIPS, FRAMES, PIX)
clips[:, 1] += pattern[labels]
clips[:, 2] += pattern[labels]

encoder, decoder = FrameEncoder(16), FrameDecoder(16, 32, 3)
params = list(encoder.parameters()) + list(decoder.parameters())
optimizer = torch.optim.Adam(params, lr=5e-3)
criterion = nn.CrossEntropyLoss()

step = 0
for epoch in range(10):
    order = torch.randperm(N_CLIPS)
    for chunk in order.split(32):
        logits = decoder(encoder(clips[chunk]))
        loss = criterion(logits, labels[chunk])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step % 8 == 0 or step == 39:
            acc = (logits.argmax(1) == labels[chunk]).float().mean().item()
            print(f"step {step:2d}  loss {loss.item():.4f}  acc {acc:.2f}")
        step += 1
