import torch
import torch.nn.functional as F

torch.manual_seed(0)
wq, wk, wv = (torch.randn(4, 4, requires_grad=True) for _ in range(3))
out = torch.randn(4, 2, requires_grad=True)
mask = torch.triu(torch.ones(5, 5, dtype=torch.bool), 1)
opt = torch.optim.Adam([wq, wk, wv, out], lr=0.01)
for i in range(8):
    x = torch.randn(2, 5, 4)
    scores = (x @ wq) @ (x @ wk).transpose(1, 2) / 2
    scores = scores.masked_fill(mask, float("-inf"))
    h = torch.softmax(scores, -1) @ (x @ wv)
    loss = F.cross_entropy((h @ out).reshape(-1, 2), torch.randint(0, 2, (10,)))
    opt.zero_grad()
    loss.backward()
    opt.step()
