import torch
import torch.nn as nn
import torch.nn.functional as F


class Cfg:
    gamma = 0.8
    sync_every = 4
    batch = 64
    steps = 80


class Policy:
    """value network with a slow copy"""

    def __init__(self, n_obs, n_act):
        make = lambda: nn.Linear(n_obs, n_act, bias=False)
        self.eval_net = make()
        self.target_net = make()
        self.target_net.load_state_dict(self.eval_net.state_dict())
        self.opt = torch.optim.Adam(self.eval_net.parameters(), lr=0.1)
        self.calls = 0

    def learn(self, o, a, r, o2, done):
        q = self.eval_net(o).gather(1, a[:, None]).squeeze(1)
        with torch.no_grad():
            nxt = self.target_net(o2).max(1).values
        y = r + Cfg.gamma * (1 - done) * nxt
        loss = F.mse_loss(q, y)
        self.opt.zero_grad()
        loss.backward()
        self.opt.step()
        self.calls += 1
        if self.calls % Cfg.sync_every == 0:
            self.target_net.load_state_dict(self.target_net.state_dict())  # bug
            # fix: self.target_net.load_state_dict(self.eval_net.state_dict())
        return loss.item()


def sample(n):
    pos = torch.randint(0, 7, (n,))
    act = torch.randint(0, 2, (n,))
    nxt = (pos + 2 * act - 1).clamp(0, 7)
    done = (nxt == 7).float()
    return F.one_hot(pos, 8).float(), act, done.clone(), F.one_hot(nxt, 8).float(), done


torch.manual_seed(0)
agent = Policy(8, 2)
for i in range(Cfg.steps):
    l = agent.learn(*sample(Cfg.batch))
    if i % 16 == 15:
        with torch.no_grad():
            q = agent.eval_net(torch.eye(8))[:7, 1]
        print(i, round(l, 5), "Q right:", [round(v, 2) for v in q.tolist()])
