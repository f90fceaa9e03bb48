"""A program that leaves by ``os._exit`` leaves its trace closed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import autograd_lens as lens

ROOT = Path(__file__).parents[2]
PROGRAM = """
import os, threading, torch
real = os._exit
w = torch.ones(3, requires_grad=True)
for step in range(20):
    (w * w).sum().backward()
    with torch.no_grad():
        w -= 0.01 * w.grad
    w.grad = None
{leave}
"""
FORKS = """
if not os.fork():
    os._exit(5)
os.wait()
(w * w).sum().backward()
os._exit(0)
"""
THREAD = "threading.Thread(target=os._exit, args=(4,)).start(); threading.Event().wait()"
WRONG = """
try:
    os._exit("no number")
except TypeError:
    os._exit(6)
"""
RECORDS = """
import autograd_lens as lens
with lens.record("train.lens"):
    (w * w).sum().backward()
    os._exit(3)
"""


def left(folder: Path, leave: str, *prefix: str) -> int:
    (folder / "train.py").write_text(PROGRAM.format(leave=leave))
    environment = os.environ | {"PYTHONPATH": str(ROOT), "AUTOGRAD_LENS_STATE": str(folder)}
    command = [sys.executable, *prefix, "train.py"]
    return subprocess.run(command, cwd=folder, env=environment, check=False).returncode


@pytest.mark.skipif(not hasattr(os, "fork"), reason="children are forked only there")
@pytest.mark.parametrize(
    ("leave", "code", "steps", "status"),
    [
        ("os._exit(0)", 0, 20, "finished"),
        ("os._exit(3)", 3, 20, "exception"),
        (FORKS, 0, 21, "finished"),
        (THREAD, 4, 20, "exception"),
        (WRONG, 6, 20, "exception"),
    ],
    ids=["well", "with a status", "as a child", "in a thread", "not at all"],
)
def test_no_step_is_lost(tmp_path: Path, leave: str, code: int, steps: int, status: str) -> None:
    assert left(tmp_path, leave, "-m", "autograd_lens", "run") == code
    with lens.open(tmp_path / "train.lens") as trace:
        assert (len(trace.steps), trace.info.status) == (steps, status)
        assert [event.message for event in trace.events] == (
            [f"SystemExit: {code}"] if code else []
        )


def test_so_does_one_that_records_itself(tmp_path: Path) -> None:
    assert left(tmp_path, RECORDS) == 3
    with lens.open(tmp_path / "train.lens") as trace:
        assert (len(trace.steps), trace.info.status) == (1, "exception")


def test_the_function_is_the_systems_own_afterwards(tmp_path: Path) -> None:
    before = os._exit
    with lens.record(tmp_path / "run.lens"):
        assert os._exit.__doc__ == before.__doc__
    assert os._exit is before
