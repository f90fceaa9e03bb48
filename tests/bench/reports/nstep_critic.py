import torch
import torch.nn as nn

torch.manual_seed(21)
gamma, n_steps, horizon = 0.9, 5, 12


def make_windows(rewards):
    out = []
    for t in range(len(rewards)):
        acc, k = 0.0, 0
        while k < n_steps:
            acc += gamma**k * float(rewards[(t + k) % len(rewards)])
            k += 1
        out.append((t, acc, (t + n_steps) % len(rewards)))
    return out


rewards = torch.rand(horizon)
windows = make_windows(rewards)
start = torch.tensor([w[0] for w in windows])
ret = torch.tensor([w[1] for w in windows])
boot = torch.tensor([w[2] for w in windows])

critic = nn.Embedding(horizon, 1)
lagged = nn.Embedding(horizon, 1)
lagged.load_state_dict(critic.state_dict())
opt = torch.optim.SGD(critic.parameters(), lr=3.0)

for step in range(80):
    with torch.no_grad():
        target = ret + gamma * lagged(boot).squeeze(1)  # bug
        # fix: target = ret + gamma ** n_steps * lagged(boot).squeeze(1)
    loss = (critic(start).squeeze(1) - target).pow(2).mean()
    opt.zero_grad()
    loss.backward()
    opt.step()
    if step % 4 == 3:
        lagged.load_state_dict(critic.state_dict())
    if step % 16 == 15:
        v = critic.weight.detach().squeeze(1)
        print(f"step {step} loss {loss.item():.4f} V mean {v.mean().item():.3f}")
