import io
import torch
import torch.nn as nn

N, DIM = 400, 40
g = torch.Generator().manual_seed(0)
data_x = torch.randn(N, DIM, generator=g)
w_true = torch.randn(DIM, 1, generator=g)
data_y = data_x @ w_true + 0.5 * torch.randn(N, 1, generator=g)


def session(blob, iters):
    model = nn.Sequential(nn.Linear(DIM, 64), nn.Tanh(), nn.Linear(64, 1))
    opt = torch.optim.Adam(model.parameters(), lr=1e-2)
    iter_num = 0
    if blob is not None:
        blob.seek(0)
        ck = torch.load(blob, weights_only=False)
        model.load_state_dict(ck["model"])
        opt.load_state_dict(ck["opt"])
        iter_num = ck["iter_num"]
    torch.manual_seed(1337)  # bug
    # fix: torch.manual_seed(1337 + iter_num)
    for _ in range(iters):
        idx = torch.randint(0, N, (10,))
        loss = (model(data_x[idx]) - data_y[idx]).pow(2).mean()
        opt.zero_grad()
        loss.backward()
        opt.step()
        iter_num += 1
    with torch.no_grad():
        full = (model(data_x) - data_y).pow(2).mean().item()
    print(f"iter {iter_num} batch loss {loss.item():.4f} loss on all data {full:.4f}")
    out = io.BytesIO()
    torch.save({"model": model.state_dict(), "opt": opt.state_dict(), "iter_num": iter_num}, out)
    return out


torch.manual_seed(1)
state = None
for part in range(8):
    state = session(state, 10)
