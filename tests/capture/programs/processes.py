"""Threads and processes."""

from __future__ import annotations

import os
import threading

import torch
from torch import nn
from torch.nn import functional
from torch.utils.data import DataLoader, TensorDataset

from tests.capture.programs.registry import See, regression, sgd, steps, train


@steps(4)
def forked_child_trains_too(see: See) -> None:
    model, x, y = regression()
    train(see, model, x, y, turns=2)
    child = os.fork()
    if child == 0:
        try:
            train(lambda *_: None, model, x, y)
            os._exit(0)
        finally:
            os._exit(1)
    see(os.waitpid(child, 0)[1])
    train(see, model, x, y, turns=2)


@steps(4)
def data_loader_shuffles(see: See) -> None:
    model, x, y = regression()
    optimizer = sgd(model)
    for _ in range(2):
        for batch_x, batch_y in DataLoader(TensorDataset(x, y), batch_size=2, shuffle=True):
            optimizer.zero_grad()
            loss = functional.mse_loss(model(batch_x), batch_y)
            loss.backward()
            optimizer.step()
            see(loss, model.weight)


@steps(2)
def another_thread_trains_beside(see: See) -> None:
    ones = torch.ones(1, 1)
    thread = threading.Thread(target=lambda: train(lambda *_: None, nn.Linear(1, 1), ones, ones))
    model, x, y = regression()
    thread.start()
    thread.join()
    train(see, model, x, y, turns=2)
