import torch
from torch import nn

torch.manual_seed(21)
true_w = torch.tensor([1.2, -0.8, 0.0, 0.5])


def cohort(n):
    x = torch.randn(n, 4)
    t = torch.distributions.Exponential(torch.exp(x @ true_w)).sample()
    c = torch.distributions.Exponential(torch.full((n,), 0.6)).sample()
    event = (t <= c).long()
    return x, torch.minimum(t, c), event


def neg_partial_log_likelihood(log_hz, event, time):
    order = torch.argsort(time)
    log_hz, event = log_hz[order], event[order]
    denom = torch.logcumsumexp(log_hz.flip(0), 0).flip(0)
    picked = (log_hz - denom)[event]  # bug
    # fix: picked = (log_hz - denom)[event.bool()]
    return -picked.mean()


def concordance(score, time, event):
    earlier = (time[:, None] < time[None]) & (event[:, None] == 1)
    return ((score[:, None] > score[None]) & earlier).sum().item() / earlier.sum().item()


model = nn.Linear(4, 1, bias=False)
opt = torch.optim.Adam(model.parameters(), lr=0.05)
x, time, event = cohort(400)
for epoch in range(60):
    perm = torch.randperm(400)[:128]
    loss = neg_partial_log_likelihood(model(x[perm]).squeeze(1), event[perm], time[perm])
    opt.zero_grad()
    loss.backward()
    opt.step()
    if epoch % 15 == 14:
        with torch.no_grad():
            ci = concordance(model(x).squeeze(1), time, event)
        print(f"epoch {epoch} npll {loss.item():.4f} c-index {ci:.3f}")
print(
    "weights",
    [round(v, 2) for v in model.weight[0].tolist()],
    "made with",
    true_w.tolist(),
)
