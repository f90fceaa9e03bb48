import torch
import torch.nn as nn
from torch.nn.utils.rnn import pad_sequence

torch.manual_seed(38)

VOCAB, PAD = 30, 0


def make_corpus(n):
    seqs, labels = [], []
    for _ in range(n):
        length = torch.randint(3, 25, (1,)).item()
        label = torch.randint(0, 2, (1,)).item()
        seq = torch.randint(1, 20, (length,))
        seq[-1] = 20 + 5 * label + torch.randint(0, 5, (1,)).item()
        seqs.append(seq)
        labels.append(label)
    return seqs, torch.tensor(labels)


class TextClassifier(nn.Module):
    def __init__(self, emb_dim=16, hidden=24):
        super().__init__()
        self.embedding = nn.Embedding(VOCAB, emb_dim, padding_idx=PAD)
        self.encoder = nn.GRU(emb_dim, hidden)
        self.linear = nn.Linear(hidden, 16)
        self.predictor = nn.Linear(16, 2)

    def forward(self, seq, lengths):
        hdn, _ = self.encoder(self.embedding(seq))
        feature = hdn[-1, :, :]  # bug
        # fix: feature = hdn[lengths - 1, torch.arange(seq.size(1))]
        feature = torch.relu(self.linear(feature))
        return self.predictor(feature)


seqs, labels = make_corpus(240)
model = TextClassifier()
optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
loss_fn = nn.CrossEntropyLoss()

for step in range(50):
    idx = torch.randint(0, 240, (32,))
    chosen = [seqs[i] for i in idx.tolist()]
    lengths = torch.tensor([len(s) for s in chosen])
    batch = pad_sequence(chosen, padding_value=PAD)
    logits = model(batch, lengths)
    loss = loss_fn(logits, labels[idx])
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if step % 10 == 0 or step == 49:
        acc = (logits.argmax(1) == labels[idx]).float().mean().item()
        print(f"step {step:2d}  loss {loss.item():.4f}  acc {acc:.2f}")
