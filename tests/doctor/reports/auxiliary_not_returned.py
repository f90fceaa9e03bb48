import torch
from torch import nn

torch.manual_seed(141)
encode = nn.Linear(8, 24)
decode = nn.Linear(24, 8)
spare = nn.Linear(24, 8)
weights = [*encode.parameters(), *decode.parameters(), *spare.parameters()]
optimizer = torch.optim.Adam(weights, lr=3e-3)
activations = torch.randn(100, 8)


def losses(x):
    latent = torch.relu(encode(x))
    reconstruction = nn.functional.mse_loss(decode(latent), x)
    auxiliary = nn.functional.mse_loss(spare(latent), x - decode(latent).detach())
    loss = reconstruction + 0.1 * auxiliary
    return reconstruction  # bug
    # fix: return loss


for step in range(30):
    loss = losses(activations)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
print(loss.item())
