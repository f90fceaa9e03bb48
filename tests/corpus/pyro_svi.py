"""pyro-ppl: variational inference of a Bayesian regression, its own optimizer and guide."""

import pyro
import torch
from pyro import distributions as dist
from pyro.infer import SVI, Trace_ELBO
from pyro.infer.autoguide import AutoDiagonalNormal

pyro.set_rng_seed(21)
x = torch.randn(64, 3)
y = x @ torch.tensor([1.0, -2.0, 0.5]) + 0.1 * torch.randn(64)


def model(x, y):
    weight = pyro.sample("weight", dist.Normal(torch.zeros(3), 1.0).to_event(1))
    bias = pyro.sample("bias", dist.Normal(0.0, 5.0))
    noise = pyro.sample("noise", dist.LogNormal(-1.0, 1.0))
    with pyro.plate("data", len(x), subsample_size=32) as at:
        pyro.sample("y", dist.Normal(x[at] @ weight + bias, noise), obs=y[at])


guide = AutoDiagonalNormal(model)
svi = SVI(model, guide, pyro.optim.ClippedAdam({"lr": 0.03, "lrd": 0.99}), Trace_ELBO())
print("begin")
for step in range(40):
    loss = svi.step(x, y)
    if step % 8 == 7:
        print(step, loss)
print("end", guide.median(), torch.rand(1).item())
