"""Half precision with a gradient scaler: gradients are made large, so that none becomes zero.

Float16 ends at 65504. The scaler begins at 65536 times the loss, finds Inf, leaves that update out
and halves its factor, until the gradients fit.
"""

import torch
from torch import nn

torch.manual_seed(0)
x = torch.randn(64, 8)
y = x.square().sum(1, keepdim=True)
model = nn.Sequential(nn.Linear(8, 32), nn.GELU(), nn.Linear(32, 1))
optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
scaler = torch.amp.GradScaler("cpu", init_scale=65536.0, growth_interval=20)

for step in range(40):
    optimizer.zero_grad()
    with torch.autocast("cpu", dtype=torch.float16):
        guess = model(x)
    loss = nn.functional.mse_loss(guess.float(), y)
    scaler.scale(loss).backward()
    scaler.step(optimizer)
    scaler.update()
    if step < 4 or step == 39:
        print(
            f"step {step:2d}   loss {loss.item():8.3f}   scale from now on {scaler.get_scale():g}"
        )
