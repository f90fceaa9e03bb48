"""However a program ends, ``run`` ends as it does, and says what there is of it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import autograd_lens as lens
from autograd_lens.trace.records import TensorUse

ENVIRONMENT = os.environ | {"PYTHONPATH": str(Path(lens.__file__).parents[1])}


def run(
    folder: Path, program: str, *arguments: str
) -> tuple[subprocess.CompletedProcess[str], ...]:
    """The program under python, and under ``run``."""
    (folder / "program.py").write_text(dedent(program))
    commands = (
        [sys.executable, "program.py", *arguments],
        [sys.executable, "-m", "autograd_lens", "run", "program.py", *arguments],
    )
    return tuple(
        subprocess.run(
            command, cwd=folder, env=ENVIRONMENT, capture_output=True, text=True, check=False
        )
        for command in commands
    )


def test_the_failing_step_is_kept_up_to_the_kernel_that_raised(tmp_path: Path) -> None:
    bare, recorded = run(
        tmp_path,
        """
        import torch
        w = torch.zeros(2, 3, requires_grad=True)
        for i in range(5):
            x = torch.ones(4, 2 if i < 3 else 5)
            loss = (x @ w).pow(2).mean() + w.sum()
            loss.backward()
            with torch.no_grad():
                w -= 0.1 * w.grad; w.grad = None
        """,
    )
    assert (recorded.returncode, recorded.stdout) == (bare.returncode, bare.stdout) == (1, "")
    assert recorded.stderr.startswith(bare.stderr)
    with lens.open(tmp_path / "program.lens") as trace:
        (event,) = trace.events
        assert event.step == 3
        step = trace.steps[3]
        assert step.backwards == ()
        last = step.kernels[-1]
        assert last.op == "aten.mm.default"
        assert last.outputs == ()
        specs = [one.value.spec for one in last.inputs if isinstance(one.value, TensorUse)]
        assert [(spec.name, spec.shape) for spec in specs] == [("x", (4, 5)), ("w", (2, 3))]
        assert last.source is not None
        assert last.source.line == 6


def test_nothing_recorded_is_said_with_the_reason_and_leaves_no_file(tmp_path: Path) -> None:
    bare, recorded = run(tmp_path, "raise SystemError('boom')")
    assert recorded.returncode == bare.returncode == 1
    assert "program.py raised SystemError before it called backward" in recorded.stderr
    bare, recorded = run(
        tmp_path,
        """
        import argparse
        parser = argparse.ArgumentParser()
        parser.add_argument("--rate", required=True)
        parser.parse_args()
        """,
    )
    assert recorded.returncode == bare.returncode == 2
    assert "ended in its argument parser" in recorded.stderr
    assert not list(tmp_path.glob("*.lens"))


def test_exit_handlers_find_the_program_s_world_and_closed_streams_are_no_failure(
    tmp_path: Path,
) -> None:
    bare, recorded = run(
        tmp_path,
        """
        import atexit, os, sys, torch
        def late():
            world = (sys.argv, sys.path[0], hasattr(sys.modules["__main__"], "w"))
            os.write(1, repr(world).encode())
        atexit.register(late)
        w = torch.ones(2, requires_grad=True)
        (w * w).sum().backward()
        sys.stdout.close(); sys.stderr.close()
        """,
        "--rate",
        "1",
    )
    assert (recorded.returncode, recorded.stdout) == (bare.returncode, bare.stdout)
    assert "--rate" in bare.stdout
