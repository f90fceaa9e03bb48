import torch

torch.manual_seed(104)
mean = torch.nn.Parameter(torch.zeros(3))
log_scale = torch.nn.Parameter(torch.zeros(3))
opt = torch.optim.Adam([mean, log_scale], lr=0.05, maximize=True)
truth = torch.distributions.Normal(torch.tensor([1.0, -2.0, 0.5]), torch.tensor([0.1, 0.5, 0.2]))
for i in range(80):
    x = truth.sample((256,))
    score = torch.distributions.Normal(mean, log_scale.exp()).log_prob(x).sum(-1).mean()
    opt.zero_grad()
    score.backward()
    opt.step()
    if i % 16 == 15:
        print(f"{i} log likelihood {score.item():.4f} mean {[round(v, 2) for v in mean.tolist()]}")
