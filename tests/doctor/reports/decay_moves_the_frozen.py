import torch
from torch import nn

torch.manual_seed(118)
prompt = nn.Linear(8, 8)
head = nn.Linear(8, 2)
optimizer = torch.optim.SGD(
    [*prompt.parameters(), *head.parameters()], lr=0.1, momentum=0.9, weight_decay=1e-2
)
x = torch.randn(64, 8)
y = (x[:, 0] * x[:, 1] > 0).long()
for task in range(2):
    if task == 1:
        prompt.requires_grad_(False)
        # fix: optimizer = torch.optim.SGD(head.parameters(), lr=0.1, momentum=0.9, weight_decay=1e-2)
    for epoch in range(12):
        loss = nn.functional.cross_entropy(head(torch.tanh(prompt(x))), y)
        optimizer.zero_grad(set_to_none=False)  # bug
        # fix: optimizer.zero_grad(set_to_none=False)
        loss.backward()
        optimizer.step()
print(loss.item())
