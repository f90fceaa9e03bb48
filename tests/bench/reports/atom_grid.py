import copy
import torch
from torch import nn
import torch.nn.functional as F

torch.manual_seed(3)
N_ATOMS, V_MIN, V_MAX, GAMMA = 21, -10.0, 10.0, 0.9
support = torch.linspace(V_MIN, V_MAX, N_ATOMS)
dz = (V_MAX - V_MIN) / (N_ATOMS - 1)


class DistNet(nn.Module):
    def __init__(self, n_state=6, n_action=2):
        super().__init__()
        self.n_action = n_action
        self.body = nn.Sequential(
            nn.Linear(n_state, 48), nn.ReLU(), nn.Linear(48, n_action * N_ATOMS)
        )

    def forward(self, s):
        return self.body(s).view(-1, self.n_action, N_ATOMS).log_softmax(-1)


def walk(n):
    s = torch.randint(0, 5, (n,))
    a = torch.randint(0, 2, (n,))
    nxt = (s + 2 * a - 1).clamp(min=0)
    done = (nxt == 5).float()
    reward = torch.where(nxt == 5, 8.0, -1.0)
    return F.one_hot(s, 6).float(), a, reward, F.one_hot(nxt, 6).float(), done


def project(next_probs, r, done):
    tz = (r[:, None] + GAMMA * (1 - done[:, None]) * support).clamp(V_MIN, V_MAX)
    b = (tz - V_MIN) / dz
    lo, hi = b.floor().long(), b.ceil().long()  # bug
    # fix: lo, hi = b.floor().long(), b.ceil().long()
    # fix: same = lo == hi
    # fix: hi = torch.where(same & (lo < N_ATOMS - 1), hi + 1, hi)
    # fix: lo = torch.where(same & (lo == N_ATOMS - 1), lo - 1, lo)
    out = torch.zeros_like(next_probs)
    out.scatter_add_(1, lo, next_probs * (hi.float() - b))
    out.scatter_add_(1, hi, next_probs * (b - lo.float()))
    return out


net = DistNet()
frozen = copy.deepcopy(net)
opt = torch.optim.Adam(net.parameters(), lr=5e-3)
for it in range(80):
    s, a, r, s2, done = walk(128)
    with torch.no_grad():
        p2 = frozen(s2).exp()
        best = (p2 * support).sum(-1).argmax(1)
        target = project(p2[torch.arange(128), best], r, done)
    logp = net(s)[torch.arange(128), a]
    loss = -(target * logp).sum(1).mean()
    opt.zero_grad()
    loss.backward()
    opt.step()
    if it % 8 == 0:
        frozen.load_state_dict(net.state_dict())
    if it % 16 == 15:
        q = (net(torch.eye(6)[4:5]).exp() * support).sum(-1)
        print(
            f"it {it:3d} loss {loss.item():.4f} target mass {target.sum(1).mean().item():.3f} Q(4,right) {q[0, 1].item():.3f}"
        )
