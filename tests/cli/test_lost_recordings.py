"""A recording that could not be written to its end says so, with a status of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROGRAM = """
import os, resource, time, torch
w = torch.ones(200, 200, requires_grad=True)
for step in range(60):
    (w * torch.rand(200, 200)).sum().backward()
    with torch.no_grad():
        w -= 0.01 * w.grad
    time.sleep(0.02)
    if step == 30:
        {deed}
print("done")
"""


@pytest.mark.parametrize(
    ("deed", "says"),
    [
        ("os.remove('train.lens')", "There is no trace to read in train.lens"),
        ("resource.setrlimit(resource.RLIMIT_FSIZE, (2**16, 2**16))", "of 60 steps"),
    ],
    ids=["deleted", "full"],
)
def test_a_lost_recording_is_told_at_the_end(tmp_path: Path, deed: str, says: str) -> None:
    (tmp_path / "train.py").write_text(PROGRAM.format(deed=deed))
    environment = os.environ | {"PYTHONPATH": str(ROOT), "AUTOGRAD_LENS_STATE": str(tmp_path)}
    command = [sys.executable, "-m", "autograd_lens", "run", "train.py"]
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert done.stdout == "done\n"
    assert done.returncode == 3
    assert "Recorded" not in done.stderr
    assert done.stderr.count("Traceback") == 0
    assert "the recording is incomplete" in done.stderr.splitlines()[-1]
    assert says in done.stderr.splitlines()[-1]
