# a two-tower model; the text tower's output is turned into NumPy for "normalising"
import numpy as np
import torch
from torch import nn

torch.manual_seed(0)
image_tower = nn.Linear(6, 4)
text_tower = nn.Linear(5, 4)
opt = torch.optim.Adam([*image_tower.parameters(), *text_tower.parameters()], lr=0.01)
images, texts = torch.randn(16, 6), torch.randn(16, 5)
for step in range(20):
    a = image_tower(images)
    b = text_tower(texts).detach().numpy()
    b = torch.tensor(b / np.linalg.norm(b, axis=1, keepdims=True))
    logits = a @ b.T
    loss = nn.functional.cross_entropy(logits, torch.arange(16))
    opt.zero_grad()
    loss.backward()
    opt.step()
