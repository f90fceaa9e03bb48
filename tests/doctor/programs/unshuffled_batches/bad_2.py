import torch
from torch import nn

torch.manual_seed(0)
cats, dogs = torch.randn(40, 5) + 1, torch.randn(40, 5) - 1
images = torch.cat([cats, dogs])
labels = torch.cat([torch.zeros(40), torch.ones(40)]).long()
net = nn.Linear(5, 2)
opt = torch.optim.SGD(net.parameters(), lr=0.1)
for epoch in range(3):
    for i in range(0, 80, 10):
        opt.zero_grad()
        loss = nn.CrossEntropyLoss()(net(images[i : i + 10]), labels[i : i + 10])
        loss.backward()
        opt.step()
