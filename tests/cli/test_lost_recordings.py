"""A recording that could not be written to its end says so, with a status of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from autograd_lens.trace.reader import Trace

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
    done = recorded(tmp_path, deed)
    assert says in done.stderr.splitlines()[-1]


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A file system of 2 MB."""
    folder = tmp_path / "small"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(folder)]
    if (
        not sys.platform.startswith("linux")
        or os.geteuid()
        or subprocess.run(command, capture_output=True, check=False).returncode
    ):
        pytest.skip("only root can have a small file system")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_full_file_system_ends_the_recording_and_not_the_program(
    tmp_path: Path, small: Path
) -> None:
    # Some steps are written in the first second, and far from all of them fit.
    program = PROGRAM.replace("200, 200", "60, 60").replace("sleep(0.02)", "sleep(0.06)")
    done = recorded(tmp_path, "pass", "-o", "small/train.lens", program=program)
    assert "disk is full" in done.stderr.splitlines()[-1]
    assert "of 60 steps" in done.stderr.splitlines()[-1]
    with Trace(small / "train.lens") as trace:
        assert 0 < len(trace.steps) < 60
        assert all(step.loss is not None for step in trace.steps)


def recorded(
    folder: Path, deed: str, *options: str, program: str = PROGRAM
) -> subprocess.CompletedProcess[str]:
    """The run of a program whose recording is lost; it ends as it should."""
    (folder / "train.py").write_text(program.format(deed=deed))
    environment = os.environ | {"PYTHONPATH": str(ROOT), "AUTOGRAD_LENS_STATE": str(folder)}
    command = [sys.executable, "-m", "autograd_lens", "run", *options, "train.py"]
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.stdout == "done\n"
    assert done.returncode == 3
    assert "Recorded" not in done.stderr
    assert done.stderr.count("Traceback") == 0
    assert "the recording is incomplete" in done.stderr.splitlines()[-1]
    return done
