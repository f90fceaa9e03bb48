"""kornia: an image registered by gradient descent on a homography, augmentation of the target."""

import kornia
import torch
from torch import nn

torch.manual_seed(32)
image = kornia.filters.gaussian_blur2d(torch.rand(1, 1, 32, 32), (7, 7), (2.0, 2.0))
turned = kornia.geometry.rotate(image, torch.tensor([8.0]))
noise = kornia.augmentation.RandomGaussianNoise(std=0.01, p=0.8)


class Affine(nn.Module):
    def __init__(self):
        super().__init__()
        self.angle = nn.Parameter(torch.zeros(1))
        self.shift = nn.Parameter(torch.zeros(1, 2))

    def forward(self, x):
        x = kornia.geometry.rotate(x, self.angle)
        return kornia.geometry.translate(x, self.shift)


model = Affine()
optimizer = torch.optim.Adam(
    [{"params": [model.angle], "lr": 0.5}, {"params": [model.shift], "lr": 0.05}]
)
print("begin")
for step in range(30):
    target = noise(turned)
    found = model(image)
    loss = nn.functional.l1_loss(found, target)
    loss = loss + 0.1 * kornia.losses.ssim_loss(found, target, 5)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if step % 6 == 5:
        print(step, loss.item(), model.angle.item())
print("end", model.angle.item(), model.shift.tolist(), torch.rand(1).item())
