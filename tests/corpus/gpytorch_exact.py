"""gpytorch: an exact Gaussian process, its marginal likelihood maximised with Adam."""

import gpytorch
import torch

torch.manual_seed(22)
x = torch.linspace(0, 1, 30)
y = torch.sin(6.28 * x) + 0.2 * torch.randn(30)


class Model(gpytorch.models.ExactGP):
    def __init__(self, x, y, likelihood):
        super().__init__(x, y, likelihood)
        self.mean = gpytorch.means.ConstantMean()
        self.kernel = gpytorch.kernels.ScaleKernel(gpytorch.kernels.RBFKernel())

    def forward(self, x):
        return gpytorch.distributions.MultivariateNormal(self.mean(x), self.kernel(x))


likelihood = gpytorch.likelihoods.GaussianLikelihood()
model = Model(x, y, likelihood)
model.train()
likelihood.train()
optimizer = torch.optim.Adam(model.parameters(), lr=0.1)
objective = gpytorch.mlls.ExactMarginalLogLikelihood(likelihood, model)
print("begin")
for step in range(25):
    optimizer.zero_grad()
    loss = -objective(model(x), y)
    loss.backward()
    optimizer.step()
    print(step, loss.item(), model.kernel.base_kernel.lengthscale.item())
model.eval()
with torch.no_grad(), gpytorch.settings.fast_pred_var():
    mean = model(torch.tensor([0.15, 0.55])).mean
print("end", mean.tolist(), likelihood.noise.item(), torch.rand(1).item())
