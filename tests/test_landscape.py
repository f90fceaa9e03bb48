"""What is measured of the loss around a run, and kept in its file."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch

import autograd_lens as lens
from autograd_lens.analysis.plane import find_plane, stored_surface
from autograd_lens.analysis.rates import find_rates
from autograd_lens.landscape import keep_landscape, measure_curvatures
from autograd_lens.trace.kept import stored_curvatures
from tests.support.linear_records import data


class SGD:
    def __init__(self, params: list[torch.Tensor], lr: float) -> None:
        self.params, self.lr = params, lr

    def step(self) -> None:
        for param in self.params:
            assert param.grad is not None
            param.data -= self.lr * param.grad.data
            param.grad.data.zero_()


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The linear regression, ten steps of it, after ``keep_landscape``."""
    path = tmp_path_factory.mktemp("landscape") / "line.lens"
    x, y = map(torch.from_numpy, data())
    w1, b1 = torch.ones(1, 1, requires_grad=True), torch.ones(1, requires_grad=True)
    optimizer = SGD([w1, b1], 0.01)
    with lens.record(path):
        for _ in range(10):
            torch.mean((x.mm(w1) + b1 - y) ** 2 / 2).backward()
            optimizer.step()
    keep_landscape(path)
    return path


def test_the_first_programs_curvature_and_rate(kept: Path) -> None:
    with lens.open(kept) as trace:
        rates = find_rates(trace)
    assert rates.used == (0.01,)
    assert rates.is_plain
    assert rates.curvature is not None
    assert rates.curvature.step == 5
    assert rates.curvature.largest == pytest.approx(1.2396, abs=5e-5)
    assert rates.curvature.stable_rate == pytest.approx(1.6134, abs=5e-5)


def test_first_and_last_full_step_are_measured(kept: Path) -> None:
    with lens.open(kept) as trace:
        found = stored_curvatures(trace)
        assert found == measure_curvatures(trace)
    assert found is not None
    assert [point.step for point in found.points] == [0, 5]


def test_a_run_of_two_numbers_keeps_its_surface(kept: Path) -> None:
    with lens.open(kept) as trace:
        surface = stored_surface(trace, find_plane(trace))
    assert surface is not None
    assert surface.loss.shape == (121, 121)


def test_what_was_kept_is_drawn_and_told_without_torch(kept: Path) -> None:
    program = (
        "import sys, autograd_lens as lens\n"
        f"with lens.open({str(kept)!r}) as trace: trace.plot_path()\n"
        "from autograd_lens.cli import app\n"
        f"app(['info', {str(kept)!r}], standalone_mode=False)\n"
        "assert 'torch' not in sys.modules\n"
    )
    root = str(Path(lens.__file__).parents[1])
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False, cwd=root
    )
    assert done.returncode == 0, done.stderr
    assert "up to lr 1.6134 = 2 / 1.2396" in done.stdout


def test_a_run_that_nothing_can_be_measured_of_says_why(tmp_path: Path) -> None:
    path = tmp_path / "light.lens"
    w = torch.ones(2, requires_grad=True)
    with lens.record(path, full="none"):
        (w**2).sum().backward()
    keep_landscape(path)
    with lens.open(path) as trace:
        assert find_rates(trace).missing == "No step with a backward was recorded in full."


def test_a_gradient_that_is_not_finite_has_no_curvature(tmp_path: Path) -> None:
    path = tmp_path / "nan.lens"
    w = torch.zeros(2, requires_grad=True)
    with lens.record(path):
        torch.sqrt(w).sum().backward()
    with lens.open(path) as trace:
        found = measure_curvatures(trace)
    assert found.missing == "The gradient of step 0 is not finite."


def test_time_that_runs_out_is_told_with_the_way_out(tmp_path: Path) -> None:
    path = tmp_path / "large.lens"
    w = torch.randn(200, requires_grad=True)
    with lens.record(path):
        (w**4).sum().backward()
    with lens.open(path) as trace:
        assert "info --curvature" in measure_curvatures(trace, seconds=0).missing
        assert measure_curvatures(trace).points[0].rounds > 0
