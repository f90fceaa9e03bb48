import copy
import torch
import torch.nn as nn

torch.manual_seed(8)
N_STATE, GAMMA = 6, 0.9


class Learner:
    def __init__(self):
        self.eval_net = nn.Sequential(nn.Linear(N_STATE, 64), nn.ReLU(), nn.Linear(64, 2))
        self.target_net = copy.deepcopy(self.eval_net)
        self.opt = torch.optim.Adam(self.eval_net.parameters(), lr=1e-2)
        self.count = 0

    def learn(self, s, a, r, s2, done):
        q = self.eval_net(s).gather(1, a)
        with torch.no_grad():
            nxt = self.target_net(s2).max(1, keepdim=True)[0]
            y = r + GAMMA * (1 - done) * nxt
        loss = (q - y).pow(2).mean()
        self.opt.zero_grad()
        loss.backward()
        self.opt.step()
        self.count += 1
        if self.count % 5 == 0:
            self.target_net.load_state_dict(self.target_net.state_dict())  # bug
            # fix: self.target_net.load_state_dict(self.eval_net.state_dict())
        return loss.item()


def chain(n):
    pos = torch.randint(0, N_STATE, (n, 1))
    act = torch.randint(0, 2, (n, 1))
    nxt = (pos + 2 * act - 1).clamp(0, N_STATE - 1)
    reward = (nxt == N_STATE - 1).float()
    eye = torch.eye(N_STATE)
    return eye[pos.squeeze(1)], act, reward, eye[nxt.squeeze(1)], torch.zeros(n, 1)


agent = Learner()
for k in range(80):
    loss = agent.learn(*chain(128))
    if k % 20 == 19:
        with torch.no_grad():
            v = agent.eval_net(torch.eye(N_STATE)).max(1)[0]
            t = agent.target_net(torch.eye(N_STATE)).max(1)[0]
        print(
            k,
            "loss %.4f" % loss,
            "V",
            [round(u, 2) for u in v.tolist()],
            "Vt",
            [round(u, 2) for u in t.tolist()],
        )
