"""The example scripts run as they are, and the linear regression reaches its known result."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"


def run_example(name: str, folder: Path) -> str:
    """Standard output of one script, run in an empty folder on one thread without a display."""
    environment = {k: v for k, v in os.environ.items() if k not in {"DISPLAY", "MPLBACKEND"}}
    environment |= {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(EXAMPLES.parent)}
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / name)],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout


def test_linear_regression_ends_where_it_is_known_to_end(tmp_path: Path) -> None:
    last = run_example("linear_regression.py", tmp_path).splitlines()[-1]
    assert last == "step 4999   loss 0.038666, then y = 3.050687 x + 10.500237"
    assert (tmp_path / "linear_regression.png").stat().st_size > 5_000


def test_linear_regression_data_have_the_known_least_squares_line() -> None:
    random = np.random.RandomState(0)
    x = random.rand(100, 1)
    y = 3 * x + 10 + random.rand(100, 1)
    slope, intercept = np.polyfit(x.ravel(), y.ravel(), 1)
    assert (round(slope, 5), round(intercept, 5)) == (2.93655, 10.55808)


def test_the_watched_twin_builds_the_same_model_and_data() -> None:
    """Only the recording differs, so both scripts define the same classes, word for word."""
    plain, watched = (
        (EXAMPLES / name).read_text(encoding="utf-8")
        for name in ("linear_regression.py", "linear_regression_watched.py")
    )
    shared = re.search(r"class mylinermodel.*?(?=\n\n\nnp\.random\.seed)", plain, re.DOTALL)
    assert shared is not None
    assert shared.group() in watched


@pytest.mark.parametrize(
    ("script", "learned"),
    [("raw_tensors.py", r"gravity 9\.7\d\d m/s\^2$"), ("mlp_adam.py", r"^(9\d|100)\.\d% of")],
)
def test_other_examples_learn_what_they_should(script: str, learned: str, tmp_path: Path) -> None:
    assert re.search(learned, run_example(script, tmp_path).splitlines()[-1])
