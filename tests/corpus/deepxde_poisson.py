"""deepxde: a physics-informed network for Poisson's equation in one dimension, Adam then L-BFGS."""

import os

os.environ["DDE_BACKEND"] = "pytorch"

import deepxde as dde
import numpy as np
import torch

dde.config.set_random_seed(20)


def equation(x, y):
    return dde.grad.hessian(y, x) + torch.pi**2 * torch.sin(torch.pi * x)


line = dde.geometry.Interval(-1, 1)
edge = dde.icbc.DirichletBC(line, lambda x: np.zeros((len(x), 1)), lambda _, on: on)
data = dde.data.PDE(line, equation, edge, 16, 2, solution=lambda x: np.sin(np.pi * x), num_test=20)
net = dde.nn.FNN([1, 16, 16, 1], "tanh", "Glorot uniform")
model = dde.Model(data, net)
model.compile("adam", lr=1e-3, metrics=["l2 relative error"])
print("begin")
history, state = model.train(iterations=60, display_every=20, verbose=0)
print(np.sum(history.loss_train[-1]), history.metrics_test[-1])
dde.optimizers.set_LBFGS_options(maxiter=15)
model.compile("L-BFGS")
history, state = model.train(verbose=0)
print("end", np.sum(history.loss_train[-1]), [p.sum().item() for p in net.parameters()])
