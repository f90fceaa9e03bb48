"""stable-baselines3: SAC, three optimizers and a target network, on a made environment."""

import gymnasium
import numpy as np
import torch
from stable_baselines3 import SAC


class Reach(gymnasium.Env):
    observation_space = gymnasium.spaces.Box(-2, 2, (1,), np.float32)
    action_space = gymnasium.spaces.Box(-1, 1, (1,), np.float32)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.state, self.left = self.np_random.uniform(-1, 1, 1).astype(np.float32), 15
        return self.state, {}

    def step(self, action):
        self.state = (self.state + 0.3 * action).clip(-2, 2).astype(np.float32)
        self.left -= 1
        return self.state, -float(self.state[0] ** 2), False, self.left == 0, {}


model = SAC(
    "MlpPolicy",
    Reach(),
    learning_starts=30,
    batch_size=16,
    seed=24,
    device="cpu",
    policy_kwargs={"net_arch": [32]},
)
print("begin")
model.learn(70)
print(model.logger.name_to_value)
print("end", [p.sum().item() for p in model.policy.parameters()][:4], torch.rand(1).item())
