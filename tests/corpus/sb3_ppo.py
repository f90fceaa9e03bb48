"""stable-baselines3: PPO on a made environment of one moving point."""

import gymnasium
import numpy as np
import torch
from stable_baselines3 import PPO


class Hold(gymnasium.Env):
    observation_space = gymnasium.spaces.Box(-5, 5, (2,), np.float32)
    action_space = gymnasium.spaces.Discrete(2)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.state, self.left = self.np_random.normal(size=2).astype(np.float32), 20
        return self.state, {}

    def step(self, action):
        place, speed = self.state
        speed += 0.2 * (2 * int(action) - 1)
        self.state = np.array([place + 0.1 * speed, speed], np.float32).clip(-5, 5)
        self.left -= 1
        return self.state, -float(abs(place)), False, self.left == 0, {}


model = PPO(
    "MlpPolicy", Hold(), n_steps=64, batch_size=32, n_epochs=3, seed=23, device="cpu", ent_coef=0.01
)
print("begin")
for part in range(4):
    model.learn(128, reset_num_timesteps=part == 0)
    print(part, model.logger.name_to_value.get("train/loss"))
model.save("agent")
print("end", [p.sum().item() for p in model.policy.parameters()][:4], torch.rand(1).item())
