import copy

import torch
from torch import nn

torch.manual_seed(61)


class Policy(nn.Module):
    def __init__(self, obs=2, hidden=48):
        super().__init__()
        self.body = nn.Sequential(
            nn.Linear(obs, hidden), nn.Tanh(), nn.Linear(hidden, hidden), nn.Tanh()
        )
        self.V, self.mu, self.L = nn.Linear(hidden, 1), nn.Linear(hidden, 1), nn.Linear(hidden, 1)

    def forward(self, state, action=None):
        h = self.body(state)
        V, mu = self.V(h), torch.tanh(self.mu(h))
        Q = None
        if action is not None:
            Q = V - 0.5 * (self.L(h).exp() * (action - mu)).pow(2)
        return mu, Q, V


class NAF:
    def __init__(self, gamma=0.9, tau=0.02):
        self.gamma, self.tau = gamma, tau
        self.model = Policy()
        self.target_model = copy.deepcopy(self.model).requires_grad_(False)
        self.optimizer = torch.optim.Adam(self.model.parameters(), lr=2e-3)

    def update(self, state, action, mask, next_state, reward):
        with torch.no_grad():
            _, _, next_values = self.target_model(next_state)
        expected = reward + self.gamma * mask + next_values  # bug
        # fix: expected = reward + self.gamma * mask * next_values
        _, q, _ = self.model(state, action)
        loss = (q - expected).pow(2).mean()
        self.optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self.model.parameters(), 1)
        self.optimizer.step()
        with torch.no_grad():
            for t, s in zip(self.target_model.parameters(), self.model.parameters()):
                t.lerp_(s, self.tau)
        return loss.item(), q.mean().item()


def transitions(n):
    state = torch.rand(n, 2) * 2 - 1
    action = torch.rand(n, 1) * 2 - 1
    velocity = (state[:, 1:] + 0.3 * action).clamp(-1, 1)
    place = state[:, :1] + 0.3 * velocity
    done = place.abs() > 1
    return (
        state,
        action,
        1.0 - done.float(),
        torch.cat([place, velocity], 1),
        1.0 - place.abs() - done.float(),
    )


agent = NAF()
for update in range(400):
    loss, q = agent.update(*transitions(64))
    if update % 50 == 49:
        print(f"update {update + 1} value_loss {loss:.4f} mean Q {q:.3f}")
