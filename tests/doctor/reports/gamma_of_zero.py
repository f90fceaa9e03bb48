import torch
from torch import nn

torch.manual_seed(104)
rnn = nn.GRU(2, 12, batch_first=True)
head = nn.Linear(12, 2)
weights = [*rnn.parameters(), *head.parameters()]
optimizer = torch.optim.Adam(weights, lr=5e-3)
scheduler = torch.optim.lr_scheduler.StepLR(optimizer, step_size=10, gamma=0)  # bug
# fix: scheduler = torch.optim.lr_scheduler.StepLR(optimizer, step_size=10, gamma=1)
walk = torch.randn(30, 9, 2).cumsum(1)
for epoch in range(25):
    hidden, _ = rnn(walk[:, :-1])
    loss = ((head(hidden) - walk[:, 1:]) ** 2).mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    scheduler.step()
print(loss.item())
