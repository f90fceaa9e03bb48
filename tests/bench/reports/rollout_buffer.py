import torch
import torch.nn as nn
from torch.distributions import Categorical


class Corridor:
    def __init__(self, gen):
        self.gen, self.t = gen, 0

    def _obs(self):
        self.want = int(torch.randint(0, 3, (1,), generator=self.gen))
        return torch.nn.functional.one_hot(torch.tensor(self.want), 3).float()

    def reset(self):
        self.t = 0
        return self._obs()

    def step(self, a):
        r = 1.0 if a == self.want else 0.0
        self.t += 1
        return self._obs(), r, self.t >= 10


torch.manual_seed(4)
env = Corridor(torch.Generator().manual_seed(4))
pi, vf = nn.Linear(3, 3), nn.Linear(3, 1)
opt = torch.optim.Adam(list(pi.parameters()) + list(vf.parameters()), lr=0.05)
gamma = 0.05

for it in range(40):
    obs_buf, act_buf, rew_buf, end_buf = [], [], [], []
    for _ in range(12):
        o, r, done = env.reset(), 0.0, False
        while not done:
            a = Categorical(logits=pi(o)).sample()
            obs_buf.append(o), act_buf.append(a), rew_buf.append(r)  # bug
            # fix: obs_buf.append(o), act_buf.append(a)
            o, r, done = env.step(int(a))
            # fix: rew_buf.append(r)
            end_buf.append(done)
    ret, acc = [], 0.0
    for r, d in zip(reversed(rew_buf), reversed(end_buf)):
        acc = r + gamma * acc * (1.0 - float(d))
        ret.append(acc)
    ret = torch.tensor(ret[::-1])
    obs, act = torch.stack(obs_buf), torch.stack(act_buf)
    v = vf(obs).squeeze(-1)
    adv = ret - v.detach()
    adv = (adv - adv.mean()) / (adv.std() + 1e-8)
    logp = Categorical(logits=pi(obs)).log_prob(act)
    loss = -(logp * adv).mean() + 0.5 * (v - ret).pow(2).mean()
    opt.zero_grad()
    loss.backward()
    opt.step()
    if it % 8 == 7:
        print(f"iter {it} reward/step {sum(rew_buf) / len(rew_buf):.3f} loss {loss.item():.4f}")
