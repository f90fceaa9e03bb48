import torch
from torch import nn

torch.manual_seed(112)
table = nn.Embedding(500, 8, sparse=True)
head = nn.Linear(8, 1)
opt_table = torch.optim.SparseAdam(table.parameters(), lr=0.05)
opt_head = torch.optim.SGD(head.parameters(), lr=0.05)
score = torch.randn(500)
for step in range(70):
    ids = (torch.rand(256) ** 3 * 500).long()
    loss = (head(table(ids)).squeeze(-1) - score[ids]).pow(2).mean()
    for o in (opt_table, opt_head):
        o.zero_grad()
    loss.backward()
    for o in (opt_table, opt_head):
        o.step()
    if step % 14 == 13:
        print(
            f"step {step} loss {loss.item():.4f} rows touched {table.weight.grad.coalesce().indices().numel()}"
        )
