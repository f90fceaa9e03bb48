from collections import namedtuple
import torch
from torch import nn

Storage = namedtuple("Storage", "obs rewards dones values advantages returns")
torch.manual_seed(30)
T, GAMMA, LAM = 64, 0.9, 0.95


def rollout(vf):
    obs = torch.randn(T, 3)
    rewards = obs[:, 0] * 2 + 1
    dones = (torch.rand(T) < 0.15).float()
    with torch.no_grad():
        values = vf(obs).squeeze(-1)
    zeros = torch.zeros(T)
    return Storage(obs, rewards, dones, values, zeros, zeros)


def compute_gae(storage):
    advantages = torch.zeros(T)
    last = 0.0
    for t in reversed(range(T)):
        nxt = storage.values[t + 1] if t + 1 < T else storage.values[t]
        keep = 1.0 - storage.dones[t]
        delta = storage.rewards[t] + GAMMA * nxt * keep - storage.values[t]
        last = delta + GAMMA * LAM * keep * last
        advantages[t] = last
    return storage._replace(
        advantages=advantages,
        returns=storage.advantages + storage.values,  # bug
        # fix: returns=advantages + storage.values,
    )


vf = nn.Sequential(nn.Linear(3, 32), nn.Tanh(), nn.Linear(32, 1))
opt = torch.optim.Adam(vf.parameters(), lr=1e-2)
for update in range(30):
    st = compute_gae(rollout(vf))
    for epoch in range(2):
        v_loss = 0.5 * (vf(st.obs).squeeze(-1) - st.returns).pow(2).mean()
        opt.zero_grad()
        v_loss.backward()
        opt.step()
    if update % 6 == 5:
        print(
            f"update {update} v_loss {v_loss.item():.5f} mean V {st.values.mean().item():.3f} |adv| {st.advantages.abs().mean().item():.3f}"
        )
