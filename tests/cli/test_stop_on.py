"""``run --stop-on``: how the program ends, and what the last line says."""

from __future__ import annotations

from pathlib import Path

from tests.cli.conftest import Lens

PROGRAM = """\
import atexit
import torch

atexit.register(print, "exit handlers ran")
w = torch.ones(3, requires_grad=True)
try:
    for turn in range(30):
        (w.log() * torch.ones(3)).sum().backward()
        with torch.no_grad():
            w -= 0.2 * w.grad
        w.grad = None
except Exception:
    print("never")
finally:
    print("closed with", w.isfinite().all().item())
"""


def test_the_program_is_ended_and_its_last_line_says_where_to_look(
    lens: Lens, tmp_path: Path
) -> None:
    (tmp_path / "train.py").write_text(PROGRAM)
    result = lens("run", "--stop-on", "nan", "train.py")
    assert result.returncode == 4
    assert result.stdout == "closed with True\nexit handlers ran\n"
    assert "Traceback" not in result.stderr
    last = result.stderr.splitlines()[-1]
    assert last == (
        "Stopped at step 4: the loss is nan. It is kept whole. "
        "Look at it: autograd-lens trace train.lens --steps 4"
    )
    shown = lens("trace", "train.lens", "--steps", "4")
    assert "replayed and proved" in shown.stdout
    assert "stopped by --stop-on" in lens("info", "train.lens").stdout


def test_a_condition_that_is_none_keeps_the_program_from_starting(
    lens: Lens, tmp_path: Path
) -> None:
    (tmp_path / "train.py").write_text(PROGRAM)
    result = lens("run", "--stop-on", "loss > ten(w)", "train.py")
    assert (result.returncode, result.stdout) == (1, "")
    assert "nothing is called 'ten'" in result.stderr
    assert not (tmp_path / "train.lens").exists()
