"""One small recording for all tests of the command line."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import autograd_lens

ROOT = Path(autograd_lens.__file__).parents[1]

SCRIPT = """\
import sys
import torch

torch.manual_seed(0)
w1 = torch.randn(1, 1, requires_grad=True)
b1 = torch.randn(1, requires_grad=True)
x = torch.arange(6.0).reshape(6, 1)
y = 3 * x + 10
for t in range(12):
    loss = torch.mean((x.mm(w1) + b1 - y) ** 2 / 2)
    loss.backward()
    with torch.no_grad():
        for parameter in (w1, b1):
            parameter -= 0.01 * parameter.grad
            parameter.grad.zero_()
print("trained with", sys.argv[1:])
"""

Lens = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def lens(tmp_path: Path) -> Lens:
    """Run the command in a process of its own, in ``tmp_path``."""
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "AUTOGRAD_LENS_STATE": str(tmp_path / "state"),
        "COLUMNS": "80",
    }

    def run(*words: str | Path, cwd: Path = tmp_path) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "autograd_lens", *map(str, words)],
            capture_output=True,
            text=True,
            check=False,
            cwd=cwd,
            env=environment,
            stdin=subprocess.DEVNULL,
        )

    return run


@pytest.fixture(scope="session")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``train.lens``: twelve steps, of which 0, 1, 2, 5 and 10 are full."""
    folder = tmp_path_factory.mktemp("recorded")
    (folder / "train.py").write_text(SCRIPT)
    subprocess.run(
        [sys.executable, "-m", "autograd_lens", "run", "train.py"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), "AUTOGRAD_LENS_STATE": str(folder)},
        capture_output=True,
        check=True,
    )
    return folder / "train.lens"
