"""What tests ask of a recorded fit, whoever ran it."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import nn

from autograd_lens.replay.verify import verify
from autograd_lens.trace.reader import Trace


def weights(model: nn.Module) -> Mapping[str, torch.Tensor]:
    """A copy of all parameters and buffers."""
    return {name: value.clone() for name, value in model.state_dict().items()}


def same(one: Mapping[str, torch.Tensor], other: Mapping[str, torch.Tensor]) -> bool:
    """Whether two copies are equal bit for bit."""
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def check_fit(trace: Trace, model: nn.Module, steps: int) -> None:
    """The trainer's steps under the model's names, each proved, and nothing of a validation."""
    assert len(trace.steps) == steps
    assert np.isfinite(trace.losses).all()
    assert set(trace.parameters) <= {name for name, _ in model.named_parameters()}
    proved = verify(trace, range(steps))
    assert proved.complete, proved
    assert not proved.differs, proved
    assert [check.steps for check in proved.checks[:3]] == [steps] * 3
    kernels = [kernel for step in trace.full_steps for kernel in trace.steps[step].kernels]
    assert kernels
    assert not [kernel for kernel in kernels if kernel.training is False]
