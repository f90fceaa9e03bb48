"""A recording that servers must be honest about."""

from __future__ import annotations

from pathlib import Path

import pytest

STARVED = """\
import numpy as np
import torch

w, numbers = torch.ones(1000, requires_grad=True), np.random.default_rng(0)
for i in range(60):
    x = torch.from_numpy(numbers.standard_normal(1000).astype(np.float32))
    (w * x).sum().backward()
    w.data.sub_(0.1 * w.grad)
    w.grad.zero_()
"""


@pytest.fixture(scope="session")
def starved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recording whose budget left nothing for batches in the end: step 50 stays light."""
    from autograd_lens.capture import Limits, run_script

    folder = tmp_path_factory.mktemp("starved")
    (folder / "train.py").write_text(STARVED)
    limits = Limits(size=1 << 20)
    run_script(str(folder / "train.py"), [], folder / "starved.lens", full="0", limits=limits)
    return folder / "starved.lens"
