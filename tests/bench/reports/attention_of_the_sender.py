import torch
from torch import nn
from torch.nn import functional as F

torch.manual_seed(333)
nodes, edges = 24, 90
sender, receiver = torch.randint(0, nodes, (2, edges))


def share(score, index):
    score = (score - score.max()).exp()
    return score / torch.zeros(nodes).index_add(0, index, score)[index]


class Attend(nn.Module):
    def __init__(self, given, wanted):
        super().__init__()
        self.value = nn.Linear(given, wanted)
        self.pair = nn.Linear(2 * wanted, 1)

    def forward(self, x):
        x = self.value(x)
        score = F.leaky_relu(self.pair(torch.cat([x[sender], x[receiver]], 1)), 0.2).squeeze(1)
        weight = share(score, sender)  # bug
        # fix: weight = share(score, receiver)
        return torch.zeros_like(x).index_add(0, receiver, weight[:, None] * x[sender])


one, two = Attend(5, 12), Attend(12, 3)
optimizer = torch.optim.Adam([*one.parameters(), *two.parameters()], lr=1e-2)
x = torch.randn(nodes, 5)
label = torch.randint(0, 3, (nodes,))
for step in range(20):
    loss = F.cross_entropy(two(F.elu(one(x))), label)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
print(loss.item())
