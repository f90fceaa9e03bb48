import torch
import torch.nn as nn

torch.manual_seed(40)

VOCAB, DIM, MAXLEN, N = 60, 16, 20, 200


class BagClassifier(nn.Module):
    def __init__(self):
        super().__init__()
        self.emb = nn.Embedding(VOCAB, DIM, padding_idx=0)
        self.fc1 = nn.Linear(DIM, 24)
        self.fc2 = nn.Linear(24, 2)
        self.init_weights()

    def init_weights(self):
        self.emb.weight.data.normal_(0.0, 1.0)
        # fix: self.emb.weight.data[self.emb.padding_idx].zero_()
        nn.init.xavier_uniform_(self.fc1.weight)
        nn.init.xavier_uniform_(self.fc2.weight)

    def forward(self, tokens, lengths):
        summed = self.emb(tokens).sum(dim=1)
        pooled = summed / lengths.unsqueeze(1).float()
        return self.fc2(torch.tanh(self.fc1(pooled)))


lengths = torch.randint(3, MAXLEN + 1, (N,))
tokens = torch.randint(1, VOCAB, (N, MAXLEN))
pad = torch.arange(MAXLEN).unsqueeze(0) >= lengths.unsqueeze(1)
polarity = torch.randn(VOCAB)
score = polarity[tokens].masked_fill(pad, 0.0).sum(dim=1)
labels = (score > 0).long()
tokens = tokens.masked_fill(pad, 0)

model = BagClassifier()
optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
criterion = nn.CrossEntropyLoss()

for step in range(60):
    idx = torch.randint(0, N, (64,))
    logits = model(tokens[idx], lengths[idx])
    loss = criterion(logits, labels[idx])
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if step % 10 == 0 or step == 59:
        acc = (logits.argmax(1) == labels[idx]).float().mean().item()
        print(f"step {step:2d}  loss {loss.item():.4f}  acc {acc:.2f}")
