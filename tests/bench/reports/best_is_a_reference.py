import torch
from torch import nn


class Forecaster(nn.Module):
    def __init__(self, lags, hidden):
        super().__init__()
        self.rnn = nn.GRU(1, hidden, batch_first=True)
        self.readout = nn.Linear(hidden, 1)

    def forward(self, window):
        out, _ = self.rnn(window.unsqueeze(-1))
        return self.readout(out[:, -1]).squeeze(-1)


class EarlyStopping:
    def __init__(self, patience):
        self.patience, self.bad = patience, 0
        self.best_loss, self.best_model_dict = float("inf"), None

    def update(self, loss, model):
        if loss < self.best_loss:
            self.best_loss, self.bad = loss, 0
            self.best_model_dict = model.state_dict()  # bug
            # fix: self.best_model_dict = {k: v.clone() for k, v in model.state_dict().items()}
        else:
            self.bad += 1
        return self.bad >= self.patience


def windows(series, lags):
    w = series.unfold(0, lags + 1, 1)
    return w[:, :-1], w[:, -1]


torch.manual_seed(2)
t = torch.arange(420.0)
series = torch.sin(t / 6) + 0.5 * torch.sin(t / 2.3) + 0.25 * torch.randn(420)
x, y = windows(series, 16)
x_train, y_train, x_val, y_val = x[:60], y[:60], x[200:], y[200:]

model = Forecaster(16, 32)
optimizer = torch.optim.Adam(model.parameters(), lr=2e-2)
criterion = nn.MSELoss()
stopper = EarlyStopping(patience=12)
for epoch in range(60):
    model.train()
    for idx in torch.randperm(len(x_train)).split(20):
        optimizer.zero_grad()
        loss = criterion(model(x_train[idx]), y_train[idx])
        loss.backward()
        optimizer.step()
    model.eval()
    with torch.no_grad():
        val = criterion(model(x_val), y_val).item()
    if epoch % 5 == 0:
        print(f"epoch {epoch} train {loss.item():.4f} val {val:.4f}")
    if stopper.update(val, model):
        break
model.load_state_dict(stopper.best_model_dict)
model.eval()
with torch.no_grad():
    print(
        f"best val {stopper.best_loss:.4f}, val of the restored model {criterion(model(x_val), y_val).item():.4f}"
    )
