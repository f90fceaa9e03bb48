from dataclasses import dataclass
import torch
from torch import nn


@dataclass
class Cfg:
    iters: int = 50
    batch: int = 128
    lr: float = 0.02
    bonus: float = 100.0
    seed: int = 6


def normalise(adv):
    return adv - adv.mean() / (adv.std() + 1e-5)  # bug
    # fix: return (adv - adv.mean()) / (adv.std() + 1e-5)


def reward_of(state, action, cfg):
    hit = (state[:, 0] > 0).long() == action
    return hit.float() + cfg.bonus


def main(cfg=Cfg()):
    torch.manual_seed(cfg.seed)
    actor = nn.Sequential(nn.Linear(3, 16), nn.Tanh(), nn.Linear(16, 2))
    opt = torch.optim.Adam(actor.parameters(), lr=cfg.lr)
    for it in range(cfg.iters):
        s = torch.randn(cfg.batch, 3)
        dist = torch.distributions.Categorical(logits=actor(s))
        a = dist.sample()
        rew = reward_of(s, a, cfg)
        adv = normalise(rew)
        loss = -(dist.log_prob(a) * adv).mean()
        opt.zero_grad()
        loss.backward()
        norm = nn.utils.clip_grad_norm_(actor.parameters(), 0.5)
        opt.step()
        if it % 10 == 9:
            print(
                f"it {it} hits {rew.mean().item() - cfg.bonus:.3f} loss {loss.item():.3f} "
                f"adv mean {adv.mean().item():.3f} std {adv.std().item():.3f} gnorm {norm.item():.3f}"
            )


main()
