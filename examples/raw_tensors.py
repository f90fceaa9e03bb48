"""Measure gravity from a thrown ball, with nothing but tensors.

There is no ``nn.Module`` and no optimizer here: three tensors with ``requires_grad=True`` are
the parameters, the physics of a throw is the model, and the update is written out by hand
under ``torch.no_grad()``. The ball's height was measured 60 times during a throw of 1.2
seconds, two centimetres of noise included; gradient descent finds the height and the speed at
which it was thrown, and the pull of the earth.
"""

import torch

torch.manual_seed(0)
seconds = torch.linspace(0, 1.2, 60)
metres = 1.5 + 6.0 * seconds - 9.81 / 2 * seconds**2 + 0.02 * torch.randn(60)

height = torch.tensor(0.0, requires_grad=True)  # where the ball starts, m
speed = torch.tensor(0.0, requires_grad=True)  # how fast it is thrown upwards, m/s
gravity = torch.tensor(0.0, requires_grad=True)  # how fast it is pulled back, m/s^2
learning_rate = 0.3

for step in range(3000):
    flight = height + speed * seconds - gravity / 2 * seconds**2
    loss = ((flight - metres) ** 2).mean()
    loss.backward()

    with torch.no_grad():
        height -= learning_rate * height.grad
        speed -= learning_rate * speed.grad
        gravity -= learning_rate * gravity.grad
        for parameter in (height, speed, gravity):
            parameter.grad = None

    if step % 500 == 0 or step == 2999:
        print(
            f"step {step:4d}   loss {loss.item():.6f}   height {height.item():.3f} m"
            f"   speed {speed.item():.3f} m/s   gravity {gravity.item():.3f} m/s^2"
        )
