import torch
from torch import nn


class Config:
    vocab, embed, hidden, classes = 50, 16, 24, 4
    lr, epochs, batch, length = 0.3, 12, 32, 14


class TextModel(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.config = config
        self.embeddings = nn.Embedding(config.vocab, config.embed)
        self.lstm = nn.LSTM(config.embed, config.hidden, batch_first=True)
        self.fc = nn.Linear(config.hidden, config.classes)
        self.softmax = nn.Softmax(dim=1)  # bug
        # fix: self.softmax = nn.LogSoftmax(dim=1)

    def forward(self, x):
        _, (h, _) = self.lstm(self.embeddings(x))
        return self.softmax(self.fc(h[-1]))

    def add_optimizer(self, optimizer):
        self.optimizer = optimizer

    def add_loss_op(self, loss_op):
        self.loss_op = loss_op

    def run_epoch(self, x, y, epoch):
        losses, hits = [], 0
        for idx in torch.randperm(len(x)).split(self.config.batch):
            self.optimizer.zero_grad()
            y_pred = self(x[idx])
            loss = self.loss_op(y_pred, y[idx])
            loss.backward()
            self.optimizer.step()
            losses.append(loss.item())
            hits += (y_pred.argmax(1) == y[idx]).sum().item()
        print(
            f"Epoch: {epoch}  avg training loss: {sum(losses) / len(losses):.4f}  accuracy: {hits / len(x):.3f}"
        )


def newsgroups(n, cfg):
    y = torch.randint(0, cfg.classes, (n,))
    x = torch.randint(0, cfg.vocab, (n, cfg.length))
    topical = torch.rand(n, cfg.length) < 0.35
    words = y.unsqueeze(1) * 8 + torch.randint(0, 8, (n, cfg.length))
    return torch.where(topical, words, x), y


if __name__ == "__main__":
    torch.manual_seed(13)
    cfg = Config()
    x, y = newsgroups(480, cfg)
    model = TextModel(cfg)
    model.add_optimizer(torch.optim.SGD(model.parameters(), lr=cfg.lr))
    model.add_loss_op(nn.NLLLoss())
    for epoch in range(cfg.epochs):
        model.run_epoch(x, y, epoch)
