"""diffusers: a small U-Net that learns noise, DDPM scheduler, EMA, then a short sampling."""

import torch
from diffusers import DDPMScheduler, UNet2DModel
from diffusers.optimization import get_cosine_schedule_with_warmup
from diffusers.training_utils import EMAModel

torch.manual_seed(25)
unet = UNet2DModel(
    sample_size=8,
    in_channels=1,
    out_channels=1,
    layers_per_block=1,
    block_out_channels=(16, 32),
    norm_num_groups=8,
    down_block_types=("DownBlock2D", "AttnDownBlock2D"),
    up_block_types=("AttnUpBlock2D", "UpBlock2D"),
)
scheduler = DDPMScheduler(num_train_timesteps=100)
averaged = EMAModel(unet.parameters(), decay=0.9)
optimizer = torch.optim.AdamW(unet.parameters(), lr=1e-3)
rates = get_cosine_schedule_with_warmup(optimizer, 3, 15)
clean = torch.randn(32, 1, 8, 8).cumsum(-1)
print("begin")
for step in range(15):
    x = clean[torch.randint(32, (8,))]
    noise, at = torch.randn_like(x), torch.randint(100, (8,))
    loss = torch.nn.functional.mse_loss(unet(scheduler.add_noise(x, noise, at), at).sample, noise)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(unet.parameters(), 1.0)
    optimizer.step()
    rates.step()
    optimizer.zero_grad()
    averaged.step(unet.parameters())
    print(step, loss.item(), rates.get_last_lr()[0])
scheduler.set_timesteps(4)
image = torch.randn(1, 1, 8, 8)
with torch.no_grad():
    for at in scheduler.timesteps:
        image = scheduler.step(unet(image, at).sample, at, image).prev_sample
print("end", image.sum().item(), torch.rand(1).item())
