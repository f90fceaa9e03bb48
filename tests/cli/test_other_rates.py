"""What other learning rates would have done."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from autograd_lens.api import Trace, replaying
from autograd_lens.cli.handout import _tried_rates


@pytest.fixture(scope="module")
def minibatches(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six steps of ``torch.optim.SGD`` with another batch each."""
    import torch

    import autograd_lens as lens

    file = tmp_path_factory.mktemp("rates") / "train.lens"
    torch.manual_seed(0)
    model = torch.nn.Linear(1, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
    x = torch.arange(12.0).reshape(6, 2, 1) / 12
    with lens.record(file, full="all") as run:
        model, optimizer = run.watch(model, optimizer)
        for t in run.steps(6):
            loss = torch.mean((model(x[t]) - 3 * x[t] - 1) ** 2)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return file


def test_the_losses_are_those_that_numpy_descends_to(minibatches: Path) -> None:
    with replaying(Trace(minibatches)) as trace:
        tried = _tried_rates(trace)
        w0, b0 = (float(trace.parameter(n).values[0].item()) for n in trace.parameters)
        assert [each.own for each in tried] == [True, False, False]
        assert tried[0].loss == trace.losses[5]
    batches = np.arange(12.0).reshape(6, 2) / 12
    for each in tried:
        w, b = w0, b0
        for batch in batches:
            error = w * batch + b - 3 * batch - 1
            loss = np.mean(error**2)
            w, b = w - each.rate * 2 * np.mean(error * batch), b - each.rate * 2 * np.mean(error)
        assert each.loss == pytest.approx(loss, rel=1e-3)


def test_the_rate_of_a_handwritten_update_is_tried_as_well(recorded: Path) -> None:
    with Trace(recorded) as trace:
        own, *others = _tried_rates(trace)
        assert (own.rate, own.own) == (0.01, True)
        assert own.loss == trace.losses[own.steps - 1]
        assert [one.loss for one in others] != [own.loss] * len(others)
