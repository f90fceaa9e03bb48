import torch
from torch import nn

torch.manual_seed(0)
net = nn.GRU(6, 16)
head = nn.Linear(16, 6)
opt = torch.optim.Adam([*net.parameters(), *head.parameters()], lr=0.02)
signs = torch.eye(6)
for _ in range(25):
    text = torch.randint(0, 5, (8, 4))
    # fix: text = text + 1
    sound = signs[text].repeat_interleave(3, 1).transpose(0, 1)
    logs = head(net(sound)[0]).log_softmax(2)
    lengths = torch.full((8,), 12), torch.full((8,), 4)
    loss = nn.functional.ctc_loss(logs, text, *lengths)  # bug
    # fix: loss = nn.functional.ctc_loss(logs, text, *lengths)
    opt.zero_grad()
    loss.backward()
    opt.step()
