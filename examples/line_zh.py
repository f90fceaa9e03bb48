"""用梯度下降拟合一条直线。"""

import torch

torch.manual_seed(0)
x = torch.rand(20, 1)  # 二十个点,分布在直线 y = 2x + 1 附近
y = 2 * x + 1 + 0.1 * torch.randn(20, 1)

w = torch.zeros(1, 1, requires_grad=True)  # 斜率
b = torch.zeros(1, requires_grad=True)  # 截距
optimizer = torch.optim.SGD([w, b], lr=0.5)

for _ in range(60):
    prediction = x @ w + b
    loss = torch.mean((prediction - y) ** 2 / 2)  # 均方误差的一半
    loss.backward()
    optimizer.step()
    optimizer.zero_grad()

print(f"损失 {loss.item():.5f},直线 y = {w.item():.3f} x + {b.item():.3f}")
