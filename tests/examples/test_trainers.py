"""The examples of trainers, where their libraries are installed."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

import autograd_lens as lens

EXAMPLES = Path(__file__).parents[2] / "examples" / "trainers"
LIBRARIES = {
    "accelerate_loop": "accelerate",
    "ignite_engine": "ignite",
    "lightning_fit": "lightning",
    "transformers_trainer": "transformers",
}
STEPS = {
    "accelerate_loop": 24,
    "ignite_engine": 16,
    "lightning_fit": 12,
    "transformers_trainer": 10,
}


def test_every_example_is_run() -> None:
    assert {path.stem for path in EXAMPLES.glob("*.py")} == LIBRARIES.keys() == STEPS.keys()
    assert all(len(path.read_text().splitlines()) <= 60 for path in EXAMPLES.glob("*.py"))


@pytest.mark.parametrize("name", LIBRARIES)
def test_an_example_records_its_steps(name: str, tmp_path: Path) -> None:
    if importlib.util.find_spec(LIBRARIES[name]) is None:
        pytest.skip(f"{LIBRARIES[name]} is not installed")
    paths = [str(EXAMPLES.parents[1]), os.environ.get("PYTHONPATH", "")]
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / f"{name}.py")],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1].startswith(f"{STEPS[name]} steps, loss ")
    with lens.open(tmp_path / f"{name}.lens") as trace:
        assert len(trace.steps) == STEPS[name]
        assert trace.info.status == "finished"
        assert lens.doctor(trace, seconds=0) == ()
