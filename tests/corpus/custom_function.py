"""A hand loop: a straight-through autograd.Function on sparse embeddings, two optimizers."""

import torch
from torch import nn

torch.manual_seed(10)


class Round(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, levels):
        ctx.save_for_backward(x)
        return (x * levels).round() / levels

    @staticmethod
    def backward(ctx, grad):
        (x,) = ctx.saved_tensors
        return grad * (x.abs() <= 1), None


words = nn.Embedding(50, 8, sparse=True)
head = nn.Linear(8, 2)
of_words = torch.optim.SparseAdam(words.parameters(), lr=1e-2)
of_head = torch.optim.SGD(head.parameters(), lr=0.1, weight_decay=1e-3)
ids = torch.randint(50, (40, 6))
labels = (ids.sum(1) > 147).long()
print("begin")
for epoch in range(8):
    for at in torch.randperm(40).split(10):
        code = Round.apply(torch.tanh(words(ids[at]).mean(1)), 8)
        loss = nn.functional.cross_entropy(head(code), labels[at])
        of_words.zero_grad()
        of_head.zero_grad()
        loss.backward()
        of_words.step()
        of_head.step()
    print(epoch, loss.item())
print("end", words.weight.sum().item(), head.weight.tolist(), torch.rand(1).item())
