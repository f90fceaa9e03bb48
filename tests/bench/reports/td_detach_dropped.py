import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(11)

gamma = 0.9
n_states = 7


def random_walk(n):
    """Transitions of a symmetric random walk, +1 when leaving on the right."""
    s = torch.randint(0, n_states, (n,))
    move = torch.randint(0, 2, (n,)) * 2 - 1
    nxt = s + move
    done = (nxt < 0) | (nxt >= n_states)
    reward = (nxt >= n_states).float()
    return s, reward, nxt.clamp(0, n_states - 1), done.float()


value_net = nn.Sequential(nn.Linear(n_states, 32), nn.Tanh(), nn.Linear(32, 1))
opt = torch.optim.Adam(value_net.parameters(), lr=1e-2)


def value(states):
    return value_net(F.one_hot(states, n_states).float()).squeeze(1)


for step in range(60):
    s, r, s_next, done = random_walk(128)
    v = value(s)
    v_next = value(s_next)
    v_next.detach()  # bug
    # fix: v_next = v_next.detach()
    target = r + gamma * (1.0 - done) * v_next
    loss = F.mse_loss(v, target)

    opt.zero_grad()
    loss.backward()
    opt.step()
    if step % 10 == 0 or step == 59:
        print(f"step {step:2d} td loss {loss.item():.4f}")

with torch.no_grad():
    print([round(x, 2) for x in value(torch.arange(n_states)).tolist()])
