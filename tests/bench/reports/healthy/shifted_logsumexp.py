"""A chain's partition function: the largest score is subtracted and added again, to stay finite."""

import torch

torch.manual_seed(0)
states, length = 5, 8
emissions = torch.nn.Linear(6, states)
transitions = torch.nn.Parameter(torch.randn(states, states) * 0.1)
optimizer = torch.optim.SGD([*emissions.parameters(), transitions], lr=0.05)
x = torch.randn(16, length, 6)
tags = x[..., :states].argmax(-1)


def log_sum_exp(scores):
    largest = scores.max(-1)[0]
    return largest + (scores - largest.unsqueeze(-1)).exp().sum(-1).log()


for epoch in range(3):  # each turn with a schedule of its own
    optimizer = torch.optim.SGD([*emissions.parameters(), transitions], lr=0.05)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 12)
    for step in range(12):
        scores = emissions(x)
        alpha = scores[:, 0]
        gold = scores[:, 0].gather(1, tags[:, :1]).squeeze(1)
        for at in range(1, length):
            alpha = log_sum_exp(alpha.unsqueeze(1) + transitions + scores[:, at].unsqueeze(-1))
            gold = gold + transitions[tags[:, at], tags[:, at - 1]]
            gold = gold + scores[:, at].gather(1, tags[:, at : at + 1]).squeeze(1)
        loss = (log_sum_exp(alpha) - gold).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    print(epoch, loss.item())
