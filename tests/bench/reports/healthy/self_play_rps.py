# Healthy: two REINFORCE players of a zero-sum game; the losses circle around 0 and do not fall, the average strategy nears 1/3 each
import torch
from torch.distributions import Categorical

torch.manual_seed(5)
PAYOFF = torch.tensor([[0.0, -1.0, 1.0], [1.0, 0.0, -1.0], [-1.0, 1.0, 0.0]])
logits = [
    torch.tensor([1.0, 0.0, -0.5], requires_grad=True),
    torch.tensor([-0.5, 0.3, 0.6], requires_grad=True),
]
opts = [torch.optim.SGD([p], lr=0.15) for p in logits]
average = torch.zeros(2, 3)
for game in range(400):
    dists = [Categorical(logits=p) for p in logits]
    moves = [d.sample((128,)) for d in dists]
    reward = PAYOFF[moves[0], moves[1]]
    losses = []
    for who, (dist, move, opt) in enumerate(zip(dists, moves, opts)):
        r = reward if who == 0 else -reward
        advantage = r - r.mean()
        loss = -(dist.log_prob(move) * advantage).mean() - 0.03 * dist.entropy()
        opt.zero_grad()
        loss.backward()
        opt.step()
        losses.append(loss.item())
    average += torch.stack([d.probs.detach() for d in dists])
    if game % 80 == 79:
        print(
            f"game {game + 1} losses {losses[0]:.3f} {losses[1]:.3f} average strategy",
            [round(v, 2) for v in (average / (game + 1))[0].tolist()],
        )
