import torch
from torch import nn

torch.manual_seed(139)
unet = nn.Sequential(nn.Linear(6, 20), nn.SiLU(), nn.Linear(20, 6))
params_to_clip = unet.parameters()  # bug
# fix: params_to_clip = list(unet.parameters())
optimizer = torch.optim.SGD(unet.parameters(), lr=0.05)
latents = torch.randn(80, 6) * 4
for step in range(20):
    noise = torch.randn(80, 6)
    loss = nn.functional.mse_loss(unet(latents + noise), noise)
    optimizer.zero_grad()
    loss.backward()
    torch.nn.utils.clip_grad_norm_(params_to_clip, 0.3)
    optimizer.step()
print(loss.item())
