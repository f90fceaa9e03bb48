import torch

torch.manual_seed(0)
rnn = torch.nn.RNNCell(2, 4)
optimizer = torch.optim.SGD(rnn.parameters(), lr=0.01)
h = torch.zeros(1, 4)
for t in range(5):
    h = rnn(torch.randn(1, 2), h)
    loss = h.pow(2).sum()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
